"""Image files decoded once, in parallel, into an array that is memory-mapped from then on."""

import hashlib
import json
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xraylab.arguments import require_choice, require_int
from xraylab.data.image_io import DECODER, SQUARES, UnreadableImage, read_image
from xraylab.io import cached_arrays, progress_bar, wrap_os_error
from xraylab.workers import in_order

_BATCH = 32
_PROBLEM = np.dtype([("index", np.int64), ("reason", "U200")])


class DecodedImages(NamedTuple):
    """Images decoded from files.

    Shapes:
        images: (readable files, size, size) uint8, memory-mapped; readable: (files,) bool.

    Args:
        images: the images that could be read, in the order of their files.
        readable: which files could be read.
        problems: why the others could not, by their index in the list of files.
        sha256: hex digest of the array of images.
        folder: the cache folder.
    """

    images: np.ndarray
    readable: np.ndarray
    problems: dict[int, str]
    sha256: str
    folder: Path


def decode_images(
    paths: Sequence[Path],
    *,
    root: Path,
    folder: Path,
    size: int,
    square: str = "pad",
    progress: bool = True,
    workers: int | None = None,
) -> DecodedImages:
    """Decode image files, or load them from the cache.

    The cache key covers the files (name under ``root``, size and time of last change, in their
    order), ``size``, ``square`` and the version of the decoder. Interrupted decoding resumes.

    Args:
        paths: the files.
        root: folder that their names are relative to.
        folder: the cache folder, to whose name the size and the key are added.
        size: side of an image in pixels.
        square: how an image becomes square, see :func:`xraylab.data.image_io.read_image`.
        progress: whether to show progress.
        workers: number of decoding threads; None stands for one per processor core.

    Returns:
        The images that could be read, and why others could not.

    Raises:
        ValueError: if ``square`` or ``workers`` is wrong.
        OSError: if a file or the cache cannot be read or written, or the disk is too full.
    """
    require_choice("square", square, SQUARES)
    if workers is not None:
        require_int("workers", workers, 1)
    plan = {"decoder": DECODER, "size": size, "square": square, "files": len(paths)}
    plan["sha256_of_files"] = _digest(paths, root, progress)
    key = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
    folder = folder.with_name(f"{folder.name}-{size}px-{key}")
    images_type = np.dtype((np.uint8, (size, size)))
    layout = {"readable.npy": np.dtype(bool), "images.npy": images_type, "problems.npy": _PROBLEM}

    def decode(first: int) -> dict[str, np.ndarray]:
        """Decode a few files; return the rows by the names of the array files."""
        images, problems = [], []
        some = paths[first : first + _BATCH]
        readable = np.ones(len(some), bool)
        for index, path in enumerate(some):
            try:
                with wrap_os_error(path, "reading an image"):
                    images.append(read_image(path, size, square))
            except UnreadableImage as error:
                problems.append((first + index, str(error)))
                readable[index] = False
        rows = np.array(images, np.uint8).reshape(-1, size, size)
        columns = (readable, rows, np.array(problems, _PROBLEM))
        return dict(zip(layout, columns, strict=True))

    def batches(start: int) -> Generator[dict[str, np.ndarray]]:
        return in_order(decode, range(start, len(paths), _BATCH), workers or os.cpu_count() or 1)

    arrays, sums = cached_arrays(
        folder,
        plan,
        layout,
        batches,
        count=len(paths),
        description="decoding images",
        progress=progress,
    )
    readable, images, problems = arrays.values()
    reasons = {int(row["index"]): str(row["reason"]) for row in problems}
    return DecodedImages(images, np.array(readable), reasons, sums["images.npy"], folder)


def _digest(paths: Sequence[Path], root: Path, progress: bool) -> str:
    """Compute a digest that changes when a file does; the files themselves are not read."""
    digest = hashlib.sha256()
    for path in progress_bar(progress, iterable=paths, desc="checking files", unit="image"):
        with wrap_os_error(path, "checking for changes"):
            status = path.stat()
        name = os.path.relpath(path, root)
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
