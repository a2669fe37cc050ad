"""Atomic writes, checksums, locks, free disk and cache folders."""

import contextlib
import errno
import hashlib
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

import platformdirs
from filelock import FileLock, Timeout

from xraylab.io.progress import byte_bar

StrPath = str | os.PathLike[str]

CHUNK = 1 << 20
"""Bytes read or written at a time."""

SPARE_BYTES = 64 << 20
"""Free disk to keep beside the file to be written."""

STALE_SECONDS = 3600
"""A temporary file that was not written to for this long belongs to a killed process."""

_ADVICE = {
    (errno.ENOSPC, errno.EDQUOT): "Free some disk space, or set XRAYLAB_DATA to a larger disk",
    (errno.EACCES, errno.EPERM, errno.EROFS): "Change the permissions, or set XRAYLAB_DATA to a "
    "writable folder",
    (errno.ENOTDIR, errno.EEXIST): "Remove the file with the name of a folder, or set XRAYLAB_DATA "
    "to another folder",
    (0,): "Check the disk and the path, then try again",  # after any other error
}


@contextlib.contextmanager
def wrap_os_error(path: StrPath, purpose: str) -> Iterator[None]:
    """Add a path, a purpose and advice to an ``OSError`` of the block; its type stays.

    Args:
        path: the file or folder that the block works on.
        purpose: what the block does, as in ``"writing the download"``.
    """
    try:
        yield
    except OSError as error:
        # Not from the system, or explained by a nested block.
        if error.errno is None or any(advice in str(error) for advice in _ADVICE.values()):
            raise
        raise _explained(error.errno, f"{error.strerror} while {purpose}", path) from error


def _explained(number: int, reason: str, path: StrPath) -> OSError:
    advice = next((text for numbers, text in _ADVICE.items() if number in numbers), _ADVICE[0,])
    return OSError(number, f"{reason}. {advice}", str(path))


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


def make_folder(folder: StrPath, mode: int = 0o777) -> Path:
    """Create a folder and its parents, check that it is writable, and return it.

    Args:
        folder: the folder.
        mode: permissions of the folders that are created: 0o700 for caches.

    Returns:
        The folder.

    Raises:
        OSError: if it cannot be created or written to.
    """
    folder = Path(folder)
    with wrap_os_error(folder, "creating the folder"):
        for path in (*reversed(folder.parents), folder):
            path.mkdir(mode, exist_ok=True)
        # Permission bits say little on network disks and to the superuser: try.
        with tempfile.TemporaryFile(dir=folder):
            pass
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
        sizes = f"Expected: {format_bytes(needed + SPARE_BYTES)}. Received: {format_bytes(free)}"
        reason = f"Not enough free disk for {purpose}; nothing was written. {sizes}"
        raise _explained(errno.ENOSPC, reason, folder)


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


def md5(path: StrPath, progress: bool = False) -> str:
    """Compute the MD5 checksum of a file, 32 hex digits.

    It guards against accidents, not against malice.

    Args:
        path: the file.
        progress: whether to show a progress bar for large files.
    """
    path, digest = Path(path), hashlib.md5(usedforsecurity=False)
    with wrap_os_error(path, "computing its MD5 checksum"), path.open("rb") as stream:
        for chunk in read_chunks(stream, f"checking {path.name}", path.stat().st_size, progress):
            digest.update(chunk)
    return digest.hexdigest()


def read_chunks(stream: IO[bytes], description: str, size: int, progress: bool) -> Iterator[bytes]:
    """Yield the content of a stream, with a progress bar if it is large.

    Args:
        stream: the stream.
        description: what is done, as in ``"unpacking images"``.
        size: number of bytes in the stream.
        progress: whether to show a bar at all.
    """
    with byte_bar(description, size, progress and size > 100 * CHUNK) as bar:
        while chunk := stream.read(CHUNK):
            yield chunk
            bar.update(len(chunk))


@contextlib.contextmanager
def lock(
    path: StrPath, timeout: float = -1, message: str = "", error: type[Exception] = TimeoutError
) -> Iterator[None]:
    """Hold the lock of a file; the system releases it when the process ends, however it ends.

    The file itself stays: removing it would let two processes lock two files of one name.

    Args:
        path: the lock file; it is created.
        timeout: seconds to wait for another holder; 0 does not wait, -1 waits for ever.
        message: printed before waiting, and the text of the error.
        error: raised if another process holds the lock for longer than ``timeout``.
    """
    file_lock = FileLock(path)
    try:
        file_lock.acquire(timeout=0)
    except Timeout:
        if message and timeout:
            print(message, file=sys.stderr)
        try:
            file_lock.acquire(timeout=timeout)
        except Timeout:
            raise error(message or f"Another process holds the lock {path}") from None
    try:
        yield
    finally:
        file_lock.release()
