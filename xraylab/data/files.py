"""Files that appear whole or not at all, and errors that say what the disk refused."""

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
from typing import BinaryIO

from xraylab.data.errors import DataError

CHUNK = 1 << 20
"""Bytes read or written at a time."""

SPARE_BYTES = 64 << 20
"""What is left free on a disk beside the file to be written."""

ABANDONED_SECONDS = 3600
"""After this time without a write, a temporary file belongs to a process that was killed."""


def readable_bytes(count: float) -> str:
    """Return a number of bytes as people read it: ``3937401344`` → ``"3.94 GB"``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"


def progress_bar(show: bool, **options):
    """Return a tqdm bar, silent where ``show`` is false or nobody would see it.

    It would be seen in a terminal and in a live notebook, but not in a log file, and not on the
    static page of a book that is being rendered (``XRAYLAB_WIDGETS=static``).
    """
    # Imported here: in a notebook tqdm brings ipywidgets with it, which importing xraylab need not.
    from tqdm.auto import tqdm

    static = os.environ.get("XRAYLAB_WIDGETS") == "static"
    seen = not static and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    return tqdm(disable=not (show and seen), leave=False, **options)


def byte_bar(description: str, total: int | None, show: bool, start: int = 0):
    """Return a :func:`progress_bar` over bytes."""
    return progress_bar(
        show, desc=description, total=total, initial=start, unit="B", unit_scale=True
    )


def as_data_error(error: OSError, path: str | os.PathLike, purpose: str) -> DataError:
    """Return what the operating system refused as an error that says what to do.

    Args:
        error: what the operating system said.
        path: the file or folder it was about.
        purpose: what was being done, as in ``"writing the download"``.
    """
    reason = f"{error.strerror or error} while {purpose}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            path,
            expected="enough free disk",
            found=f"disk full: {reason}",
            advice="free some space, or set XRAYLAB_DATA to a folder on a larger disk; try again",
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return DataError(
            path,
            expected="permission to read and write there",
            found=f"no permission: {reason}",
            advice="change the permissions, or set XRAYLAB_DATA to a folder that you may write to",
        )
    if isinstance(error, (NotADirectoryError, FileExistsError)):
        return DataError(
            path,
            expected="a folder, or a place where one can be made",
            found=f"a file stands in the way: {reason}",
            advice="remove that file, or set XRAYLAB_DATA to another folder",
        )
    return DataError(
        path,
        expected="a file that can be read and a folder that can be written",
        found=reason,
        advice="check the disk and the path, then try again",
    )


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, and return it.

    Raises:
        DataError: if it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Asking by writing: permission bits say little on network disks and to the superuser.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise as_data_error(error, folder, "making the folder and trying to write there") from error
    return folder


def require_free_disk(folder: Path, needed: int, purpose: str) -> None:
    """Raise a :class:`DataError` if the disk of ``folder`` cannot take ``needed`` bytes more."""
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise DataError(
            folder,
            expected=f"{readable_bytes(needed + SPARE_BYTES)} of free disk for {purpose}",
            found=f"{readable_bytes(free)} free; nothing was written",
            advice="free some space, or set XRAYLAB_DATA to a folder on a larger disk; try again",
        )


def sweep(folder: Path, pattern: str = ".*.tmp") -> None:
    """Remove what killed processes left under temporary names in a folder, if it is old enough."""
    for left_over in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if time.time() - left_over.stat().st_mtime > ABANDONED_SECONDS:
                if left_over.is_dir():
                    shutil.rmtree(left_over)
                else:
                    left_over.unlink()


@contextlib.contextmanager
def write_whole(destination: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that takes its final name only when all of it is on the disk.

    Whatever goes wrong inside the ``with`` block, the temporary file goes and a file that already
    has the final name stays as it was.

    Raises:
        OSError: if the disk refuses; it names ``destination``.
    """
    sweep(destination.parent, f".{destination.name}.*.tmp")
    # The random part keeps two processes that write the same file out of each other's way.
    temporary = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(destination)
    except OSError as error:
        if error.filename is None:  # a full disk does not say which file it had no room for
            error.filename = str(destination)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 sum of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def md5_of(path: Path, progress: bool = False) -> str:
    """Return the MD5 sum of a file as 32 hex digits.

    Raises:
        DataError: if the file cannot be read.
    """
    # A check against accidents, as published by MedMNIST; it proves nothing against malice.
    digest = hashlib.md5(usedforsecurity=False)
    try:
        size = path.stat().st_size
        with (
            path.open("rb") as stream,
            byte_bar(f"checking {path.name}", size, progress and size > 100 * CHUNK) as bar,
        ):
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                bar.update(len(chunk))
    except OSError as error:
        raise as_data_error(error, path, "computing its MD5 sum") from error
    return digest.hexdigest()
