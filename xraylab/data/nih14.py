"""NIH ChestX-ray14 from its own image files, tables and boxes."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from xraylab.arguments import invalid_argument, require_choice
from xraylab.data import tables
from xraylab.data.errors import DataError, reading
from xraylab.data.listing import Listing, paths_by_stem
from xraylab.data.split import SPLITS
from xraylab.findings import FINDINGS
from xraylab.phantom import BOX_DTYPE

PROTOCOLS = ("official", "chestmnist")
"""Ways to split the images, see :func:`list_nih14`."""

VAL_FRACTION = 0.1
"""Fraction of the patients of NIH's training list that validate."""

_ENTRIES = ("Data_Entry_2017*.csv", "Data_Entry_2017*.csv.gz")
_BOXES = ("BBox_List_2017*.csv", "BBox_List_2017*.csv.gz")
_NO_FINDING = "No Finding"
_OTHER_NAMES = {"infiltrate": "infiltration"}  # its name in the list of boxes
_BOX_PIXELS = 1024.0  # side of the published images, in whose pixels the boxes are given


def list_nih14(
    root: str | os.PathLike,
    *,
    split: str = "train",
    protocol: str = "official",
    names: str | None = None,
) -> Listing:
    """List one split of NIH ChestX-ray14 from a folder of its PNG files, or JPEG copies of them.

    The images are in ``root``, in ``images/`` or in ``images_001/images/`` and so on; they need not
    be complete. ``Data_Entry_2017*.csv`` (or ``.csv.gz``; of several the last by name) is in
    ``root``, as is ``BBox_List_2017.csv`` if the boxes are wanted.

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
        protocol: ``"official"`` takes NIH's ``test_list.txt`` and ``train_val_list.txt``; a tenth
            of the patients of the latter, chosen by a stable hash, validate. ``"chestmnist"`` takes
            ChestMNIST's split by the lists in ``names``.
        names: for ChestMNIST's split, an ``.npz`` file with the image names ``train_names``,
            ``val_names`` and ``test_names``, or the path of three text files with ``{split}`` for
            train, val and test, a name per line. None means ``chestmnist_all_labels.npz``, or
            else ``chestmnist_{split}.txt``, in ``root``.

    Returns:
        The images of the split, before any is opened.

    Raises:
        ValueError: if an argument is wrong.
        DataError: if a file is not as described, or a patient is in two splits.

    References: ``wang2017`` and ``nihcc2017``; ChestMNIST's split: ``yang2023``.
    """
    require_choice("protocol", protocol, PROTOCOLS)
    if names is not None and protocol != "chestmnist":
        raise invalid_argument("names", 'None without protocol="chestmnist"', repr(names))
    root = Path(root).expanduser()
    entries = tables.find_file(root, _ENTRIES, "NIH's table of images")
    images, labels, table = read_entries(entries)
    patients = dict(zip(images, table["patient"].tolist(), strict=True))
    splits = split_by_lists(root, protocol, names, patients)
    subject, split_patients = f"{root}, protocol {protocol}", [patients[name] for name in splits]
    tables.require_one_split(subject, split_patients, splits.values())
    rows = np.array([row for row, name in enumerate(images) if splits.get(name) == split], int)
    chosen = [images[row] for row in rows]
    parts = sorted(root.glob("images_[0-9]*"))
    folders = [root, root / "images", *parts, *(part / "images" for part in parts)]
    files = paths_by_stem([folder for folder in folders if folder.is_dir()])
    paths = [files.get(Path(name).stem) for name in chosen]
    return Listing(root, paths, labels[rows], FINDINGS, table[rows], read_boxes(root, chosen))


def split_by_lists(
    root: Path, protocol: str, names: str | None, patients: Mapping[str, str]
) -> dict[str, str]:
    """Return the split of each image by lists of image names.

    Args:
        root: the folder with the lists.
        protocol, names: as for :func:`list_nih14`.
        patients: the patient of each image; other images are ignored.

    Raises:
        ValueError: if ``names`` is no such path.
        DataError: if a list is missing or cannot be read, or an image is in two.
    """
    if protocol == "official":
        kinds = {"train": "train_val", "test": "test"}
        lists = {
            split: tables.find_file(root, [f"*{kind}_list*.txt"], f"NIH's list of {split} images")
            for split, kind in kinds.items()
        }
    else:
        in_root = root / "chestmnist_all_labels.npz"
        default = in_root if in_root.is_file() else root / "chestmnist_{split}.txt"
        names = str(Path(names or default).expanduser())
        if not names.endswith(".npz") and "{split}" not in names:
            expected = "the path of an .npz file, or of three text files with {split} in it"
            raise invalid_argument("names", expected, repr(names))
        lists = {split: Path(names.replace("{split}", split)) for split in SPLITS}
    splits: dict[str, str] = {}
    for split, path in lists.items():
        for name in _read_names(path, f"{split}_names"):
            if name in patients and splits.setdefault(name, split) != split:
                received = f"{name} in both {splits[name]} and {split}"
                raise DataError(f"{names or root} overlap", "each image in one list", received)
    if protocol == "official":
        for name in [name for name, split in splits.items() if split == "train"]:
            if tables.hash_fraction(patients[name]) < VAL_FRACTION:
                splits[name] = "val"
    return splits


def _read_names(path: Path, key: str) -> list[str]:
    """Read a list of names from a text file, or from an array in an ``.npz`` file."""
    expected = f"a text file with an image name per line, or an .npz file with text in {key}"
    with reading(path, expected, "Pass the path of the lists as names=…; nothing was unpickled"):
        if path.suffix != ".npz":
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            return [line.strip() for line in lines if line.strip()]
        with np.load(path, allow_pickle=False) as arrays:
            if key not in arrays.files:
                raise ValueError(f"no array {key}")
            names = arrays[key]
        if names.ndim != 1 or names.dtype.kind != "U":
            raise ValueError(f"{key} has shape {names.shape} and dtype {names.dtype}")
        return names.tolist()


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
    for line, row in tables.read_rows_of(path)[1].items():
        # By position: the header has one name, "Bbox [x,y,w,h]", for four columns.
        try:
            name, finding, (x, y, width, height) = row[0], row[1], map(float, row[2:6])
        except (IndexError, ValueError) as error:
            expected = "an image name, a finding, and x, y, width and height in pixels"
            raise DataError(f"{path}, line {line} is no box", expected, ", ".join(row)) from error
        if name in index:
            sides = np.clip(np.array([x, y, x + width, y + height]) / _BOX_PIXELS, 0, 1)
            boxes.append((index[name], _finding(path, finding), *sides))
    return np.array(sorted(boxes), BOX_DTYPE)
