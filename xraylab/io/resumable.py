"""Arrays that are computed once into a folder, and resumed where a killed process stopped."""

import contextlib
import os
import shutil
import uuid
import warnings
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xraylab.io import files
from xraylab.io.plain import read_json, to_plain, write_json
from xraylab.io.progress import progress_bar

Layout = Mapping[str, np.dtype]
"""The type of one row of each array by file name: ``np.dtype((np.uint8, (64, 64)))`` for images."""

Batches = Callable[[int], Generator[Mapping[str, np.ndarray]]]

MANIFEST, COUNTER = "manifest.json", "counter.json"
STALE_SECONDS = 7 * 24 * 3600
"""An unfinished folder that was not written to for this long is removed."""

_HEADER_BYTES = 1024


class ResumableArrays:
    """Arrays in a folder, one ``.npy`` file each, that are written batch by batch.

    A batch is on the disk before the counter counts it. When the folder is opened again, what the
    counter does not count is cut off, and writing continues there.

    Args:
        folder: the folder; it is created, or emptied if it was begun with another plan.
        plan: what determines the contents of the arrays, ready for JSON.
        layout: the type of one row of each array, by file name.

    Attributes:
        rows: number of finished rows of each array, by file name.
    """

    def __init__(self, folder: Path, plan: dict[str, Any], layout: Layout):
        self._folder, self._layout = folder, layout
        types = {name: str(dtype) for name, dtype in layout.items()}
        self._plan = to_plain({"plan": plan, "layout": types})
        if not self._can_resume():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            self.rows = dict.fromkeys(layout, 0)
        files.remove_stale(folder, seconds=0)  # of a writer that was killed
        for name in layout:
            with (folder / name).open("ab") as file:
                file.truncate(self._end(name))  # what follows goes; the header comes last

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Append a batch, some rows of each array."""
        for name, dtype in self._layout.items():
            self._write(name, "ab", np.asarray(arrays[name], dtype.base).tobytes())
            self.rows[name] += len(arrays[name])
        write_json(self._folder / COUNTER, self._plan | {"rows": self.rows})
        os.utime(self._folder)  # an active folder is not stale

    def fill(self, batches: Batches, count: int, description: str, progress: bool) -> None:
        """Append the batches that are missing, and finish; arguments as for `cached_arrays`."""
        done = sum(file.stat().st_size for file in self._folder.glob("*"))
        needed = count * max(dtype.itemsize for dtype in self._layout.values())
        files.require_free_disk(self._folder.parent, max(0, needed - done), description)
        first = next(iter(self._layout))
        start = self.rows[first]
        bar = progress_bar(progress, total=count, initial=start, desc=description, unit="image")
        with bar, contextlib.closing(batches(start)) as missing:
            for batch in missing:
                self.append(batch)
                bar.update(len(batch[first]))
        self.finish()

    def finish(self) -> None:
        """Complete the files, and write a manifest with the plan and their checksums."""
        for name, dtype in self._layout.items():
            self._write(name, "r+b", _header(dtype, self.rows[name]))
        sums = {name: files.sha256(self._folder / name) for name in self._layout}
        write_json(self._folder / MANIFEST, self._plan["plan"] | {"sha256": sums})

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
            self.rows = {name: int(counter["rows"][name]) for name in self._layout}
            ends = {self._folder / name: self._end(name) for name in self._layout}
            long_enough = all(path.stat().st_size >= end for path, end in ends.items())
            return long_enough and {key: counter[key] for key in self._plan} == self._plan
        except (OSError, ValueError, KeyError, TypeError):
            return False


def cached_arrays(
    folder: Path,
    plan: dict[str, Any],
    layout: Layout,
    batches: Batches,
    *,
    count: int,
    description: str,
    progress: bool,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return arrays from a cache folder, memory-mapped; compute them first if they are not there.

    One process computes them, others wait. If it is killed, the next one resumes. A folder that
    does not match its manifest is moved aside with a warning.

    Args:
        folder: the cache folder of these arrays.
        plan: what determines their contents, ready for JSON.
        layout: the type of one row of each array, by file name; rows of the first array count the
            progress.
        batches: ``batches(start)`` yields batches of rows from row ``start`` on.
        count: total number of rows of the first array.
        description: what is done, for messages: ``"decoding images"``.
        progress: whether to show progress.

    Returns:
        The arrays, and their SHA-256 checksums, both by file name.
    """
    plan = to_plain(plan)
    parent, part = folder.parent, folder.with_name(f".{folder.name}.part")
    message = f"Waiting for another process that is {description} in {folder}" if progress else ""
    if not is_complete(folder, plan, layout):
        files.make_folder(parent, mode=0o700)
        guard = files.lock(parent / f".{folder.name}.lock", message=message)
        with files.wrap_os_error(folder, description), guard:
            files.remove_stale(parent)
            files.remove_stale(parent, ".*.part", STALE_SECONDS)
            if not is_complete(folder, plan, layout):  # else another process was faster
                if folder.exists():
                    aside = folder.rename(f"{folder}.damaged-{uuid.uuid4().hex[:8]}")
                    text = f"{folder} does not match its manifest; it was moved to {aside}"
                    warnings.warn(f"{text}, which may be removed", stacklevel=2)
                if not is_complete(part, plan, layout):  # else killed just before the last step
                    arrays = ResumableArrays(part, plan, layout)
                    arrays.fill(batches, count, description, progress)
                (part / COUNTER).unlink(missing_ok=True)
                part.rename(folder)
    arrays = {name: np.load(folder / name, mmap_mode="r") for name in layout}
    return arrays, read_json(folder / MANIFEST)["sha256"]


def is_complete(folder: Path, plan: dict, layout: Layout) -> bool:
    """Check that a folder has a manifest of this plan, and files of the size in their headers."""
    try:
        manifest = read_json(folder / MANIFEST)
        for name in layout:
            np.load(folder / name, mmap_mode="r", allow_pickle=False)
        same = all(manifest[key] == value for key, value in plan.items())
        return same and manifest["sha256"].keys() == set(layout)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return False


def _header(dtype: np.dtype, rows: int) -> bytes:
    """Return a ``.npy`` header of :data:`_HEADER_BYTES` bytes.

    NumPy's own length depends on the number of rows, which is known last.
    """
    descr = np.lib.format.dtype_to_descr(dtype.base)
    text = repr({"descr": descr, "fortran_order": False, "shape": (rows, *dtype.shape)})
    start = np.lib.format.magic(1, 0)
    length = _HEADER_BYTES - len(start) - 2
    return start + length.to_bytes(2, "little") + text.ljust(length - 1).encode() + b"\n"
