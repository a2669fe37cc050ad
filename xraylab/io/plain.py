"""Values as JSON can hold them."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xraylab.io.files import atomic_write


def to_plain(value: Any) -> Any:
    """Convert a value to what JSON can hold: dictionaries, lists, text, numbers, booleans and None.

    Dataclasses, pydantic models and named tuples become dictionaries, tuples, sets and arrays
    become lists, NaN and infinities become None, and paths become text.

    Raises:
        TypeError: if the value is of another type.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name)) for field in fields}
    for method in ("model_dump", "_asdict"):  # pydantic models, named tuples
        if hasattr(value, method):
            return to_plain(getattr(value, method)())
    if isinstance(value, Mapping):
        return {_plain_key(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(to_plain(item) for item in value)
    expected = "numbers, text, arrays, dataclasses, mappings and lists of them"
    raise TypeError(f"Value is no JSON. Expected: {expected}. Received: {value!r}.")


def _plain_key(key: Any) -> str:
    key = to_plain(key)
    return key if isinstance(key, str) else json.dumps(key)


def write_json(path: str | os.PathLike, value: Any) -> None:
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


def read_json(path: str | os.PathLike) -> Any:
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
        raise ValueError(
            f"{path} is damaged. Expected: JSON in UTF-8. Received: {error}."
        ) from error
