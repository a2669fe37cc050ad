"""Lists of image names that split ChestX-ray14: NIH's own two, and ChestMNIST's three."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from xraylab.data.errors import DataError
from xraylab.data.split import SPLITS
from xraylab.data.tables import find_file, hash_fraction
from xraylab.io import wrap_os_error

VAL_FRACTION = 0.1
"""Fraction of the patients of NIH's training list that validate."""

_OFFICIAL = {"train": "*train_val_list*.txt", "test": "*test_list*.txt"}
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
        split: find_file(root, [pattern], f"NIH's list of {split} images")
        for split, pattern in _OFFICIAL.items()
    }
    splits = _merge(root, {split: _lines(path) for split, path in lists.items()}, patients)
    return {
        name: "val" if split == "train" and hash_fraction(patients[name]) < VAL_FRACTION else split
        for name, split in splits.items()
    }


def chestmnist_splits(root: Path, names: str | None, patients: Mapping[str, str]) -> dict[str, str]:
    """Return the split of each image by ChestMNIST's lists.

    Args:
        root: the folder that is searched for the lists where ``names`` is None.
        names: path of an ``.npz`` file, or of text files with ``{split}`` in it, or None; see
            ``xraylab.data.nih14.list_nih14``.
        patients: the patient of each image; other images are ignored.

    Raises:
        DataError: if a list is missing or cannot be read, or an image is in two.
    """
    if names is None:
        in_root = root / _NAMES_FILE
        names = str(in_root if in_root.is_file() else root / _NAMES_TEXT)
    names = str(Path(names).expanduser())
    if not names.endswith(".npz") and "{split}" not in names:
        raise DataError(
            "Invalid argument names",
            "the path of an .npz file, or of three text files with {split} in it",
            repr(names),
            'Pass for example names="lists/{split}.txt"',
        )
    lists = {}
    for split in SPLITS:
        path = Path(names.replace("{split}", split))
        in_npz = path.suffix == ".npz"
        lists[split] = _names_in_npz(path, f"{split}_names") if in_npz else _lines(path)
    return _merge(names, lists, patients)


def _merge(
    subject: str | Path, lists: Mapping[str, Sequence[str]], patients: Mapping[str, str]
) -> dict[str, str]:
    """Return the split of each image that has a patient."""
    splits = {}
    for split, names in lists.items():
        for name in names:
            if name in patients and splits.setdefault(name, split) != split:
                raise DataError(
                    f"{subject} puts an image into two splits",
                    "each image in one list",
                    f"{name} in both {splits[name]} and {split}",
                    "Remove it from one list",
                )
    return splits


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty."""
    try:
        with wrap_os_error(path, "reading the list of images"):
            lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise DataError(
            f"{path} {'does not exist' if missing else 'is not text'}",
            f"a list of image names, a name per line, or {_NAMES_FILE} in the same folder",
            "no such file" if missing else str(error),
            "Put the lists there, or pass their path as names=…",
        ) from error
    return [line.strip() for line in lines if line.strip()]


def _names_in_npz(path: Path, key: str) -> list[str]:
    """Return an array of names in an ``.npz`` file; nothing is unpickled."""
    try:
        with (
            wrap_os_error(path, "reading the lists of images"),
            np.load(path, allow_pickle=False) as arrays,
        ):
            names = arrays[key] if key in arrays.files else None
            received = "no such array"
    except FileNotFoundError:
        names, received = None, "no such file"
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        names, received = None, f"a file that cannot be read ({error}); nothing was unpickled"
    if names is not None and names.ndim == 1 and names.dtype.kind == "U":
        return names.tolist()
    raise DataError(
        f"{path} has no list of image names",
        f"an .npz file with an array {key} of text, a name per image",
        received if names is None else f"shape {names.shape}, dtype {names.dtype}",
        "Write the names as text: np.savez(path, train_names=np.array(names), …)",
    )
