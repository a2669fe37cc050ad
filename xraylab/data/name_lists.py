"""Lists of image names that split ChestX-ray14: NIH's own two, and ChestMNIST's three."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from xraylab.data.errors import DataError, as_data_error
from xraylab.data.split import SPLITS
from xraylab.data.tables import find_file, share_of

VAL_SHARE = 0.1
"""Share of the patients of NIH's training list that validate."""

_OFFICIAL = {"train": "*train_val_list*.txt", "test": "*test_list*.txt"}
_NAMES_FILE, _NAMES_TEXT = "chestmnist_all_labels.npz", "chestmnist_{split}.txt"


def official_splits(root: Path, patients: Mapping[str, str]) -> dict[str, str]:
    """Return the split of each image by NIH's two lists in a folder.

    A tenth of the patients of the training list, chosen by a stable hash, validate.

    Args:
        root: the folder with ``train_val_list.txt`` and ``test_list.txt``.
        patients: the patient of each image; images that are not in it are passed over.

    Raises:
        DataError: if a list is not there or cannot be read, or an image is in both.
    """
    lists = {
        split: find_file(root, [pattern], f"NIH's list of {split} images")
        for split, pattern in _OFFICIAL.items()
    }
    splits = _assigned(root, {split: _lines(path) for split, path in lists.items()}, patients)
    return {
        name: "val" if split == "train" and share_of(patients[name]) < VAL_SHARE else split
        for name, split in splits.items()
    }


def chestmnist_splits(root: Path, names: str | None, patients: Mapping[str, str]) -> dict[str, str]:
    """Return the split of each image by ChestMNIST's lists.

    Args:
        root: the folder in which lists are looked for that ``names`` does not give.
        names: path of an ``.npz`` file, or of text files with ``{split}`` in it, or None; see
            :func:`xraylab.data.nih14.list_nih14`.
        patients: the patient of each image; images that are not in it are passed over.

    Raises:
        DataError: if a list is not there or cannot be read, or an image is in two.
    """
    if names is None:
        here = root / _NAMES_FILE
        names = str(here if here.is_file() else root / _NAMES_TEXT)
    names = str(Path(names).expanduser())
    if not names.endswith(".npz") and "{split}" not in names:
        raise DataError(
            "argument names",
            expected="the path of an .npz file, or of three text files with {split} in it",
            found=repr(names),
            advice='pass for example names="lists/{split}.txt"',
        )
    lists = {}
    for split in SPLITS:
        path = Path(names.replace("{split}", split))
        in_npz = path.suffix == ".npz"
        lists[split] = _names_in_npz(path, f"{split}_names") if in_npz else _lines(path)
    return _assigned(names, lists, patients)


def _assigned(
    subject: str | Path, lists: Mapping[str, Sequence[str]], patients: Mapping[str, str]
) -> dict[str, str]:
    """Return the split of each image that has a patient."""
    splits = {}
    for split, names in lists.items():
        for name in names:
            if name in patients and splits.setdefault(name, split) != split:
                raise DataError(
                    subject,
                    expected="each image in one list",
                    found=f"{name} in both {splits[name]} and {split}",
                    advice="take it out of one list",
                )
    return splits


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise DataError(
            path,
            expected=f"a list of image names, a name a line, or {_NAMES_FILE} in the same folder",
            found="no such file",
            advice="put the lists there, or pass their path as names=…",
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            path,
            expected="a list of image names as text",
            found=str(error),
            advice="fetch the list again",
        ) from error
    except OSError as error:
        raise as_data_error(error, path, "reading the list of images") from error
    return [line.strip() for line in lines if line.strip()]


def _names_in_npz(path: Path, key: str) -> list[str]:
    """Return an array of names in an ``.npz`` file; nothing is unpickled."""
    expected = f"an .npz file with an array {key} of text, a name an image"
    advice = "write the names as text: np.savez(path, train_names=np.array(names), …)"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = arrays[key] if key in arrays.files else None
    except FileNotFoundError as error:
        raise DataError(
            path, expected=expected, found="no such file", advice="check the path given as names=…"
        ) from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        found = f"what cannot be read ({error}); nothing was unpickled"
        raise DataError(path, expected=expected, found=found, advice=advice) from error
    except OSError as error:
        raise as_data_error(error, path, "reading the lists of images") from error
    if names is None or names.ndim != 1 or names.dtype.kind != "U":
        found = "no such array" if names is None else f"shape {names.shape}, dtype {names.dtype}"
        raise DataError(path, expected=expected, found=found, advice=advice)
    return names.tolist()
