"""CSV tables that come with folders of images, and splits that keep patients together."""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xraylab.data.errors import DataError
from xraylab.io import wrap_os_error
from xraylab.suggest import did_you_mean


def find_file(root: Path, patterns: Sequence[str], what: str) -> Path:
    """Return the file in ``root`` that matches one of the patterns; of several the last by name.

    Raises:
        DataError: if ``root`` is no folder or has no such file.
    """
    if not root.is_dir():
        raise DataError(
            f"{root} is not a folder",
            f"the folder with the images and {what}",
            "a file" if root.exists() else "no such folder",
            "Pass the folder as root=…",
        )
    found = [path for pattern in patterns for path in root.glob(pattern) if path.is_file()]
    if found:
        return max(found)
    there = sorted(path.name for path in root.iterdir() if path.suffix in (".csv", ".txt", ".gz"))
    raise DataError(
        f"{root} lacks {what}",
        " or ".join(patterns),
        f"only {', '.join(there)}" if there else "no table at all",
        "Put the file there, or pass the folder that has it as root=…",
    )


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Read some columns of a CSV file, plain or gzipped, as text without surrounding blanks.

    pandas' own reader would fill short rows, rename repeated columns and convert cells.

    Args:
        path: the file.
        columns: columns that must be there.
        optional: columns that are read if they are there, else empty.

    Returns:
        The columns, as text. The index holds the line numbers.

    Raises:
        DataError: if the file is no table, lacks a column or has no rows, or a row is short.
    """
    header, rows = read_rows_of(path)
    missing = [name for name in columns if name not in header]
    if missing:
        raise DataError(
            f"{path} lacks a column",
            f"a column {missing[0]!r}",
            f"the columns {', '.join(map(repr, header))}",
            did_you_mean(missing[0], header) or "Check the spelling, or pass another table",
        )
    positions = {name: header.index(name) for name in (*columns, *optional) if name in header}
    for line, row in rows.items():
        if len(row) <= max(positions.values(), default=0):
            raise DataError(
                f"{path}, line {line} is too short",
                f"{len(header)} cells, as in the first line",
                f"{len(row)} cells",
                "Correct the line, or fetch the file again: it may have been cut short",
            )
    if not rows:
        raise DataError(
            f"{path} has no rows",
            "a row for each image",
            "a first line and nothing below it",
            "Fetch the file again",
        )
    cells = {n: [row[i].strip() for row in rows.values()] for n, i in positions.items()}
    table = pd.DataFrame(cells, index=list(rows), dtype=object)
    return table.reindex(columns=[*columns, *optional], fill_value="")


def read_rows_of(path: Path) -> tuple[list[str], dict[int, list[str]]]:
    """Return the first line of a CSV file, and the others that are not empty by line number."""
    try:
        with (
            wrap_os_error(path, "reading the table"),
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as stream,
        ):
            reader = csv.reader(stream)
            header = [cell.strip() for cell in next(reader, [])]
            return header, dict((reader.line_num, row) for row in reader if any(row))
    except FileNotFoundError as error:
        there = sorted(file.name for file in path.parent.glob("*.csv*"))
        raise DataError(
            f"{path} does not exist",
            "a CSV table",
            f"a folder with {', '.join(there)}" if there else "a folder without any .csv file",
            did_you_mean(path.name, there) or "Check the path",
        ) from error
    except (UnicodeDecodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} cannot be read",
            "a CSV table as UTF-8 text, plain or in a .gz file",
            str(error),
            "Fetch the file again, or save it again as CSV in UTF-8",
        ) from error


def require_unique(subject: str | Path, names: Sequence[str]) -> None:
    """Raise a :class:`DataError` that names the first image that is listed twice."""
    names = pd.Series(names, dtype=object)
    if (twice := names[names.duplicated()]).size:
        raise DataError(
            f"{subject} lists an image twice",
            "each image once",
            f"{twice.iloc[0]} more than once",
            "Remove all but one of its rows",
        )


def require_one_split(subject: str | Path, patients: Iterable[str], splits: Iterable[str]) -> None:
    """Raise a :class:`DataError` that names the first patient with images in two splits."""
    pairs = pd.DataFrame({"patient": list(patients), "split": list(splits)}).drop_duplicates()
    if (twice := pairs[pairs["patient"].duplicated(keep=False)]).size:
        patient = twice["patient"].iloc[0]
        splits = twice["split"][twice["patient"] == patient]
        raise DataError(
            f"{subject} puts a patient into two splits",
            "all images of a patient in one split",
            f"images of patient {patient} in both {splits.iloc[0]} and {splits.iloc[1]}",
            "Move that patient's images into one split: otherwise a model is tested on patients "
            "that it was trained on",
        )


def hash_fraction(key: str) -> float:
    """Compute a number in [0, 1) from the SHA-256 digest of ``key``.

    Splits are drawn by it: a patient's images stay together, and adding patients moves no other.
    """
    word = hashlib.sha256(f"xraylab split {key}".encode()).digest()[:8]
    return int.from_bytes(word) / 2**64


def image_table(**columns: Sequence) -> np.ndarray:
    """Return columns of text or integers as one structured array, a row per image."""
    arrays = {n: np.array(list(v), dtype=None if len(v) else "U1") for n, v in columns.items()}
    table = np.zeros(len(arrays["image"]), [(name, a.dtype) for name, a in arrays.items()])
    for name, array in arrays.items():
        table[name] = array
    return table
