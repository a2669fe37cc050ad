"""NIH ChestX-ray14 from its own image files, tables and boxes."""

import os
from pathlib import Path

import numpy as np

from xraylab.data.errors import DataError
from xraylab.data.listing import Listing, paths_by_stem
from xraylab.data.name_lists import chestmnist_splits, official_splits
from xraylab.data.tables import (
    find_file,
    image_table,
    read_rows_of,
    read_table,
    require_apart,
    require_different,
)
from xraylab.findings import FINDINGS
from xraylab.phantom import BOX_DTYPE

PROTOCOLS = ("official", "chestmnist")
"""Ways to split the images, see :func:`list_nih14`."""

_ENTRIES = ("Data_Entry_2017*.csv", "Data_Entry_2017*.csv.gz")
_BOXES = ("BBox_List_2017*.csv", "BBox_List_2017*.csv.gz")
_NO_FINDING = "No Finding"
_OTHER_NAMES = {"infiltrate": "infiltration"}  # what the list of boxes calls it
_BOX_PIXELS = 1024.0  # side of the published images, whose pixels the list of boxes counts


def list_nih14(
    root: str | os.PathLike,
    *,
    split: str = "train",
    protocol: str = "official",
    names: str | None = None,
) -> Listing:
    """List one split of NIH ChestX-ray14 from a folder of its PNG files, or JPEG copies of them.

    The images lie in ``root``, in ``images/`` or in ``images_001/images/`` and so on, whatever part
    of them there is. ``Data_Entry_2017*.csv`` (or ``.csv.gz``; of several the last by name) lies in
    ``root``, as does ``BBox_List_2017.csv`` if the boxes are wanted.

    The labels are those of the table. That of 2020 (``_v2020``) has 188 findings more than
    ChestMNIST, which derives from an earlier one: findings that are boxed but were not in the
    reports. All other labels are the same.

    Shapes:
        labels: (n, 14) uint8; boxes as fractions of the image's side; table: (n,) with ``image``,
        ``patient``, ``age`` (years as the table has them, -1 where it has none; some are
        impossible), ``sex`` and ``view``.

    Args:
        root: the folder.
        split: ``"train"``, ``"val"`` or ``"test"``.
        protocol: ``"official"`` takes NIH's ``test_list.txt`` and ``train_val_list.txt``; of the
            latter's patients a tenth, chosen by a stable hash, validate. ``"chestmnist"`` takes
            ChestMNIST's split by the lists in ``names``.
        names: for ChestMNIST's split, an ``.npz`` file with the image names ``train_names``,
            ``val_names`` and ``test_names``, or the path of three text files with ``{split}`` in
            place of train, val and test, a name a line. None stands for
            ``chestmnist_all_labels.npz``, or else ``chestmnist_{split}.txt``, in ``root``.

    Raises:
        DataError: if an argument or a file is not as described, or a patient is in two splits.

    Source: ``wang2017`` and ``nihcc2017``; ChestMNIST's split is that of ``yang2023``.
    """
    if protocol not in PROTOCOLS:
        raise DataError(
            "argument protocol",
            expected=f"one of {', '.join(PROTOCOLS)}",
            found=repr(protocol),
            advice="official is NIH's own split, chestmnist is that of the ChestMNIST files",
        )
    if names is not None and protocol != "chestmnist":
        raise DataError(
            "argument names",
            expected="none: the official split has its own lists",
            found=repr(names),
            advice='leave names out, or pass protocol="chestmnist"',
        )
    root = Path(root).expanduser()
    entries = find_file(root, _ENTRIES, "NIH's table of images")
    images, labels, table = read_entries(entries)
    patients = dict(zip(images, table["patient"].tolist(), strict=True))
    splits = (
        official_splits(root, patients)
        if protocol == "official"
        else chestmnist_splits(root, names, patients)
    )
    require_apart(f"{root}, protocol {protocol}", map(patients.get, splits), splits.values())
    rows = np.array([row for row, name in enumerate(images) if splits.get(name) == split], int)
    chosen = [images[row] for row in rows]
    files = paths_by_stem(_folders(root))
    return Listing(
        source="nih14",
        split=split,
        root=root,
        names=chosen,
        paths=[files.get(Path(name).stem) for name in chosen],
        labels=labels[rows],
        label_names=FINDINGS,
        table=table[rows],
        boxes=read_boxes(root, chosen),
    )


def read_entries(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read NIH's table of images.

    Shapes:
        returns: the image names; labels (n, 14) uint8 in the order of the 14 findings; table (n,).

    Args:
        path: ``Data_Entry_2017*.csv``, plain or gzipped.

    Raises:
        DataError: if the file is not that table, or lists an image twice.
    """
    needed = ("Image Index", "Finding Labels", "Patient ID")
    optional = ("Patient Age", "Patient Gender", "View Position")
    columns = read_table(path, needed, optional)
    images = columns["Image Index"]
    require_different(path, images)
    vectors = {text: _labels(path, text) for text in set(columns["Finding Labels"])}
    labels = np.array([vectors[text] for text in columns["Finding Labels"]], np.uint8)
    age, sex, view = (columns.get(name, [""] * len(images)) for name in optional)
    table = image_table(
        {
            "image": images,
            "patient": columns["Patient ID"],
            "age": [_years(text) for text in age],
            "sex": sex,
            "view": view,
        }
    )
    return images, labels, table


def _labels(path: Path, text: str) -> list[int]:
    """Return the labels that a finding string such as ``Effusion|Mass`` stands for."""
    if text == _NO_FINDING:
        return [0] * len(FINDINGS)
    present = {_finding(path, name) for name in text.split("|")}
    return [int(place in present) for place in range(len(FINDINGS))]


def _finding(path: Path, text: str) -> int:
    """Return the label column of a finding as NIH writes it."""
    name = text.strip().lower().replace(" ", "_")
    name = _OTHER_NAMES.get(name, name)
    if name not in FINDINGS:
        raise DataError(
            path,
            expected=f"{_NO_FINDING}, or some of the 14 findings with | between them",
            found=repr(text),
            advice="fetch the table again; other labels go through data.load('folder', …)",
        )
    return FINDINGS.index(name)


def _years(text: str) -> int:
    """Return an age in years: ``58``, or as older tables have it ``058Y``, ``011M`` or ``003D``."""
    digits = text.rstrip("YMD")
    if not digits.isdecimal():
        return -1
    return int(digits) // {"M": 12, "D": 365}.get(text[-1], 1)


def _folders(root: Path) -> list[Path]:
    """Return the folders in which the images may lie."""
    parts = sorted(root.glob("images_[0-9]*"))
    folders = [root, root / "images", *parts, *(part / "images" for part in parts)]
    return [folder for folder in folders if folder.is_dir()]


def read_boxes(root: Path, images: list[str]) -> np.ndarray | None:
    """Return NIH's boxes on some images, or None where a folder has no list of boxes.

    Args:
        root: the folder that has ``BBox_List_2017.csv``.
        images: NIH's names of the images; the boxes' ``image`` counts in them.

    Raises:
        DataError: if the list cannot be read.
    """
    if not any(path for pattern in _BOXES for path in root.glob(pattern)):
        return None
    path = find_file(root, _BOXES, "NIH's list of boxes")
    places = {name: place for place, name in enumerate(images)}
    _, rows = read_rows_of(path)
    boxes = []
    for number, row in rows:
        # By place: the header has one name, "Bbox [x,y,w,h]", for four columns, cut at its commas.
        try:
            name, finding, (x, y, width, height) = row[0], row[1], map(float, row[2:6])
        except (IndexError, ValueError) as error:
            raise DataError(
                f"{path}, line {number}",
                expected="an image name, a finding, and x, y, width and height in pixels",
                found=", ".join(row),
                advice="fetch the list again",
            ) from error
        if name in places:
            sides = np.clip(np.array([x, y, x + width, y + height]) / _BOX_PIXELS, 0, 1)
            boxes.append((places[name], _finding(path, finding), *sides))
    return np.array(sorted(boxes), BOX_DTYPE)
