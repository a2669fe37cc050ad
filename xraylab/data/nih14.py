"""NIH ChestX-ray14 from its own image files, tables and boxes."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from xraylab.data import tables
from xraylab.data.errors import DataError, reading
from xraylab.data.listing import Listing, paths_by_stem
from xraylab.data.report import Report
from xraylab.findings import FINDINGS
from xraylab.phantom import BOX_DTYPE

VAL_FRACTION = 0.1
"""Fraction of the patients of NIH's training list that validate."""

_ENTRIES = ("Data_Entry_2017*.csv", "Data_Entry_2017*.csv.gz")
_BOXES = ("BBox_List_2017*.csv", "BBox_List_2017*.csv.gz")
_BOX_COLUMNS = ("image", "finding", "Bbox [x", "y", "w", "h]")
_NO_FINDING = "no_finding"
_OTHER_NAMES = {"infiltrate": "infiltration"}  # its name in the list of boxes
_BOX_MARGIN = 0.01
_BOX_PIXELS = 1024.0  # side of the published images, in whose pixels the boxes are given


def list_nih14(root: str | os.PathLike, *, split: str = "train") -> Listing:
    """List one split of NIH ChestX-ray14 from a folder of its PNG files, or JPEG copies of them.

    The images are in ``root``, in ``images/`` or in ``images_001/images/`` and so on; they need not
    be complete. ``Data_Entry_2017*.csv`` (or ``.csv.gz``; of several the last by name) is in
    ``root``, as is ``BBox_List_2017.csv`` if the boxes are wanted. The split is NIH's: its
    ``test_list.txt`` tests; a tenth of the patients of its ``train_val_list.txt``, chosen by a
    stable hash, validate.

    The labels are those of the table. That of 2020 (``_v2020``) has 188 findings more than
    ChestMNIST, which derives from an earlier one: findings that are boxed but were not in the
    reports. All other labels are the same.

    Shapes:
        labels: (n, 14) float32; boxes as fractions of the image's side; table: (n,) with ``image``,
        ``patient``, ``age`` (years, -1 if missing or above 120), ``sex``
        and ``view``.

    Args:
        root: the folder.
        split: ``"train"``, ``"val"`` or ``"test"``.

    Returns:
        The images of the split, before any is opened.

    Raises:
        DataError: if a file is not as described, or a patient is in two splits.

    References: ``wang2017`` and ``nihcc2017``.
    """
    root = Path(root).expanduser()
    report = Report()
    entries = tables.find_file(root, _ENTRIES, "NIH's table of images", report)
    images, labels, table = read_entries(entries)
    # The lists may name images with or without .png.
    stems = [Path(name).stem for name in images]
    patients = dict(zip(stems, table["patient"].tolist(), strict=True))
    listed = []
    for kind in ("test", "train_val"):
        path = tables.find_file(root, [f"*{kind}_list*.txt"], f"NIH's list of {kind} images")
        with reading(path, "a text file with an image name per line", "Fetch the list again"):
            names = [Path(n).stem for n in path.read_text(encoding="utf-8-sig").split()]
        listed += [(name, patients[name], kind) for name in names if name in patients]
    tables.require_one_split(root, [row[1] for row in listed], [row[2] for row in listed])
    splits = {}
    for name, patient, kind in listed:
        val = tables.hash_fraction(patient) < VAL_FRACTION
        splits[name] = "test" if kind == "test" else "val" if val else "train"
    rows = np.array([row for row, name in enumerate(stems) if splits.get(name) == split], int)
    report.add("no split", (n for n, stem in zip(images, stems, strict=True) if stem not in splits))
    chosen = [images[row] for row in rows]
    parts = sorted(root.glob("images_[0-9]*"))
    folders = [root, root / "images", *parts, *(part / "images" for part in parts)]
    files = paths_by_stem([folder for folder in folders if folder.is_dir()])
    paths = [files.get(Path(name).stem) for name in chosen]
    boxes = read_boxes(root, chosen)
    return Listing(root, paths, labels[rows], FINDINGS, table[rows], boxes, report)


def read_entries(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read NIH's table of images.

    Shapes:
        returns: the image names; labels (n, 14) float32 in the order of the 14 findings; table
        (n,).

    Args:
        path: ``Data_Entry_2017*.csv``, plain or gzipped.

    Raises:
        DataError: if the file is not that table, or lists an image twice.
    """
    rows = tables.read_table(path, ("image", "finding", "patient"), ("age", "sex", "view"))
    tables.require_unique(path, rows["image"])
    labels = np.zeros((len(rows), len(FINDINGS)), np.float32)
    named = tables.named_labels(rows["finding"])
    for row, (line, names) in enumerate(zip(rows.index, named, strict=True)):
        if not names or (_NO_FINDING in names and len(names) > 1):
            problem = f"{path}, line {line} ({rows['image'].iloc[row]}) contradicts itself"
            received = repr(rows["finding"].iloc[row])
            raise DataError(problem, "No Finding, or findings without it", received)
        for name in names - {_NO_FINDING}:
            labels[row, _finding(path, name)] = 1
    table = tables.image_table(
        image=rows["image"],
        patient=rows["patient"],
        age=tables.ages(rows["age"]),
        sex=tables.sexes(rows["sex"]),
        view=rows["view"],
    )
    return rows["image"].tolist(), labels, table


def _finding(path: Path, text: str) -> int:
    """Return the label column of a finding as NIH writes it."""
    name = tables.label_key(text)
    name = _OTHER_NAMES.get(name, name)
    if name not in FINDINGS:
        expected = "No Finding, or some of the 14 findings with | between them"
        advice = "Load other labels with data.load('folder', …)"
        received = repr(text.replace("_", " ").title())
        raise DataError(f"{path} has an unknown finding", expected, received, advice)
    return FINDINGS.index(name)


def read_boxes(root: Path, images: list[str]) -> np.ndarray | None:
    """Return NIH's boxes in some images, or None where a folder has no list of boxes.

    Args:
        root: the folder that has ``BBox_List_2017.csv``.
        images: NIH's names of the images; the boxes' ``image`` is an index into them.

    Raises:
        DataError: if the list cannot be read.
    """
    if not any([*root.glob(pattern)] for pattern in _BOXES):
        return None
    path = tables.find_file(root, _BOXES, "NIH's list of boxes")
    index = {name: i for i, name in enumerate(images)}
    boxes = []
    # The header has one name, "Bbox [x,y,w,h]", for four columns.
    for line, name, finding, *cells in tables.read_table(path, _BOX_COLUMNS).itertuples():
        x, y, width, height = pd.to_numeric(pd.Series(cells), errors="coerce")
        sides = np.array([x, y, x + width, y + height]) / _BOX_PIXELS
        # A few published boxes pass the edge by a pixel or two.
        if (
            not (sides >= -_BOX_MARGIN).all()
            or sides.max() > 1 + _BOX_MARGIN
            or min(width, height) <= 0
        ):
            expected = "x, y, width and height in pixels, inside the image"
            raise DataError(f"{path}, line {line} is no box", expected, str(cells))
        if name in index:
            sides = np.clip(sides, 0, 1)
            boxes.append((index[name], _finding(path, finding), *sides))
    return np.array(sorted(boxes), BOX_DTYPE)
