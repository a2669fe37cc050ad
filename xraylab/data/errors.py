"""The one error that data raise, so that a caller can catch it and a reader can act on it."""

import numbers
import os

MOST_WORD = 2**64 - 1
"""The largest seed: what fits in a word of 64 bits."""


class DataError(ValueError):
    """Data that cannot be used: the message names the file or argument, and says what to do.

    Args:
        subject: the file or the argument that is at fault.
        expected: what was expected of it.
        found: what came instead.
        advice: what to do about it.
    """

    def __init__(self, subject: str | os.PathLike, *, expected: str, found: str, advice: str):
        self.subject = str(subject)
        self.expected = expected
        self.found = found
        self.advice = advice
        super().__init__(
            f"{self.subject}\n"
            f"  expected:   {expected}\n"
            f"  found:      {found}\n"
            f"  what to do: {advice}"
        )

    def __reduce__(self):
        # Exceptions are rebuilt from ``args``, which here is the finished message: worker processes
        # that hand an error back need the four parts instead.
        return _rebuild, (self.subject, self.expected, self.found, self.advice)


def _rebuild(subject: str, expected: str, found: str, advice: str) -> DataError:
    return DataError(subject, expected=expected, found=found, advice=advice)


def require_whole(name: str, value: int, least: int, most: int | None = None) -> None:
    """Raise a :class:`DataError` unless ``value`` is whole and between ``least`` and ``most``."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        limits = f"{least} or more" if most is None else f"from {least} to {most}"
        raise DataError(
            f"argument {name}",
            expected=f"a whole number, {limits}",
            found=repr(value),
            advice=f"pass another {name}",
        )
