"""Arrays that are computed once into a folder, and resumed where a killed process stopped."""

import contextlib
import os
import shutil
import warnings
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xraylab.io import files
from xraylab.io.plain import printable, read_json, write_json
from xraylab.io.progress import progress_bar

Layout = Mapping[str, np.dtype]
"""The type of one row of each array by file name: ``np.dtype((np.uint8, (64, 64)))`` for images."""

Batches = Callable[[int], Generator[Mapping[str, Any]]]

MANIFEST, COUNTER = "manifest.json", "counter.json"
STALE_SECONDS = 7 * 24 * 3600
"""An unfinished folder that was not written to for this long is removed."""

_HEADER_BYTES = 1024
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError)


class ResumableArrays:
    """Arrays in a folder, one ``.npy`` file each, that are written batch by batch.

    A batch is on the disk before the counter counts it. When the folder is opened again, what the
    counter does not count is cut off, and writing continues there.

    Args:
        folder: the folder; it is created, or emptied if it is damaged.
        layout: the type of one row of each array, by file name.

    Attributes:
        rows: number of finished rows of each array, by file name.
    """

    def __init__(self, folder: Path, layout: Layout):
        self._folder, self._layout = folder, layout
        if not self._can_resume():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            self.rows = dict.fromkeys(layout, 0)
        files.remove_stale(folder, seconds=-1)  # of a process killed while counting
        for name in layout:
            with (folder / name).open("ab") as file:
                file.truncate(self._end(name))  # what follows goes; the header comes last

    def append(self, arrays: Mapping[str, Any]) -> None:
        """Append a batch, some rows of each array."""
        for name, dtype in self._layout.items():
            self._write(name, "ab", np.asarray(arrays[name], dtype.base).tobytes())
            self.rows[name] += len(arrays[name])
        write_json(self._folder / COUNTER, self.rows)
        os.utime(self._folder)  # an active folder is not stale

    def finish(self, plan: Mapping[str, Any]) -> None:
        """Complete the files, and write a manifest with the plan and their checksums."""
        for name, dtype in self._layout.items():
            self._write(name, "r+b", _header(dtype, self.rows[name]))
        sums = {name: files.sha256(self._folder / name) for name in self._layout}
        write_json(self._folder / MANIFEST, {**plan, "sha256": sums})

    def _write(self, name: str, mode: str, content: bytes) -> None:
        with (self._folder / name).open(mode) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _end(self, name: str) -> int:
        return _HEADER_BYTES + self.rows[name] * self._layout[name].itemsize

    def _can_resume(self) -> bool:
        """Read the counted rows, and check that the files have them."""
        try:
            counter = read_json(self._folder / COUNTER)
            self.rows = {name: int(counter[name]) for name in self._layout}
            sizes = {name: (self._folder / name).stat().st_size for name in self._layout}
            return all(sizes[name] >= self._end(name) for name in self._layout)
        except _DAMAGE:
            return False


def cached_arrays(
    folder: Path,
    plan: Mapping[str, Any],
    layout: Layout,
    batches: Batches,
    *,
    count: int,
    description: str,
    progress: bool,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return arrays from a cache folder, memory-mapped; compute them first if they are not there.

    One process computes them, others wait. If it is killed, the next one resumes. A damaged folder
    is computed again, with a warning.

    Args:
        folder: the cache folder of these arrays; its name differs where their contents do.
        plan: what determines their contents, for the manifest.
        layout: the type of one row of each array, by file name; rows of the first array count the
            progress.
        batches: ``batches(start)`` yields batches of rows from row ``start`` on.
        count: total number of rows of the first array.
        description: what is done, for messages: ``"decoding images"``.
        progress: whether to show progress.

    Returns:
        The arrays, and their SHA-256 checksums, both by file name.
    """
    with contextlib.suppress(*_DAMAGE):
        return _open(folder, layout)
    parent, part = files.make_folder(folder.parent), folder.with_name(f".{folder.name}.part")
    waiting = printable(f"Waiting for another process that is {description} in {folder}")
    with files.lock(parent / f".{folder.name}.lock", waiting if progress else ""):
        with contextlib.suppress(*_DAMAGE):
            return _open(folder, layout)  # another process was faster
        if folder.exists():
            warnings.warn(printable(f"{folder} is damaged; it is computed again"), stacklevel=2)
            shutil.rmtree(folder)
        files.remove_stale(parent, ".*.part", STALE_SECONDS)
        arrays = ResumableArrays(part, layout)
        first = next(iter(layout))
        start = arrays.rows[first]
        needed = (count - start) * max(dtype.itemsize for dtype in layout.values())
        files.require_free_disk(parent, needed, description)
        bar = progress_bar(progress, total=count, initial=start, desc=description, unit="image")
        with bar, contextlib.closing(batches(start)) as missing:
            for batch in missing:
                arrays.append(batch)
                bar.update(len(batch[first]))
        arrays.finish(plan)
        part.rename(folder)
        (folder / COUNTER).unlink()
        return _open(folder, layout)


def _open(folder: Path, layout: Layout) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Memory-map the arrays of a finished folder; an error means that it is missing or damaged."""
    sums = read_json(folder / MANIFEST)["sha256"]
    for name in layout:
        if not files.is_unaltered(folder / name, sums[name], folder / MANIFEST):
            raise ValueError(f"{name} was altered")
    return {name: np.load(folder / name, mmap_mode="r") for name in layout}, sums


def _header(dtype: np.dtype, rows: int) -> bytes:
    """Return a ``.npy`` header of :data:`_HEADER_BYTES` bytes.

    NumPy's own length depends on the number of rows, which is known last.
    """
    descr = np.lib.format.dtype_to_descr(dtype.base)
    text = repr({"descr": descr, "fortran_order": False, "shape": (rows, *dtype.shape)})
    start = np.lib.format.magic(1, 0)
    length = _HEADER_BYTES - len(start) - 2
    return start + length.to_bytes(2, "little") + text.ljust(length - 1).encode() + b"\n"
