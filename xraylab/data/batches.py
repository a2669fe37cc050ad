"""Batches of images, read row by row so that memory stays flat however large the file is."""

import mmap
from collections.abc import Iterator

import numpy as np

from xraylab.arguments import MAX_SEED, require_int
from xraylab.data.errors import DataError
from xraylab.data.split import Split


def batches(
    split: Split,
    batch_size: int,
    *,
    seed: int | None = None,
    epoch: int = 0,
    start: int = 0,
    drop_remainder: bool = False,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Return an iterator over one epoch of batches ``(images, labels)``.

    Shapes:
        images: (batch, size, size, 1) float32 in [0, 1]; labels: (batch, k) float32, 0 or 1, and
        NaN where ``split.known`` says that the label is not known: a loss leaves those out.

    Args:
        split: where the images come from.
        batch_size: images in a batch; the last one has what is left.
        seed: shuffles, with another order each epoch (see :func:`epoch_order`); None keeps the
            split's order.
        epoch: number of the epoch, from 0; it matters only with a seed.
        start: first batch to give, so that training can go on in the middle of an epoch.
        drop_remainder: whether to leave out a last batch that is not full.

    Raises:
        DataError: if an argument is out of range.
    """
    count = num_batches(split, batch_size, drop_remainder=drop_remainder)
    require_int("start", start, 0, count)
    order = np.arange(len(split)) if seed is None else epoch_order(len(split), seed, epoch)

    def give() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number in range(start, count):
            yield take(split, order[number * batch_size : (number + 1) * batch_size])

    return give()


def take(split: Split, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return some images of a split with their labels, as a model takes them.

    Shapes:
        rows: (batch,) row numbers.
        images: (batch, size, size, 1) float32 in [0, 1]; labels: (batch, k) float32, 0 or 1, nan
        where unknown.
    """
    images = read_rows(split.images, rows)[..., np.newaxis]
    labels = split.labels[rows].astype(np.float32)
    if split.known is not None:
        labels[~split.known[rows]] = np.nan
    return np.divide(images, np.float32(255), dtype=np.float32), labels


def num_batches(split: Split, batch_size: int, *, drop_remainder: bool = False) -> int:
    """Return the number of batches in one epoch of a split.

    Raises:
        DataError: if ``batch_size`` is less than 1.
    """
    require_int("batch_size", batch_size, 1)
    full, remainder = divmod(len(split), batch_size)
    return full if drop_remainder or not remainder else full + 1


def epoch_order(num_images: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the images in one epoch: a permutation of ``num_images`` row numbers.

    It depends on the three arguments alone, on every machine and NumPy: images are sorted by the
    random words of a Philox counter keyed by ``(seed, epoch)``. NumPy promises that the words stay
    the same, which it does not for ``Generator.permutation``.

    Raises:
        DataError: if the seed or the epoch is negative or does not fit in 64 bits.
    """
    require_int("seed", seed, 0, MAX_SEED)
    require_int("epoch", epoch, 0, MAX_SEED)
    words = np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)).random_raw(num_images)
    return np.argsort(words, kind="stable")


def read_rows(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return a copy of some images, in the order asked for, without growing this process further.

    Indexing a memory map would do, but every page it touches counts as the process's own from then
    on: after one epoch of the 224-pixel images, that is all 3.94 GB. Reading the file's rows goes
    through the system's cache instead, which the system takes back when it wants.

    Shapes:
        images: (n, size, size) uint8, memory-mapped or not; rows: (b,) integers from 0 to n − 1.
        returns: (b, size, size) uint8.

    Raises:
        DataError: if the file was cut short since it was mapped.
    """
    rows = np.arange(len(images))[rows]
    place = _place_in_file(images)
    if place is None:
        return images[rows]
    path, first, step = place
    chosen = np.empty((len(rows), *images.shape[1:]), dtype=images.dtype)
    try:
        # Unbuffered: each image is one read straight into its place. In the order of the file,
        # because disks like that.
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
            for index in np.argsort(rows, kind="stable"):
                stream.seek(first + int(rows[index]) * step)
                if stream.readinto(chosen[index]) != chosen[index].nbytes:
                    # Not the map instead: touching what was cut off would kill the process.
                    raise DataError(
                        path,
                        expected=f"{len(images):,} images, as when it was loaded",
                        found="a file that has been cut short since",
                        advice="load the split again: the file is then rebuilt",
                    )
    except OSError:
        # The file was moved or removed since it was mapped; the map still holds what it was.
        return images[rows]
    return chosen


def _place_in_file(images: np.ndarray) -> tuple[str, int, int] | None:
    """Return file, byte offset of image 0 and bytes from image to image; None if there is no file."""
    mapped = images if isinstance(images.base, mmap.mmap) else images.base
    if (
        not isinstance(mapped, np.memmap)
        or not isinstance(mapped.base, mmap.mmap)
        or mapped.filename is None
        or not len(images)
        or not images[0].flags.c_contiguous
        or not images[0].size
    ):
        return None
    # A slice of a memory map keeps the map's own offset, so the addresses tell where it begins.
    first = mapped.offset + images.ctypes.data - mapped.ctypes.data
    return str(mapped.filename), first, images.strides[0]
