"""Checks of arguments."""

import numbers
from collections.abc import Iterable
from typing import TypeVar

from xraylab.suggest import did_you_mean

T = TypeVar("T")

MAX_SEED = 2**64 - 1
"""The largest seed: what fits in 64 bits."""


def require_int(name: str, value: object, minimum: int, maximum: int | None = None) -> int:
    """Return ``value`` as an int; raise a ValueError unless it is an integer within the bounds."""
    integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not integer or value < minimum or (maximum is not None and value > maximum):
        bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise ValueError(
            f"Invalid argument {name}. Expected: an integer {bounds}. Received: {value!r}."
        )
    return int(value)


def require_choice(name: str, value: T, choices: Iterable[T]) -> T:
    """Return ``value``; raise a ValueError that suggests a name unless it is one of ``choices``."""
    choices = tuple(choices)
    if value not in choices:
        hint = did_you_mean(value, map(str, choices))
        raise ValueError(
            f"Invalid argument {name}. Expected: one of {', '.join(map(repr, choices))}. "
            f"Received: {value!r}." + (f" {hint}" if hint else "")
        )
    return value
