"""NIH ChestX-ray14 from its own image files, tables and boxes."""

import os
from pathlib import Path

import numpy as np

from xraylab.data import tables
from xraylab.data.errors import DataError, reading
from xraylab.data.listing import Listing, paths_by_stem
from xraylab.findings import FINDINGS
from xraylab.phantom import BOX_DTYPE

VAL_FRACTION = 0.1
"""Fraction of the patients of NIH's training list that validate."""

_ENTRIES = ("Data_Entry_2017*.csv", "Data_Entry_2017*.csv.gz")
_BOXES = ("BBox_List_2017*.csv", "BBox_List_2017*.csv.gz")
_BOX_COLUMNS = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
_NO_FINDING = "No Finding"
_OTHER_NAMES = {"infiltrate": "infiltration"}  # its name in the list of boxes
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
        ``patient``, ``age`` (years as in the table, -1 if missing; some are impossible), ``sex``
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
    entries = tables.find_file(root, _ENTRIES, "NIH's table of images")
    images, labels, table = read_entries(entries)
    patients = dict(zip(images, table["patient"].tolist(), strict=True))
    listed = []
    for kind in ("test", "train_val"):
        path = tables.find_file(root, [f"*{kind}_list*.txt"], f"NIH's list of {kind} images")
        with reading(path, "a text file with an image name per line", "Fetch the list again"):
            names = path.read_text(encoding="utf-8-sig").split()
        listed += [(name, patients[name], kind) for name in names if name in patients]
    tables.require_one_split(root, [row[1] for row in listed], [row[2] for row in listed])
    splits = {}
    for name, patient, kind in listed:
        val = tables.hash_fraction(patient) < VAL_FRACTION
        splits[name] = "test" if kind == "test" else "val" if val else "train"
    rows = np.array([row for row, name in enumerate(images) if splits.get(name) == split], int)
    chosen = [images[row] for row in rows]
    parts = sorted(root.glob("images_[0-9]*"))
    folders = [root, root / "images", *parts, *(part / "images" for part in parts)]
    files = paths_by_stem([folder for folder in folders if folder.is_dir()])
    paths = [files.get(Path(name).stem) for name in chosen]
    return Listing(root, paths, labels[rows], FINDINGS, table[rows], read_boxes(root, chosen))


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
    needed = ("Image Index", "Finding Labels", "Patient ID")
    rows = tables.read_table(path, needed, ("Patient Age", "Patient Gender", "View Position"))
    images = rows["Image Index"].tolist()
    tables.require_unique(path, rows["Image Index"])
    columns = np.arange(len(FINDINGS))
    vectors = {_NO_FINDING: np.zeros(len(FINDINGS), bool)}
    for text in set(rows["Finding Labels"]) - vectors.keys():
        vectors[text] = np.isin(columns, [_finding(path, name) for name in text.split("|")])
    table = tables.image_table(
        image=images,
        patient=rows["Patient ID"],
        age=rows["Patient Age"].map(_years),
        sex=rows["Patient Gender"],
        view=rows["View Position"],
    )
    return images, np.array([vectors[t] for t in rows["Finding Labels"]], np.float32), table


def _finding(path: Path, text: str) -> int:
    """Return the label column of a finding as NIH writes it."""
    name = text.strip().lower().replace(" ", "_")
    name = _OTHER_NAMES.get(name, name)
    if name not in FINDINGS:
        expected = f"{_NO_FINDING}, or some of the 14 findings with | between them"
        advice = "Load other labels with data.load('folder', …)"
        raise DataError(f"{path} has an unknown finding", expected, repr(text), advice)
    return FINDINGS.index(name)


def _years(text: str) -> int:
    """Return an age in years: ``58``, or as older tables have it ``058Y``, ``011M`` or ``003D``."""
    digits = text.rstrip("YMD")
    if not digits.isdecimal():
        return -1
    return int(digits) // {"M": 12, "D": 365}.get(text[-1], 1)


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
        try:
            x, y, width, height = map(float, cells)
        except ValueError as error:
            expected = "x, y, width and height in pixels"
            raise DataError(f"{path}, line {line} is no box", expected, str(cells)) from error
        if name in index:
            sides = np.clip(np.array([x, y, x + width, y + height]) / _BOX_PIXELS, 0, 1)
            boxes.append((index[name], _finding(path, finding), *sides))
    return np.array(sorted(boxes), BOX_DTYPE)
