"""Values as JSON can hold them."""

import dataclasses
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xraylab.io.files import StrPath, atomic_write


def printable(text: Any) -> str:
    """Replace control characters other than line breaks by their escape sequences."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in str(text)
    )


def csv_text(frame: Any) -> str:
    """Format a pandas table as CSV whose cells a spreadsheet does not take for formulas.

    Text that begins with ``=``, ``+``, ``-`` or ``@`` and is no number gets an apostrophe in front.
    """

    def quoted(cell: Any) -> Any:
        formula = isinstance(cell, str) and re.match(r"[=+@\t\r-]", cell)
        return f"'{cell}" if formula and not re.fullmatch(r"[-+\d.,%()–± to]+", cell) else cell

    return frame.map(quoted).rename(columns=quoted).to_csv(index=False, lineterminator="\n")


def to_plain(value: Any) -> Any:
    """Convert a value to what JSON can hold: dictionaries, lists, text, numbers, booleans and None.

    Dataclasses, pydantic models and named tuples become dictionaries, tuples, sets and arrays
    become lists, NaN and infinities become None, and paths become text.

    Raises:
        TypeError: if the value is of another type.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    for method in ("model_dump", "_asdict"):  # pydantic models, named tuples
        if hasattr(value, method):
            return to_plain(getattr(value, method)())
    if isinstance(value, Mapping):
        return {str(to_plain(key)): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(to_plain(item) for item in value)
    expected = "numbers, text, arrays, dataclasses, mappings and lists of them"
    raise TypeError(f"Value is no JSON. Expected: {expected}. Received: {value!r}.")


def write_json(path: StrPath, value: Any) -> None:
    """Write a value as JSON, whole or not at all, after :func:`to_plain`.

    Args:
        path: the file.
        value: what to write.

    Raises:
        TypeError: if JSON cannot hold the value.
        OSError: if the file cannot be written.
    """
    text = json.dumps(to_plain(value), indent=2, allow_nan=False) + "\n"
    with atomic_write(path) as stream:
        stream.write(text.encode())


def read_json(path: StrPath) -> Any:
    """Read a JSON file.

    Args:
        path: the file.

    Returns:
        Its content.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not JSON in UTF-8.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        text = f"{path} is damaged. Expected: JSON in UTF-8. Received: {error}."
        raise ValueError(text) from error
