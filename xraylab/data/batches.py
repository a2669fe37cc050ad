"""Rows of a split as model inputs, read so that memory stays flat however large the file is."""

import mmap
from typing import TYPE_CHECKING

import numpy as np

from xraylab.arguments import MAX_SEED, require_int
from xraylab.data.errors import DataError

if TYPE_CHECKING:
    from xraylab.data.split import Split

_ROWS_AT_A_TIME = 16  # the system may map 2 MB of the file for each row


def take(split: "Split", rows: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
    """Return some images of a split and their labels as model inputs and targets.

    Shapes:
        images: (batch, size, size, 1) float32 in [0, 1].
        labels: (batch, num_labels) float32, 0 or 1, NaN where unknown.

    Args:
        split: the split.
        rows: row numbers, or a slice.

    Returns:
        The images and the labels.

    Raises:
        DataError: if the file of the images was truncated after it was mapped.
    """
    images = read_rows(split.images, rows)[..., np.newaxis]
    return np.divide(images, np.float32(255), dtype=np.float32), np.array(split.labels[rows])


def epoch_order(num_images: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the images in one epoch: a permutation of ``num_images`` row numbers.

    It depends on the three arguments alone, on every machine and with every NumPy: images are
    sorted by the random words of a Philox counter keyed by ``(seed, epoch)``. NumPy guarantees that
    the words stay the same, which it does not for ``Generator.permutation``.

    Shapes:
        returns: (num_images,) int64.

    Args:
        num_images: number of images.
        seed: seed of all epochs, from 0 to 2**64 - 1.
        epoch: number of the epoch, from 0.

    Raises:
        ValueError: if ``seed`` or ``epoch`` is out of range.
    """
    key = [require_int("seed", seed, 0, MAX_SEED), require_int("epoch", epoch, 0, MAX_SEED)]
    words = np.random.Philox(key=np.array(key, dtype=np.uint64)).random_raw(num_images)
    return np.argsort(words, kind="stable")


def read_rows(images: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
    """Return a copy of some rows of an array, without keeping the pages of a memory map.

    Every page of a memory map that is read counts as memory of the process: after one epoch of the
    224-pixel images, that would be all 3.94 GB. The pages are released again; the system's file
    cache still has them.

    Shapes:
        images: (n, ...); returns: (number of rows, ...), of the same dtype.

    Args:
        images: the array, in memory or memory-mapped.
        rows: row numbers, or a slice.

    Raises:
        DataError: if the file was truncated after it was mapped.
    """
    mapped = _memory_map(images)
    if mapped is None:
        return np.array(images[rows])
    if mapped.size() < len(mapped):  # reading beyond the end of the file would kill the process
        problem = f"{getattr(images, 'filename', None) or 'The file'} was cut short while in use"
        expected, advice = f"{len(mapped):,} bytes", "Load the split again to rebuild the file"
        raise DataError(problem, expected, f"{mapped.size():,} bytes", advice)
    rows = np.arange(len(images))[rows]
    copied = np.empty((len(rows), *images.shape[1:]), images.dtype)
    for start in range(0, len(rows), _ROWS_AT_A_TIME):
        part = slice(start, start + _ROWS_AT_A_TIME)
        copied[part] = images[rows[part]]
        if hasattr(mapped, "madvise"):  # not on Windows
            mapped.madvise(mmap.MADV_DONTNEED)
    return copied


def _memory_map(array: np.ndarray) -> mmap.mmap | None:
    """Return the read-only file map that an array is a view of, or None."""
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) and not array.flags.writeable else None
