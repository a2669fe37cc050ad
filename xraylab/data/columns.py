"""Columns of tables of images: labels, ages and sexes, and splits that keep patients together."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xraylab.data.errors import DataError
from xraylab.data.tables import label_key, read_csv, select

VAL_FRACTION = 0.1
"""Fraction of the patients (or images) that validate, of those that a source does not divide."""

READERS = ("any", "majority")
"""Rules that join several readers of an image, see :func:`join_rows`."""

_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_SPLITS |= dict.fromkeys(("val", "valid", "validate", "validation"), "val")
_BINARY = {"0": 0.0, "0.0": 0.0, "false": 0.0, "no": 0.0, "": np.nan, "nan": np.nan}
_BINARY |= dict.fromkeys(("1", "1.0", "true", "yes"), 1.0)


def ages(cells: pd.Series) -> pd.Series:
    """Return ages in years: of ``58``, ``58.0``, ``058Y``, ``011M`` or ``003D``; -1 if unknown.

    Ages above 120 years, and all other text, are unknown.
    """
    parts = cells.str.upper().str.extract(r"^0*(\d{1,3})(?:\.\d*)?([YMWD]?)$")
    units = parts[1].map({"M": 12, "W": 52, "D": 365}).fillna(1)
    years = pd.to_numeric(parts[0]).fillna(-1) // units
    return years.where(years <= 120, -1).astype(int)


def sexes(cells: pd.Series) -> pd.Series:
    """Return M or F, or nothing where a cell is neither (also as ``male``, ``Female``, ``f``)."""
    return cells.str.lower().map({"m": "M", "male": "M", "f": "F", "female": "F"}).fillna("")


def named_labels(
    cells: pd.Series, label_names: Sequence[str]
) -> tuple[list[set[str]], pd.DataFrame]:
    """Return the labels whose names are in each cell: ``a|b``, ``a; b``, ``A, b``, ``['a', 'b']``.

    Args:
        cells: text; delimiters that a label's name has do not divide it.
        label_names: names of the labels.

    Returns:
        All names, as :func:`label_key` writes them, a set per cell; and a column per label, 0 or 1,
        NaN in the rows of cells without a name (empty or ``nan``).
    """
    delimiters = "".join(sorted({*"|;,"} - {*"".join(label_names)}))

    def names(cell: str) -> set[str]:
        parts = [name for _, name in re.findall(r"(['\"])(.*?)\1", cell)] if cell[:1] == "[" else []
        parts = parts or re.split(f"[{re.escape(delimiters)}]", cell.strip("[]"))
        return {label_key(part) for part in parts} - {""}

    found = {cell: names(cell) for cell in set(cells)}
    named = [found[cell] for cell in cells]
    keys = [label_key(name) for name in label_names]
    labels = [[key in names for key in keys] for names in named]
    frame = pd.DataFrame(labels, cells.index, [*label_names], float)
    unknown = [cell == "" or names == {"nan"} for cell, names in zip(cells, named, strict=True)]
    frame[unknown] = np.nan
    return named, frame


def require_known(path: Path, names: set[str], known: Sequence[str]) -> None:
    """Raise a :class:`DataError` that names a finding which is not known."""
    if unknown := sorted(names - {*known}):
        expected = f"some of {', '.join(known)}"
        received = repr(unknown[0].replace("_", " ").title())
        advice = "Load other labels with data.load('folder', …)"
        raise DataError(f"{path} has an unknown finding", expected, received, advice)


def join_rows(
    path: Path, images: pd.Series, labels: pd.DataFrame, rule: str | None, readers: pd.Series | None
) -> pd.DataFrame:
    """Join the labels of several rows of an image.

    Args:
        path: the table.
        images: the image of each row.
        labels: the labels of each row, NaN where unknown.
        rule: ``"any"``: a label is present if one row has it. ``"majority"``: if more than half of
            the rows, or readers, that know it have it; unknown at a tie. None allows one row only.
        readers: the reader of each row; the rows of one reader are joined by ``"any"`` first.

    Returns:
        The labels by the line number of each image's first row.

    Raises:
        DataError: if there are several rows and no rule.
    """
    if rule is None:
        advice = "Pass readers='majority' or readers='any' to join the rows of several readers"
        require_unique(path, images, advice)
        return labels
    first = images.index[~images.duplicated()]
    if rule == "majority" and readers is not None:
        labels = labels.groupby([images, readers], sort=False).max()
        joined = labels.groupby(level=0, sort=False).mean()
    else:
        grouped = labels.groupby(images, sort=False)
        joined = grouped.max() if rule == "any" else grouped.mean()
    joined = (joined > 0.5).astype(float).where(joined.notna() & (joined != 0.5))
    return joined.loc[images[first]].set_axis(first)


def read_image_table(path: str | os.PathLike, split: str, size: int, num_images: int) -> np.ndarray:
    """Read what is known of the images in an ``.npz`` file from a CSV table.

    Shapes:
        returns: (num_images,), with ``patient``, ``age`` (years, -1 if missing), ``sex`` and
        ``view``, in the order of the file.

    Args:
        path: a table with the columns ``split`` (train, val or test), ``patient``, ``row``, the
            index of an image in the file, and maybe ``age``, ``sex`` and ``view``. Instead of
            ``row`` it may have one column per size, as ``row_64``, which is empty for images that
            are not in the file of that size.
        split: name of the split.
        size: side of the images in pixels.
        num_images: number of images of the split in the file.

    Raises:
        DataError: if the table lacks an image or a column, or a patient is in two splits.
    """
    path = Path(path).expanduser()
    table = read_csv(path)
    row = f"row_{size}" if f"row_{size}" in table else "row"
    table = select(path, table, ("split", row, "patient"), ("age", "sex", "view"))
    table = table[table[row] != ""]
    require_one_split(path, table["patient"], table["split"])
    table = table[table["split"] == split]
    table = table.set_index(pd.to_numeric(table[row], errors="coerce")).sort_index()
    if table.index.tolist() != list(range(num_images)):
        expected = f"each row from 0 to {num_images - 1} once in column {row} for the {split} split"
        received = f"{len(table)} rows from {table.index.min()} to {table.index.max()}"
        raise DataError(f"{path} does not fit the images", expected, received)
    return image_table(table[["patient", "age", "sex", "view"]])


def map_cells(path: Path, cells: pd.DataFrame, values: Mapping, expected: str) -> pd.DataFrame:
    """Replace the text in each cell by its value; upper and lower case do not matter.

    Raises:
        DataError: if a cell has another text; it names the first one.
    """
    lower = cells.apply(lambda column: column.str.lower())
    wrong = np.argwhere(~lower.isin(list(values)).to_numpy())
    if len(wrong):
        row, column = wrong[0]
        problem = f"{path}, column {cells.columns[column]!r}, line {cells.index[row]} is invalid"
        received = f"{cells.iloc[row, column]!r}, and {len(wrong) - 1:,} more such cells"
        raise DataError(problem, expected, received, "Correct the table, or fetch it again")
    return lower.apply(lambda column: column.map(values))


def binary_labels(path: Path, cells: pd.DataFrame) -> pd.DataFrame:
    """Return labels of 0 or 1 (false or true, no or yes), NaN where a cell is empty or ``nan``."""
    expected = "0, 1, or nothing where the label is unknown; else pass label_column=…"
    return map_cells(path, cells, _BINARY, expected)


def split_names(path: Path, cells: pd.Series) -> pd.Series:
    """Return train, val or test (also of training, valid, validate, validation and testing)."""
    return map_cells(path, cells.to_frame(), _SPLITS, f"a split: {', '.join(_SPLITS)}").iloc[:, 0]


def require_unique(subject: str | Path, names: pd.Series, advice: str = "") -> None:
    """Raise a :class:`DataError` that names the first image that is listed twice."""
    if (twice := names[names.duplicated()]).size:
        received = f"{twice.iloc[0]} more than once"
        raise DataError(f"{subject} lists an image twice", "each image once", received, advice)


def require_one_split(subject: str | Path, patients: Iterable[str], splits: Iterable[str]) -> None:
    """Raise a :class:`DataError` that names the first patient with images in two splits."""
    pairs = pd.DataFrame({"patient": list(patients), "split": list(splits)}).drop_duplicates()
    if (twice := pairs[pairs["patient"].duplicated(keep=False)]).size:
        patient = twice["patient"].iloc[0]
        both = " and ".join(twice["split"][twice["patient"] == patient].iloc[:2])
        raise DataError(
            f"{subject} puts a patient into two splits",
            "all images of a patient in one split",
            f"images of patient {patient} in both {both}",
            "Move them into one split: else a model is tested on patients that it was trained on",
        )


def hash_splits(keys: pd.Series, test: float = 0) -> pd.Series:
    """Return train, val or test by a stable hash of each key, such as the patient.

    So a patient's images stay together, and adding patients moves no other.

    Args:
        keys: the keys.
        test: fraction of the keys that test; :data:`VAL_FRACTION` validate.
    """
    fractions = keys.map(hash_fraction)
    below = [fractions < VAL_FRACTION, fractions < VAL_FRACTION + test]
    splits = np.select(below, ["val", "test"], "train")
    return pd.Series(splits, keys.index, object)


def hash_fraction(key: str) -> float:
    """Compute a number in [0, 1) from the SHA-256 digest of ``key``."""
    word = hashlib.sha256(f"xraylab split {key}".encode()).digest()[:8]
    return int.from_bytes(word) / 2**64


def image_table(rows: pd.DataFrame) -> np.ndarray:
    """Return columns of text as one structured array; ``age`` and ``sex`` by their functions."""
    parse = {"age": ages, "sex": sexes}
    arrays = [np.array([*parse.get(name, list)(rows[name])]) for name in rows]
    types = [(name, array.dtype) for name, array in zip(rows, arrays, strict=True)]
    return np.rec.fromarrays(arrays, dtype=types)
