"""CSV tables of images, and splits that keep patients together."""

import codecs
import csv
import gzip
import hashlib
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xraylab.arguments import did_you_mean
from xraylab.data.errors import DataError, reading

SYNONYMS = {
    "image": ("Image Index", "image_id", "ImageID", "Path", "filename", "file"),
    "finding": ("Finding Labels", "Finding Label"),
    "patient": ("Patient ID", "PatientID", "subject_id"),
    "age": ("Patient Age", "PatientAge"),
    "sex": ("Patient Gender", "Patient Sex", "PatientSex", "Gender"),
    "view": ("View Position", "ViewPosition", "AP/PA", "Projection"),
    "study": ("study_id",),
    "reader": ("rad_id",),
    "other_diseases": ("Other disease",),
}
"""Other names of a column, in this order; upper and lower case do not matter in any name."""

VAL_FRACTION = 0.1
"""Fraction of the patients (or images) that validate, of those that a source does not divide."""

READERS = ("any", "majority")
"""Rules that join several readers of an image, see :func:`join_rows`."""

_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_SPLITS |= dict.fromkeys(("val", "valid", "validate", "validation"), "val")
_BINARY = {"0": 0.0, "0.0": 0.0, "false": 0.0, "no": 0.0, "": np.nan, "nan": np.nan}
_BINARY |= dict.fromkeys(("1", "1.0", "true", "yes"), 1.0)
_MAX_BYTES = 256 << 20


def find_file(root: Path, patterns: Sequence[str], what: str, report: Any = None) -> Path:
    """Return the file in ``root`` that matches one of the patterns; of several the last by name.

    Args:
        root: the folder.
        patterns: glob patterns.
        what: what the file is, for the message.
        report: a :class:`xraylab.data.report.Report`, which notes which of several was taken.

    Raises:
        DataError: if there is no such file.
    """
    found = [path for pattern in patterns for path in root.glob(pattern) if path.is_file()]
    if found:
        taken, others = max(found), sorted(path.name for path in found if path != max(found))
        if report is not None and others:
            report.add("note", [f"{taken.name} is used, not {', '.join(others)}"])
        return taken
    advice = "Put the file there, or pass the folder that has it as root=…"
    raise DataError(f"{root} lacks {what}", " or ".join(patterns), "no such file", advice)


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Read some columns of a CSV file as text without surrounding blanks, see :func:`select`."""
    return select(path, read_csv(path), columns, optional)


def select(
    path: Path, table: pd.DataFrame, columns: Sequence[str], optional: Sequence[str] = ()
) -> pd.DataFrame:
    """Select columns of a table that :func:`read_csv` read.

    Args:
        path: the file that the table is from.
        table: the table.
        columns: columns that must be there, found as :func:`find_column` does.
        optional: columns that are selected if they are there, else empty.

    Returns:
        The columns by the names that were requested. The index holds line numbers.

    Raises:
        DataError: if the table lacks a column or has no rows, or a row is short.
    """
    found = {name: find_column(table, name) for name in (*columns, *optional)}
    if missing := [name for name in columns if found[name] is None]:
        advice = did_you_mean(missing[0], table) or "Check the spelling, or pass another table"
        expected = " or ".join(map(repr, (missing[0], *SYNONYMS.get(missing[0], ()))))
        received = f"the columns {', '.join(map(repr, table))}"
        raise DataError(f"{path} lacks a column", expected, received, advice)
    if table.empty:
        raise DataError(f"{path} has no rows", "a row for each image", "nothing below the header")
    chosen = pd.DataFrame({n: table[c] if c else "" for n, c in found.items()}, table.index)
    if (short := chosen.isna().any(axis=1)).any():
        line = table.index[short][0]
        received = f"{table.loc[line].count()} cells"
        raise DataError(f"{path}, line {line} is too short", f"{table.shape[1]} cells", received)
    return chosen.astype(object)


def find_column(table: pd.DataFrame, name: str) -> str | None:
    """Return the column of a name: as written, else in another case, else by a synonym."""
    if name in table:
        return name
    columns = {label_key(column): column for column in reversed(table.columns)}
    candidates = map(label_key, (name, *SYNONYMS.get(name, ())))
    return next((columns[key] for key in candidates if key in columns), None)


def label_key(name: str) -> str:
    """Return a name in lower case with underscores, as two spellings of one name have in common."""
    return re.sub(r"[\s_/-]+", "_", name.strip().lower())


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table of cells as text without surrounding blanks.

    The delimiter (comma, semicolon, tab or bar) is the commonest one in the header. The text is
    UTF-8, or UTF-16 with a byte order mark; it may be gzipped.

    Returns:
        The table, NaN where a row is too short; the index holds line numbers.

    Raises:
        DataError: if the file does not exist, is no table or larger than 256 MiB, if a quote is not
            closed, a row has too many cells, or two columns have one name.
    """
    expected = "a CSV table as UTF-8 text, plain or in a .gz file"
    with (
        reading(path, expected, "Save the table again as CSV in UTF-8"),
        path.open("rb") as plain,
    ):
        stream = gzip.GzipFile(fileobj=plain) if plain.peek(2)[:2] == b"\x1f\x8b" else plain
        content = stream.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES:,} bytes of text")
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig")
        if "\0" in text:
            line = text.partition("\0")[0].count("\n") + 1
            raise ValueError(f"a NUL character in line {line}")
        header, *rows = _rows(path, text)
    names = [cell.strip() for cell in header]
    if twice := {name for name in names if name and names.count(name) > 1}:
        received = f"{sorted(twice)[0]!r} more than once"
        raise DataError(f"{path} has two columns of one name", "different names", received)
    wide_rows = ([*row, *[None] * (len(names) - len(row))][: len(names)] for _, row in rows)
    table = pd.DataFrame(wide_rows, [line for line, _ in rows], range(len(names)), "string")
    table = table.loc[:, [bool(name) for name in names]].apply(lambda column: column.str.strip())
    return table.set_axis([name for name in names if name], axis=1)


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return a data frame as :func:`read_csv` would read it, its rows counted from 0.

    pandas stores integers of a column with an empty cell as floats; they become integers again, so
    that a patient has the same name, and with it the same split, as in the file.
    """

    def text(cell):
        whole = isinstance(cell, float) and cell.is_integer()
        return str(int(cell) if whole else cell).strip()

    cells = table.astype(object).where(table.notna(), "").map(text)
    return cells.rename(columns=str).reset_index(drop=True)


def _rows(path: Path, text: str) -> list:
    """Return the header, then pairs of line number and cells; blank lines are left out."""
    first = (text.splitlines() or [""])[0]
    delimiter = max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header, rows, line = next(reader, []), [], 1
    problem, expected = f"{path}, line {{}} cannot be read", "a row with closed quotes"
    try:
        for row in reader:
            start, line = line + 1, reader.line_num
            # Rows of the table within a cell: a quote was opened in one row and closed in another.
            inner = [part for cell in row for part in cell.splitlines()[1:]]
            if any(part.count(delimiter) == len(header) - 1 > 0 for part in inner):
                raise DataError(problem.format(start), expected, f"{len(inner) + 1} rows in one")
            if any(map(str.strip, row[len(header) :])):
                received = f"{len(row)} cells"
                raise DataError(problem.format(start), f"{len(header)} cells", received)
            if any(map(str.strip, row)):
                rows.append((start, row))
    except csv.Error as error:
        raise DataError(problem.format(line + 1), expected, str(error)) from error
    return [header, *rows]


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
