"""The error of data that cannot be used, and its translation for files that cannot be read."""

import contextlib
import csv
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path
from zipfile import BadZipFile

from xraylab.io import format_bytes, wrap_os_error
from xraylab.suggest import did_you_mean

DAMAGE = (ValueError, EOFError, RuntimeError, csv.Error, LZMAError, BadZipFile, zlib.error)
"""What readers of text and archives raise for damaged files.

A ValueError is also text that is not UTF-8, or an offset that points outside the file; a
RuntimeError is an archive that is encrypted, or compressed by a method that zipfile does not know.
"""

_KINDS = {
    b"pk\x03\x04": "a truncated or damaged archive",
    b"\x93numpy": "a single .npy array",
    b"<!doctype": "a web page",
    b"<html": "a web page",
}


class DataError(ValueError):
    """A file or folder of images cannot be used; the message says why and what to do.

    Args:
        problem: what is wrong, with the file it is wrong in.
        expected: what was expected.
        received: what was found instead.
        advice: what to do about it, a sentence.
    """

    def __init__(self, problem: str, expected: str = "", received: str = "", advice: str = ""):
        # A single argument is a finished message: so exceptions are rebuilt by other processes.
        if expected:
            problem = f"{problem}. Expected: {expected}. Received: {received}. {advice}".strip()
        super().__init__(problem)


@contextlib.contextmanager
def reading(path: Path, expected: str, advice: str) -> Iterator[None]:
    """Raise a :class:`DataError` where the block finds no file, or a damaged one.

    Other errors of the operating system get the path and advice, see
    :func:`xraylab.io.wrap_os_error`.

    Args:
        path: the file that the block reads.
        expected: what the file should be.
        advice: what to do about it, a sentence.
    """
    try:
        with wrap_os_error(path, "reading the file"):
            yield
    except DataError:
        raise
    except FileNotFoundError as error:
        there = [file.name for file in path.parent.glob(f"*{path.suffix}")]
        advice = did_you_mean(path.name, there) or advice
        raise DataError(f"{path} does not exist", expected, "no such file", advice) from error
    except (OSError, *DAMAGE) as error:
        # bz2 and gzip report damaged data as an OSError, too, but one without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        received = f"{_describe(path)} ({error})"
        raise DataError(f"{path} cannot be read", expected, received, advice) from error


def _describe(path: Path) -> str:
    """Describe the content of a file that cannot be read."""
    with path.open("rb") as stream:
        start = stream.read(64).lstrip()
    if not start:
        return "an empty file"
    kinds = (kind for magic, kind in _KINDS.items() if start.lower().startswith(magic))
    kind = next(kinds, f"data that begin with {start[:8]!r}")
    return f"{format_bytes(path.stat().st_size)} of {kind}"
