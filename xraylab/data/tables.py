"""CSV tables of images, and splits that keep patients together."""

import csv
import gzip
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xraylab.data.errors import DataError, reading
from xraylab.suggest import did_you_mean


def find_file(root: Path, patterns: Sequence[str], what: str) -> Path:
    """Return the file in ``root`` that matches one of the patterns; of several the last by name.

    Raises:
        DataError: if there is no such file.
    """
    found = [path for pattern in patterns for path in root.glob(pattern) if path.is_file()]
    if found:
        return max(found)
    advice = "Put the file there, or pass the folder that has it as root=…"
    raise DataError(f"{root} lacks {what}", " or ".join(patterns), "no such file", advice)


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Read some columns of a CSV file, plain or gzipped, as text without surrounding blanks.

    Args:
        path: the file.
        columns: columns that must be there.
        optional: columns that are read if they are there, else empty.

    Returns:
        The columns, as text. The index holds the line numbers of a file without blank lines.

    Raises:
        DataError: if the file is no table, lacks a column or has no rows, or a row is short.
    """
    return _select(path, read_csv(path), columns, optional)


def _select(
    path: Path, table: pd.DataFrame, columns: Sequence[str], optional: Sequence[str]
) -> pd.DataFrame:
    """Select columns of the table of a file, as :func:`read_table` does."""
    if missing := [name for name in columns if name not in table]:
        advice = did_you_mean(missing[0], table) or "Check the spelling, or pass another table"
        received = f"the columns {', '.join(map(repr, table))}"
        raise DataError(f"{path} lacks a column", repr(missing[0]), received, advice)
    if table.empty:
        raise DataError(f"{path} has no rows", "a row for each image", "nothing below the header")
    short = table[table.columns.intersection([*columns, *optional])].isna().any(axis=1)
    if short.any():
        line = table.index[short][0]
        received = f"{table.loc[line].count()} cells"
        raise DataError(f"{path}, line {line} is too short", f"{table.shape[1]} cells", received)
    return table.reindex(columns=[*columns, *optional], fill_value="").astype(object)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file, plain or gzipped, as text without surrounding blanks.

    Returns:
        The table, NaN where a row is too short; the index counts lines from 2.

    Raises:
        DataError: if the file does not exist or is no table.
    """
    expected = "a CSV table as UTF-8 text, plain or in a .gz file"
    opened = gzip.open if path.suffix == ".gz" else open
    with (
        reading(path, expected, "Check the path, or save the table again as CSV in UTF-8"),
        opened(path, "rt", encoding="utf-8-sig", newline="") as stream,
    ):
        rows = csv.DictReader(stream)  # pandas' own reader would fill rows that are too short
        table = pd.DataFrame(rows, columns=dict.fromkeys(rows.fieldnames or ()), dtype="string")
    table = table.rename(columns=str.strip).apply(lambda column: column.str.strip())
    return table.set_index(table.index + 2)


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
    table = _select(path, table, ("split", row, "patient"), ("age", "sex", "view"))
    table = table[table[row] != ""]
    require_one_split(path, table["patient"], table["split"])
    table = table[table["split"] == split]
    table = table.set_index(pd.to_numeric(table[row], errors="coerce")).sort_index()
    if table.index.tolist() != list(range(num_images)):
        expected = f"each row from 0 to {num_images - 1} once in column {row} for the {split} split"
        received = f"{len(table)} rows from {table.index.min()} to {table.index.max()}"
        raise DataError(f"{path} does not fit the images", expected, received)
    age = pd.to_numeric(table["age"], errors="coerce").fillna(-1).astype(int)
    return image_table(patient=table["patient"], age=age, sex=table["sex"], view=table["view"])


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


def require_unique(subject: str | Path, names: pd.Series) -> None:
    """Raise a :class:`DataError` that names the first image that is listed twice."""
    if (twice := names[names.duplicated()]).size:
        received = f"{twice.iloc[0]} more than once"
        raise DataError(f"{subject} lists an image twice", "each image once", received)


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


def hash_fraction(key: str) -> float:
    """Compute a number in [0, 1) from the SHA-256 digest of ``key``.

    Splits are drawn by it: a patient's images stay together, and adding patients moves no other.
    """
    word = hashlib.sha256(f"xraylab split {key}".encode()).digest()[:8]
    return int.from_bytes(word) / 2**64


def image_table(**columns: Sequence) -> np.ndarray:
    """Return columns of text or integers as one structured array, a row per image."""
    arrays = {name: np.array(list(values)) for name, values in columns.items()}
    types = [(name, array.dtype) for name, array in arrays.items()]
    return np.rec.fromarrays(list(arrays.values()), dtype=types)
