"""Compare the answer to an exercise with the solution and with common mistakes."""

import copy
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Feedback:
    """Feedback on an answer to an exercise; true if the answer is correct.

    Attributes:
        correct: whether the answer is correct.
        message: one or two sentences: why it is correct, or what to reconsider.
        attempted: False if no answer was given yet.
    """

    correct: bool
    message: str
    attempted: bool = True

    def __bool__(self) -> bool:
        return self.correct

    def __repr__(self) -> str:
        sign = ("✓ Right." if self.correct else "✗ Not yet.") if self.attempted else "…"
        return textwrap.fill(f"{sign} {self.message}".rstrip(), 72)  # output cells do not wrap


class Exercise:
    """An exercise whose answer is a number or an array of numbers.

    Args:
        expected: the solution; in an array, NaN matches NaN.
        success: what to add to the feedback on a correct answer.
        tolerance: largest absolute error of a correct answer, and of a recognized mistake.
    """

    def __init__(self, expected: ArrayLike, success: str = "", tolerance: float = 1e-3):
        self.expected = np.asarray(expected, float)
        self.success = success
        self.tolerance = tolerance
        self.mistakes: list[tuple[np.ndarray, str]] = []

    def mistake(self, value: ArrayLike, hint: str) -> None:
        """Add a common wrong answer, of any shape, and the hint to give for it."""
        self.mistakes.append((np.asarray(value, float), hint))

    def check(self, answer: Any) -> Feedback:
        """Return the feedback on an answer: anything that NumPy converts to numbers."""
        if answer is None or answer is Ellipsis:
            return Feedback(False, "No answer yet: put yours in and run the cell.", attempted=False)
        try:
            value = np.asarray(answer, float)
        except (TypeError, ValueError):
            kind, text = type(answer).__name__, repr(str(answer)[:60])
            return Feedback(False, f"Expected: numbers. Received: a {kind}, {text}.")
        if value.size == self.expected.size == 1:
            value = value.reshape(self.expected.shape)
        if self._matches(value, self.expected):
            return Feedback(True, self.success)
        for mistake, hint in self.mistakes:
            if self._matches(value, mistake):
                return Feedback(False, hint)
        return Feedback(False, self._difference(value))

    def _matches(self, value: np.ndarray, target: np.ndarray) -> bool:
        return value.shape == target.shape and bool(
            np.allclose(value, target, rtol=0, atol=self.tolerance, equal_nan=True)
        )

    def _count_wrong(self, value: np.ndarray, target: np.ndarray) -> str:
        near = np.isclose(value, target, rtol=0, atol=self.tolerance, equal_nan=True)
        return f"{(~near).sum()} of {near.size} values are wrong."

    def _difference(self, value: np.ndarray) -> str:
        """Describe how a wrong answer without a hint differs from the solution."""
        expected = self.expected
        if value.shape != expected.shape:
            shape = f"shape {expected.shape}" if expected.ndim else "one number"
            return f"Expected: {shape}. Received: an array of shape {value.shape}."
        if expected.ndim:
            return self._count_wrong(value, expected)
        if not np.isfinite(value):
            return f"The answer is {value}: the result of a division by zero or undefined."
        if 0 < expected < 1 and self._matches(value / 100, expected):
            return "Correct as a percentage; give a fraction between 0 and 1."
        return f"{value:.6g} is too {'large' if value > expected else 'small'}."


class CodeExercise(Exercise):
    """An exercise whose answer is a function, compared with a solution on hidden arguments.

    Results may differ from those of the solution by 1e-5.

    Args:
        solution: the function that answers the exercise; it returns a number or an array.
        cases: arguments of the calls that are compared, a tuple for each call.
        success: see :class:`Exercise`.
    """

    def __init__(
        self, solution: Callable[..., ArrayLike], cases: Sequence[tuple], success: str = ""
    ):
        super().__init__(np.nan, success, tolerance=1e-5)
        self.cases = cases
        self.solutions = self._call(solution)
        self.wrong: list[tuple[list[np.ndarray], str]] = []

    def mistake(self, value: Callable[..., ArrayLike], hint: str) -> None:
        """Add a function that is a common wrong answer, and the hint to give for it."""
        self.wrong.append((self._call(value), hint))

    def check(self, answer: Any) -> Feedback:
        """Return the feedback on an answer, a function with the arguments of the solution."""
        if answer is None or answer is Ellipsis:
            return super().check(None)
        if not callable(answer):
            kind = type(answer).__name__
            return Feedback(False, f"Expected: a function; pass its name. Received: a {kind}.")
        try:
            values = self._call(answer)
        except Exception as error:  # whatever the code of a student raises
            return Feedback(False, f"Your function raises {type(error).__name__}: {error}")
        if all(value.ndim == 0 and value.item() in (None, ...) for value in values):
            text = "Your function returns nothing yet: complete it and run the cell."
            return Feedback(False, text, attempted=False)
        for results, message in [(self.solutions, self.success), *self.wrong]:
            if all(map(self._matches, values, results)):
                return Feedback(results is self.solutions, message)
        return Feedback(False, self._first_difference(values))

    def _call(self, function: Callable[..., Any]) -> list[np.ndarray]:
        """Return the results of the function on copies of the arguments of every case."""
        return [np.asarray(function(*copy.deepcopy(case))) for case in self.cases]

    def _matches(self, value: np.ndarray, target: np.ndarray) -> bool:
        return value.dtype.kind in "biuf" and super()._matches(value, target)

    def _first_difference(self, values: list[np.ndarray]) -> str:
        """Describe the first call whose result differs from that of the solution."""
        for case, value, target in zip(self.cases, values, self.solutions, strict=True):
            if self._matches(value, target):
                continue
            sizes = ", ".join(str(np.shape(argument) or argument) for argument in case)
            call = f"For arguments of shape or value {sizes}: "
            if value.dtype.kind not in "biuf":
                return f"{call}expected numbers, received {value!r:.60}."
            if value.shape != target.shape:
                return f"{call}expected shape {target.shape}, received {value.shape}."
            return f"{call}{self._count_wrong(value, target)}"
        raise AssertionError("no difference")
