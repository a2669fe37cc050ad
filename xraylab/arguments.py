"""Checks of arguments, and suggestions for misspelt names."""

import contextlib
import difflib
import json
import math
import numbers
from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")

_SYNONYMS = (
    {"size", "image_size", "img_size", "input_size", "input_shape"},
    {"learning_rate", "lr"},
    {"epochs", "num_epochs", "n_epochs"},
    {"num_labels", "label_names", "num_classes", "n_classes", "classes"},
    {"weights", "start_from"},
    {"alpha", "distillation_weight"},
)
"""Names of one quantity, here and in other libraries."""

_ELSEWHERE = {
    "imagenet": 'There are no ImageNet weights; "pretrained" are those of chest X-rays.',
    "include_top": "model(images, return_intermediates=True) returns the features before the head.",
    "optimizer": "A recipe trains with AdamW; Model.compile takes any optimizer.",
    **dict.fromkeys(("channels", "in_channels", "in_chans"), "Images have one grey channel."),
}
"""What to do instead, by names of other libraries that have no counterpart here."""

MAX_SEED = 2**64 - 1
"""The largest seed: what fits in 64 bits."""


def invalid_argument(
    name: str, expected: str, received: object, hint: str | None = None
) -> ValueError:
    """Return the error for an invalid argument, in the form that all of xraylab uses."""
    text = f"Invalid argument {name}. Expected: {expected}. Received: {received}."
    return ValueError(f"{text} {hint or ''}".rstrip())


def require(
    holds: Any, name: str, expected: str, received: object, hint: str | None = None
) -> None:
    """Raise the ValueError of :func:`invalid_argument` unless a condition holds."""
    if not holds:
        raise invalid_argument(name, expected, received, hint)


def require_int(name: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """Return ``value`` as an int; raise a ValueError unless it is an integer within the bounds."""
    integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not integer or not minimum <= int(value) <= (math.inf if maximum is None else maximum):
        bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise invalid_argument(name, f"an integer {bounds}", repr(value))
    return int(value)


def require_ints(name: str, values: Iterable, minimum: int) -> tuple[int, ...]:
    """Return the values as a tuple of integers of at least ``minimum``."""
    return tuple(require_int(f"{name}[{i}]", value, minimum) for i, value in enumerate(values))


def parse_value(text: str) -> Any:
    """Parse text from the command line as JSON if possible; else return it."""
    with contextlib.suppress(json.JSONDecodeError):
        return json.loads(text)
    return text


def require_level(level: Any) -> None:
    """Raise a ValueError unless the level of an interval is in (0, 1)."""
    require(0 < level < 1, "level", "in (0, 1)", level)


def did_you_mean(name: object, names: Iterable[str], most: int = 1) -> str | None:
    """Suggest the names closest to a misspelt one: ``"Did you mean 'a' or 'b'?"``, or None.

    Upper and lower case do not matter. A common name of another library gets its counterpart.

    Args:
        name: the misspelt name; anything.
        names: the known names.
        most: how many to suggest at most.
    """
    wrong, by_lower = str(name).lower(), {known.lower(): known for known in names}
    if wrong in _ELSEWHERE:
        return _ELSEWHERE[wrong]
    same = set().union(*(group for group in _SYNONYMS if wrong in group))
    close = [lower for lower in by_lower if lower in same]
    close = close or difflib.get_close_matches(wrong, by_lower, n=most, cutoff=0.45)
    return (
        f"Did you mean {' or '.join(repr(by_lower[lower]) for lower in close)}?" if close else None
    )


def require_choice(name: str, value: T, choices: Iterable[T]) -> T:
    """Return ``value``; raise a ValueError that suggests a name unless it is one of ``choices``."""
    choices = tuple(choices)
    if value not in choices:
        expected, hint = ", ".join(map(repr, choices)), did_you_mean(value, map(str, choices))
        raise invalid_argument(name, f"one of {expected}", repr(value), hint)
    return value
