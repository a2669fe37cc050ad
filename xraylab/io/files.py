"""Atomic writes, checksums, locks, free disk and cache folders."""

import contextlib
import errno
import hashlib
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import platformdirs
from filelock import FileLock, Timeout

StrPath = str | os.PathLike[str]

SPARE_BYTES = 64 << 20
"""Free disk to keep beside the file to be written."""

STALE_SECONDS = 3600
"""A temporary file that was not written to for this long belongs to a killed process."""


def format_bytes(count: float) -> str:
    """Format a number of bytes for people: ``3937401344`` → ``"3.94 GB"``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"


def data_root() -> Path:
    """Return the folder in which xraylab keeps downloads and unpacked arrays; it need not exist.

    The environment variable ``XRAYLAB_DATA`` names it; without one it is the platform's folder for
    caches, such as ``~/.cache/xraylab`` on Linux.
    """
    if named := os.environ.get("XRAYLAB_DATA"):
        return Path(named).expanduser()
    return platformdirs.user_cache_path("xraylab", appauthor=False)


def make_folder(folder: StrPath) -> Path:
    """Create a folder and its parents, private to the user (0700), and return it.

    Raises:
        OSError: if it cannot be created.
    """
    folder = Path(folder)
    for path in (*reversed(folder.parents), folder):
        path.mkdir(0o700, exist_ok=True)
    return folder


def require_free_disk(folder: StrPath, needed: int, purpose: str) -> None:
    """Check that a disk has room for a file and some more.

    Args:
        folder: a folder on the disk.
        needed: size of the file in bytes; :data:`SPARE_BYTES` stay free beside it.
        purpose: what the file is written for, as in ``"downloading a.npz"``.

    Raises:
        OSError: (ENOSPC) if there is less room.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        text = (
            f"Not enough free disk for {purpose}; nothing was written. Expected: "
            f"{format_bytes(needed + SPARE_BYTES)}. Received: {format_bytes(free)}. "
            "Free some disk space, or set XRAYLAB_DATA to a larger disk"
        )
        raise OSError(errno.ENOSPC, text, str(folder))


def remove_stale(folder: Path, pattern: str = ".*.tmp", seconds: float = STALE_SECONDS) -> None:
    """Remove temporary files and folders that killed processes left behind.

    Args:
        folder: the folder to search; subfolders only if the pattern names them.
        pattern: glob pattern of the temporary names.
        seconds: minimum time since the last change.
    """
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > seconds:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


@contextlib.contextmanager
def atomic_write(path: StrPath) -> Iterator[BinaryIO]:
    """Open a binary stream whose content appears under ``path`` whole or not at all.

    The content takes its final name when the block ends and everything is on the disk. If anything
    goes wrong, a file that already has this name stays as it was.

    Args:
        path: the file.

    Returns:
        A context manager that yields the stream.

    Raises:
        OSError: if the file cannot be written; it names ``path``.
    """
    path = Path(path)
    remove_stale(path.parent, f".{path.name}.*.tmp")
    # The random part keeps two processes that write the same file apart.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        # A full disk names no file, and the temporary name means nothing to anybody.
        if error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: StrPath) -> str:
    """Compute the SHA-256 checksum of a file, 64 hex digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_unaltered(path: Path, checksum: str, recorded: Path) -> bool:
    """Return whether a file still has its SHA-256 checksum.

    The checksum is computed only if the file changed after ``recorded``, the file that holds the
    expected one: for large files it takes long.

    Raises:
        OSError: if one of the files does not exist.
    """
    changed = path.stat().st_mtime_ns > recorded.stat().st_mtime_ns
    return not changed or sha256(path) == checksum


def md5(path: StrPath) -> str:
    """Compute the MD5 checksum of a file, 32 hex digits; it guards against accidents only."""
    with Path(path).open("rb") as stream:
        digest = partial(hashlib.md5, usedforsecurity=False)
        return hashlib.file_digest(stream, digest).hexdigest()


@contextlib.contextmanager
def lock(path: StrPath, message: str = "", error: type[Exception] | None = None) -> Iterator[None]:
    """Hold the lock of a file; the system releases it when the process ends, however it ends.

    The file itself stays: removing it would let two processes lock two files of one name.

    Args:
        path: the lock file; it is created.
        message: printed before waiting for another holder, or the text of the error.
        error: raised if another process holds the lock; None waits until it is released.
    """
    file_lock = FileLock(path)
    try:
        held = file_lock.acquire(timeout=0)
    except Timeout:
        if error is not None:
            raise error(message) from None
        if message:
            print(message, file=sys.stderr)
        held = file_lock.acquire()
    with held:
        yield
