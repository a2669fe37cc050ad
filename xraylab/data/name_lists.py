"""Lists of image names that split ChestX-ray14: NIH's own two, and ChestMNIST's three."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from xraylab.arguments import invalid_argument
from xraylab.data.errors import DataError, reading
from xraylab.data.split import SPLITS
from xraylab.data.tables import find_file, hash_fraction

VAL_FRACTION = 0.1
"""Fraction of the patients of NIH's training list that validate."""

_NAMES_FILE, _NAMES_TEXT = "chestmnist_all_labels.npz", "chestmnist_{split}.txt"


def official_splits(root: Path, patients: Mapping[str, str]) -> dict[str, str]:
    """Return the split of each image by NIH's two lists in a folder.

    A tenth of the patients of the training list, chosen by a stable hash, validate.

    Args:
        root: the folder with ``train_val_list.txt`` and ``test_list.txt``.
        patients: the patient of each image; other images are ignored.

    Raises:
        DataError: if a list is missing or cannot be read, or an image is in both.
    """
    lists = {
        split: find_file(root, [f"*{kind}_list*.txt"], f"NIH's list of {split} images")
        for split, kind in (("train", "train_val"), ("test", "test"))
    }
    return {
        name: "val" if split == "train" and hash_fraction(patients[name]) < VAL_FRACTION else split
        for name, split in _merge(root, lists, patients).items()
    }


def chestmnist_splits(root: Path, names: str | None, patients: Mapping[str, str]) -> dict[str, str]:
    """Return the split of each image by ChestMNIST's lists.

    Args:
        root: the folder that is searched for the lists where ``names`` is None.
        names: path of an ``.npz`` file, or of text files with ``{split}`` in it, or None; see
            ``xraylab.data.nih14.list_nih14``.
        patients: the patient of each image; other images are ignored.

    Raises:
        ValueError: if ``names`` is no such path.
        DataError: if a list is missing or cannot be read, or an image is in two.
    """
    if names is None:
        in_root = root / _NAMES_FILE
        names = str(in_root if in_root.is_file() else root / _NAMES_TEXT)
    names = str(Path(names).expanduser())
    if not names.endswith(".npz") and "{split}" not in names:
        expected = "the path of an .npz file, or of three text files with {split} in it"
        raise invalid_argument("names", expected, repr(names))
    return _merge(names, {s: Path(names.replace("{split}", s)) for s in SPLITS}, patients)


def _merge(
    subject: str | Path, lists: Mapping[str, Path], patients: Mapping[str, str]
) -> dict[str, str]:
    """Return the split of each image that has a patient."""
    splits = {}
    for split, path in lists.items():
        for name in _names(path, f"{split}_names"):
            if name in patients and splits.setdefault(name, split) != split:
                received = f"{name} in both {splits[name]} and {split}"
                raise DataError(f"{subject} overlap", "each image in one list", received)
    return splits


def _names(path: Path, key: str) -> list[str]:
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
