"""Arrays that grow on the disk batch by batch, and go on where they were if their writer dies."""

import contextlib
import json
import os
import shutil
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from xraylab.io import progress_bar
from xraylab.io.files import CHUNK

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None

JOURNAL = "journal.jsonl"
"""Name of the file that tells which batches are finished."""

KEPT_SECONDS = 7 * 24 * 3600
"""After this time without a batch nobody will go on with a part folder."""

_HEADER_BYTES = 1024


class GrowingArrays:
    """Arrays in a folder, one ``.npy`` file each, that outlive the death of their writer.

    A batch goes into the files first and then, with its check sums, into a journal. When the folder
    is opened again, the batches are kept up to the first one on which journal and files disagree,
    and what follows is cut off: half a batch, or what a crash of the whole machine has lost.

    Args:
        folder: the folder; it is made, or emptied if it was begun with another plan.
        plan: what decides the contents of the arrays, a mapping ready for JSON.
        layout: mapping from file name to the type of its array and the shape of one row.

    Raises:
        OSError: if the folder cannot be read or written.
    """

    def __init__(self, folder: Path, plan: dict, layout: dict[str, tuple[np.dtype, tuple]]):
        self._folder, self._layout = folder, layout
        types = {name: f"{dtype.descr} {shape}" for name, (dtype, shape) in layout.items()}
        plan = {**plan, "layout": types}
        lines = _lines(folder / JOURNAL)
        if not lines or json.loads(lines[0]) != plan:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir()
            lines = [json.dumps(plan).encode() + b"\n"]
            (folder / JOURNAL).write_bytes(lines[0])
        self._ends = dict.fromkeys(layout, _HEADER_BYTES)
        kept = lines[: 1 + self._count_whole(lines[1:])]
        self._files = {}
        with contextlib.ExitStack() as stack:
            for name, end in self._ends.items():
                self._files[name] = stack.enter_context(_cut(folder / name, end))
            end = len(b"".join(kept))
            self._journal = stack.enter_context(_cut(folder / JOURNAL, end))
            self._stack = stack.pop_all()

    def __enter__(self) -> "GrowingArrays":
        return self

    def __exit__(self, *exception) -> None:
        self._stack.close()

    def rows(self, name: str) -> int:
        """Return how many rows of an array are finished."""
        dtype, shape = self._layout[name]
        row_bytes = dtype.itemsize * int(np.prod(shape))
        return (self._ends[name] - _HEADER_BYTES) // row_bytes

    def append(self, arrays: dict[str, np.ndarray]) -> None:
        """Add a batch, some rows of every array."""
        crc32 = {}
        for name, file in self._files.items():
            content = np.ascontiguousarray(arrays[name], self._layout[name][0]).tobytes()
            file.write(content)
            file.flush()
            self._ends[name] += len(content)
            crc32[name] = zlib.crc32(content)
        # Handing over to the system is enough: if the whole machine dies, the sums will tell.
        self._journal.write(json.dumps({"ends": self._ends, "crc32": crc32}).encode() + b"\n")
        self._journal.flush()
        os.utime(self._folder)  # tells those who look for abandoned folders

    def finish(self) -> None:
        """Make the files complete ``.npy`` files, and see that they are on the disk."""
        for name, file in self._files.items():
            dtype, shape = self._layout[name]
            file.seek(0)
            file.write(_header(dtype, (self.rows(name), *shape)))
            file.flush()
            os.fsync(file.fileno())

    def _count_whole(self, lines: list[bytes]) -> int:
        """Return how many batches are whole, and note where in the files the last of them ends."""
        with contextlib.ExitStack() as stack:
            try:
                paths = {name: self._folder / name for name in self._layout}
                files = {name: stack.enter_context(p.open("rb")) for name, p in paths.items()}
            except FileNotFoundError:
                return 0
            for number, line in enumerate(lines):
                batch = json.loads(line)
                try:
                    ends = {name: int(batch["ends"][name]) for name in files}
                    sums = {name: _sum(files[name], self._ends[name], ends[name]) for name in files}
                    whole = sums == batch["crc32"]
                except (KeyError, TypeError, ValueError):  # no line of ours
                    whole = False
                if not whole:
                    return number
                self._ends = ends
        return len(lines)


def _lines(path: Path) -> list[bytes]:
    """Return the lines of a journal up to the first that is not a whole mapping."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = []
    for line in content.splitlines(keepends=True):
        try:
            whole = line.endswith(b"\n") and isinstance(json.loads(line), dict)
        except ValueError:
            whole = False
        if not whole:
            break
        lines.append(line)
    return lines


def _sum(file, start: int, end: int) -> int | None:
    """Return the check sum of some bytes of a file, or None if it has not so many."""
    file.seek(start)
    total, left = 0, end - start
    while left > 0:
        chunk = file.read(min(CHUNK, left))
        if not chunk:
            return None
        total, left = zlib.crc32(chunk, total), left - len(chunk)
    return total


def _cut(path: Path, end: int):
    """Open a file to write on from ``end``; what follows goes, what is missing becomes zeros."""
    file = path.open("r+b" if path.exists() else "w+b")
    file.truncate(end)
    file.seek(end)
    return file


def _header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """Return the beginning of a ``.npy`` file, always equally long.

    Written out here, because NumPy's own grows with the number of rows, which is known last.
    """
    descr = np.lib.format.dtype_to_descr(dtype)
    text = repr({"descr": descr, "fortran_order": False, "shape": shape})
    start = np.lib.format.magic(1, 0)
    length = _HEADER_BYTES - len(start) - 2
    return start + struct.pack("<H", length) + text.ljust(length - 1).encode("latin1") + b"\n"


@contextlib.contextmanager
def only_one(path: Path, *, wait: bool = True, progress: bool = False) -> Iterator[bool]:
    """Hold the lock that a file stands for; the file goes with the lock.

    The lock ends with its process, however that ends.

    Args:
        path: the file; it is made.
        wait: whether to wait for another holder.
        progress: whether to say that one waits.

    Yields:
        whether the lock is held: not where another holds it and ``wait`` is false, nor where the
        system or the disk knows no such locks.
    """
    stream = _acquire(path, wait, progress)
    try:
        yield stream is not None
    finally:
        if stream is not None:
            path.unlink(missing_ok=True)
            stream.close()


def _acquire(path: Path, wait: bool, progress: bool):
    """Return the locked file, or None if it cannot be locked."""
    while fcntl is not None:
        stream = path.open("ab")
        try:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    raise
                what = "waiting for another process that makes these images"
                with progress_bar(progress, desc=what, bar_format="{desc}"):
                    fcntl.flock(stream, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                # The holder before us has removed the file, and another may have made it anew.
                if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                    return stream
        except BlockingIOError:
            stream.close()
            return None
        except OSError:  # a disk without locks
            stream.close()
            path.unlink(missing_ok=True)
            return None
        except BaseException:
            stream.close()
            raise
        stream.close()
    return None


def sweep_parts(root: Path, pattern: str = "*/.*.part") -> None:
    """Remove part folders that nobody has gone on with for :data:`KEPT_SECONDS`."""
    for part in root.glob(pattern):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > KEPT_SECONDS:
                with only_one(lock_of(part), wait=False) as alone:
                    if alone or fcntl is None:
                        shutil.rmtree(part)


def lock_of(part: Path) -> Path:
    """Return the lock file of a part folder."""
    return part.with_suffix(".lock")
