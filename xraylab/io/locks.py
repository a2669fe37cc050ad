"""File locks between processes."""

import contextlib
import os
import sys
from collections.abc import Iterator

from filelock import FileLock, Timeout


@contextlib.contextmanager
def lock(path: str | os.PathLike, timeout: float = -1, message: str = "") -> Iterator[None]:
    """Hold the lock of a file; the system releases it when the process ends, however it ends.

    The file itself stays: removing it would let two processes lock two files of one name.

    Args:
        path: the lock file; it is created.
        timeout: seconds to wait for another holder; 0 does not wait, -1 waits for ever.
        message: printed before waiting, and the text of the error.

    Raises:
        TimeoutError: if another process holds the lock for longer than ``timeout``.
    """
    file_lock = FileLock(path)
    try:
        try:
            file_lock.acquire(timeout=0)
        except Timeout:
            if message and timeout:
                print(message, file=sys.stderr)
            file_lock.acquire(timeout=timeout)
    except Timeout as error:
        raise TimeoutError(message or f"Another process holds the lock {path}") from error
    try:
        yield
    finally:
        file_lock.release()
