"""Rows of a split: their order in an epoch, their choice, and reading them batch by batch."""

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from xraylab.arguments import MAX_SEED, require_int
from xraylab.data.errors import DataError

if TYPE_CHECKING:
    from xraylab.data.split import Split

Rows = slice | np.ndarray | list[int]
"""What images are chosen by: a slice, row numbers, or one boolean per image."""

_ROWS_AT_A_TIME = 16  # the system may map 2 MB of the file for each row


def take(split: "Split", rows: Rows) -> tuple[np.ndarray, np.ndarray]:
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


def read_rows(images: np.ndarray, rows: Rows) -> np.ndarray:
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
    mapped: Any = images
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    if not isinstance(mapped, mmap.mmap) or images.flags.writeable:
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


class MaskRows:
    """Some rows and labels of masks, which are read only when they are indexed."""

    def __init__(self, masks: Any, rows: np.ndarray, columns: list[int] | None = None):
        self._masks, self._rows = masks, rows
        self._columns = slice(None) if columns is None else columns

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | Rows) -> np.ndarray:
        return self._masks[self._rows[index]][..., self._columns, :, :]


def evenly_spaced(num_images: int, count: int, seed: int, split: str) -> slice:
    """Return a slice of ``count`` evenly spaced rows out of ``num_images``."""
    if count > num_images:
        problem = f"num_images is larger than the {split} split"
        raise DataError(problem, f"at most {num_images:,}", f"{count:,}", "Pass a smaller number")
    step = num_images // count
    last_start = num_images - (count - 1) * step
    start = int(np.random.Philox(key=seed).random_raw() % last_start)
    return slice(start, start + (count - 1) * step + 1, step)


def select_boxes(boxes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the boxes of the images in ``rows``, with ``image`` counted in the new order."""
    import pandas as pd  # half a second that few callers need

    images = pd.DataFrame({"image": rows, "new": range(len(rows))})
    pairs = images.merge(pd.DataFrame({"image": boxes["image"], "box": range(len(boxes))}))
    chosen = boxes[pairs["box"].to_numpy()]
    chosen["image"] = pairs["new"]
    return chosen
