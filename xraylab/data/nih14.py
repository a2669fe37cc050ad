"""NIH ChestX-ray14 from its own image files, tables and boxes."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from xraylab.data import columns, tables
from xraylab.data.boxes import boxes_of
from xraylab.data.errors import DataError, reading
from xraylab.data.listing import Listing, paths_by_stem
from xraylab.data.report import Report
from xraylab.findings import FINDINGS

_ENTRIES = ("Data_Entry_2017*.csv", "Data_Entry_2017*.csv.gz")
_BOXES = ("BBox_List_2017*.csv", "BBox_List_2017*.csv.gz")
_BOX_COLUMNS = ("Bbox [x", "y", "w", "h]")  # the header has one name, "Bbox [x,y,w,h]", for all
_NO_FINDING = "no_finding"
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
    stems, patients, listed = [Path(name).stem for name in images], table["patient"], {}
    for kind in ("test", "train_val"):
        path = tables.find_file(root, [f"*{kind}_list*.txt"], f"NIH's list of {kind} images")
        with reading(path, "a text file with an image name per line", "Fetch the list again"):
            names = [Path(n).stem for n in path.read_text(encoding="utf-8-sig").split()]
        listed[kind] = np.isin(stems, names)
    kinds = np.repeat([*listed], [rows.sum() for rows in listed.values()])
    both = np.concatenate([patients[rows] for rows in listed.values()])
    columns.require_one_split(root, both, kinds)
    drawn = columns.hash_splits(pd.Series(patients))
    splits = np.select([*listed.values()], ["test", drawn], "")
    rows = np.flatnonzero(splits == split)
    report.add("no split", np.array(images)[splits == ""].tolist())
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
    columns.require_unique(path, rows["image"])
    named, labels = columns.named_labels(rows["finding"], FINDINGS)
    columns.require_known(path, set().union(*named), (*FINDINGS, _NO_FINDING))
    for row, names in enumerate(named):
        if not names or (_NO_FINDING in names and len(names) > 1):
            line, image = rows.index[row], rows["image"].iloc[row]
            problem, received = f"{path}, line {line} ({image})", repr(rows["finding"].iloc[row])
            expected = "No Finding, or findings without it"
            raise DataError(f"{problem} contradicts itself", expected, received)
    table = columns.image_table(rows[["image", "patient", "age", "sex", "view"]])
    return rows["image"].tolist(), labels.to_numpy(np.float32), table


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
    rows = tables.read_table(path, ("image", "finding", *_BOX_COLUMNS))
    # The list of boxes has a name that the table of images does not have.
    names = rows["finding"].map(tables.label_key).replace("infiltrate", "infiltration")
    columns.require_known(path, {*names}, FINDINGS)
    rows["finding"] = names.map(FINDINGS.index)
    return boxes_of(path, rows, _BOX_COLUMNS, images, _BOX_PIXELS)
