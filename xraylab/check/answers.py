"""Compare an answer with the truth and say in words what came out."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """What is said about an answer; true where the answer is right.

    Args:
        right: whether the answer is right.
        message: one or two sentences on why, or on what to look at again.
        answered: whether there was an answer at all.
    """

    right: bool
    message: str
    answered: bool = True

    def __bool__(self):
        return self.right

    def __repr__(self):
        sign = ("✓ Right." if self.right else "✗ Not yet.") if self.answered else "…"
        said = f"{sign} {self.message}".rstrip()
        return textwrap.fill(said, 72)  # the output box of a page does not wrap


def number(
    answer,
    expected: float,
    *,
    tolerance: float = 1e-6,
    mistakes: Mapping[float, str] | None = None,
    right: str = "",
) -> Verdict:
    """Return the verdict on a single number.

    Args:
        answer: the student's; anything that holds one number.
        expected: the truth.
        tolerance: how far from the truth is still right; the same for the mistakes.
        mistakes: what a common wrong answer comes from, by its value.
        right: what to add where the answer is right.
    """
    value, trouble = _numbers(answer)
    if trouble is not None:
        return trouble
    if value.size != 1:
        return Verdict(False, f"Expected one number, got an array of shape {value.shape}.")
    value = float(value.reshape(()))
    if not np.isfinite(value):
        return Verdict(False, f"The answer is {value}: something was divided by zero or undefined.")
    if abs(value - expected) <= tolerance:
        return Verdict(True, right)
    for mistake, why in (mistakes or {}).items():
        if abs(value - mistake) <= tolerance:
            return Verdict(False, why)
    return Verdict(False, f"{value:.6g} is too {'large' if value > expected else 'small'}.")


def array(
    answer,
    expected: np.ndarray,
    *,
    tolerance: float = 1e-6,
    mistakes: Sequence[tuple[np.ndarray, str]] = (),
    right: str = "",
) -> Verdict:
    """Return the verdict on an array: its shape first, then its values.

    Args:
        answer: the student's; anything NumPy makes an array of numbers of.
        expected: the truth; ``nan`` must meet ``nan``.
        tolerance: how far each value may lie from the truth; the same for the mistakes.
        mistakes: pairs of a common wrong answer and what it comes from; they may differ in shape.
        right: what to add where the answer is right.
    """
    value, trouble = _numbers(answer)
    if trouble is not None:
        return trouble
    expected = np.asarray(expected, float)
    if _same(value, expected, tolerance):
        return Verdict(True, right)
    for mistake, why in mistakes:
        if _same(value, np.asarray(mistake, float), tolerance):
            return Verdict(False, why)
    if value.shape != expected.shape:
        return Verdict(False, f"Expected shape {expected.shape}, got {value.shape}.")
    near = np.isclose(value, expected, rtol=0, atol=tolerance, equal_nan=True)
    place = tuple(int(i) for i in np.argwhere(~near)[0])
    return Verdict(
        False,
        f"{int((~near).sum())} of {near.size} values are off; the first at index "
        f"{place[0] if len(place) == 1 else place}, where the answer is {value[place]:.6g}.",
    )


def _same(value: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    return value.shape == expected.shape and bool(
        np.allclose(value, expected, rtol=0, atol=tolerance, equal_nan=True)
    )


def _numbers(answer) -> tuple[np.ndarray | None, Verdict | None]:
    """Return the answer as an array of floats, or the verdict that it holds no numbers."""
    if answer is None or answer is Ellipsis:
        return None, Verdict(False, "No answer yet: put yours in and run the cell.", answered=False)
    try:
        return np.asarray(answer, float), None
    except (TypeError, ValueError):
        kind = type(answer).__name__
        return None, Verdict(False, f"Expected numbers, got a {kind}: {str(answer)[:60]!r}.")
