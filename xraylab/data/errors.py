"""The error of data that cannot be used, and its translation for files that cannot be read."""

import contextlib
import csv
import errno
import zlib
from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

from xraylab.arguments import did_you_mean
from xraylab.io import format_bytes, printable

DAMAGE = (ValueError, SyntaxError, EOFError, RuntimeError, csv.Error)
DAMAGE += (BadZipFile, zlib.error, TokenError)
"""What readers of text and archives raise for damaged files.

A ValueError is also text that is not UTF-8, or an offset that points outside the file; a
RuntimeError is an archive that is encrypted, or compressed by a method that zipfile does not know;
a SyntaxError or TokenError is the header of an array.
"""


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
        super().__init__(printable(problem))


@contextlib.contextmanager
def reading(path: Path, expected: str, advice: str) -> Iterator[None]:
    """Raise a :class:`DataError` where the block finds no file, or a damaged one.

    Args:
        path: the file that the block reads.
        expected: what the file should be.
        advice: what to do about it, a sentence.
    """
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise DataError(f"{path} cannot be read", expected, kind, advice)
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        there = [file.name for file in path.parent.glob(f"*{path.suffix}")]
        advice = did_you_mean(path.name, there) or "Check the path"
        raise DataError(f"{path} does not exist", expected, "no such file", advice) from error
    except (OSError, *DAMAGE) as error:
        # gzip reports damage as an OSError without a number; a zip archive that lacks its start has
        # members at negative positions, which the system refuses.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        with path.open("rb") as stream:
            start = stream.read(16)
        size = format_bytes(path.stat().st_size)
        page = "a web page: " if start.lstrip().lower().startswith((b"<!doctype", b"<html")) else ""
        received = f"{page}a file of {size} that begins with {start!r} ({error})"
        raise DataError(f"{path} cannot be read", expected, received, advice) from error
