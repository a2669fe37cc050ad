"""CSV tables: found by name, read as text, their columns found by synonyms."""

import codecs
import csv
import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
