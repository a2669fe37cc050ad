"""Tables that come with folders of images: read, checked, and split so that no patient is in two."""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from xraylab.data.errors import DataError, as_data_error


def find_file(root: Path, patterns: Sequence[str], what: str) -> Path:
    """Return the file in ``root`` that fits one of the patterns; of several the last by name.

    Raises:
        DataError: if ``root`` is no folder or has no such file.
    """
    if not root.is_dir():
        raise DataError(
            root,
            expected=f"the folder with the images and {what}",
            found="a file" if root.exists() else "no such folder",
            advice="pass the folder as root=…",
        )
    found = [path for pattern in patterns for path in root.glob(pattern) if path.is_file()]
    if found:
        return max(found)
    there = sorted(path.name for path in root.iterdir() if path.suffix in (".csv", ".txt", ".gz"))
    raise DataError(
        root,
        expected=f"{what} ({' or '.join(patterns)})",
        found=f"only {', '.join(there)}" if there else "no table at all",
        advice="put the file there, or pass the folder that has it as root=…",
    )


def read_table(
    path: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Read some columns of a CSV file, plain or gzipped; cells come as text without blanks around.

    Args:
        path: the file.
        columns: columns that must be there.
        optional: columns that are read where they are.

    Raises:
        DataError: if the file cannot be read, lacks a column or has no rows, or a row is short.
    """
    header, rows = read_rows_of(path)
    missing = [name for name in columns if name not in header]
    if missing:
        raise DataError(
            path,
            expected=f"a column {missing[0]!r}",
            found=f"the columns {', '.join(map(repr, header))}",
            advice="check the spelling, or pass another table",
        )
    names = [*columns, *(name for name in optional if name in header)]
    places = [header.index(name) for name in names]
    for number, row in rows:
        if len(row) <= max(places, default=0):
            raise DataError(
                f"{path}, line {number}",
                expected=f"{len(header)} cells, as in the first line",
                found=f"{len(row)} cells",
                advice="mend the line, or fetch the file again: it may have been cut short",
            )
    if not rows:
        raise DataError(
            path,
            expected="a row for each image",
            found="a first line and nothing below it",
            advice="fetch the file again",
        )
    return {
        name: [row[place].strip() for _, row in rows]
        for name, place in zip(names, places, strict=True)
    }


def read_rows_of(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the first line of a CSV file and the others that are not empty, with their numbers.

    Raises:
        DataError: if the file is not there or is no text.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as stream
        ):
            reader = csv.reader(stream)
            header = [cell.strip() for cell in next(reader, [])]
            return header, [(reader.line_num, row) for row in reader if any(row)]
    except FileNotFoundError as error:
        there = sorted(file.name for file in path.parent.glob("*.csv*"))
        raise DataError(
            path,
            expected="a CSV table",
            found="no such file; "
            + (f"its folder has {', '.join(there)}" if there else "its folder has no .csv file"),
            advice="check the path for misspellings",
        ) from error
    except (UnicodeDecodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            path,
            expected="a CSV table as UTF-8 text, or that in a .gz file",
            found=str(error),
            advice="fetch the file again, or save it again as CSV in UTF-8",
        ) from error
    except OSError as error:
        raise as_data_error(error, path, "reading the table") from error


def require_different(subject: str | Path, names: Sequence[str]) -> None:
    """Raise a :class:`DataError` that names the first image that is listed twice."""
    seen = set()
    for name in names:
        if name in seen:
            raise DataError(
                subject,
                expected="each image once",
                found=f"{name} more than once",
                advice="keep one of its rows",
            )
        seen.add(name)


def require_apart(subject: str | Path, patients: Iterable[str], splits: Iterable[str]) -> None:
    """Raise a :class:`DataError` that names the first patient with images in two splits.

    Args:
        subject: what decides the splits, for the message.
        patients: the patient of each image.
        splits: the split of each image.
    """
    first = {}
    for patient, split in zip(patients, splits, strict=True):
        if first.setdefault(patient, split) != split:
            raise DataError(
                subject,
                expected="all images of a patient in one split",
                found=f"images of patient {patient} in both {first[patient]} and {split}",
                advice="move that patient's images into one split: a model would be tested on "
                "patients that it has learnt by heart",
            )


def share_of(key: str) -> float:
    """Return a number in [0, 1) that depends on ``key`` alone, as even as SHA-256 makes it.

    Splits are cut by it: a patient's images stay together, and adding patients moves no other.
    """
    word = hashlib.sha256(f"xraylab split {key}".encode()).digest()[:8]
    return int.from_bytes(word) / 2**64


def image_table(columns: dict[str, Sequence]) -> np.ndarray:
    """Return columns of text or whole numbers as one structured array, a row an image."""
    arrays = {
        name: np.asarray(values, dtype=None if len(values) else "U1")
        for name, values in columns.items()
    }
    (length,) = {len(array) for array in arrays.values()}
    table = np.zeros(length, [(name, array.dtype) for name, array in arrays.items()])
    for name, array in arrays.items():
        table[name] = array
    return table
