"""Corruption of images for masked pre-training (``atito2022``)."""

import math
from collections.abc import Iterator

import numpy as np

from xraylab.arguments import MAX_SEED, invalid_argument, require_int

NOISE_COVERAGE = (0.5, 0.75)
"""Smallest and largest fraction of an image covered by noise."""

IMAGE_COVERAGE = 0.3
"""Fraction of an image covered by another image, rounded down to whole pixels."""

IMAGE_PROBABILITY = 0.5
"""Probability of blocks of another image instead of noise."""

BLOCK_SIZE = 0.3
"""Longest side of a block as a fraction of the image's side."""

_COUNTER = (0, 0, 0, 1)
"""Start of the random stream, far from the one that shuffles the images of an epoch."""

_BLOCKS_AT_A_TIME = 256


def corrupt(images: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Replace random blocks of each image by noise or by another image.

    On average, half of the images get blocks of noise, which cover a fraction drawn between 50 and
    75 %; the others get blocks from the same position of another image of the batch, which cover
    30 %. A single image in a batch always gets noise. Blocks may overlap; the last one is cut, so
    that the coverage is exact. The result depends on the arguments alone, on every machine and
    with every NumPy, so that a resumed run corrupts images as an uninterrupted one does.

    Sides are uniform from one pixel to the largest. A block may extend beyond any edge, so that
    every pixel is equally likely to be covered; in the public code, blocks are cut at the right
    and lower edges only, which covers the upper left less often, and coverage is exceeded. Noise
    is uniform over the 256 grey levels (there: normal, scaled by the standard deviation of the
    images), which keeps images in [0, 1].

    Shapes:
        images: (batch, size, size, 1), float, in [0, 1], of at least 4 px; not modified.
        returns: corrupted images, same shape and dtype; mask (batch, size, size, 1), bool, true in
            blocks.

    Args:
        seed: seed of this batch, see ``xraylab.training.augmentation.step_seed``.

    Raises:
        ValueError: if the seed is out of range or the images have another shape or type.

    References: Atito et al. 2022 (``atito2022``), public code.
    """
    require_int("seed", seed, 0, MAX_SEED)
    images = np.asarray(images)
    shape = images.shape
    if len(shape) != 4 or shape[1] != shape[2] or shape[1] * BLOCK_SIZE < 1 or shape[3] != 1:
        raise invalid_argument("images", "shape (batch, size, size, 1) of at least 4 px", shape)
    if not np.issubdtype(images.dtype, np.floating):
        hint = "Divide 8-bit images by 255."
        raise invalid_argument("images", "floats in [0, 1]", images.dtype, hint)
    num_images, size = shape[:2]

    bits = np.random.Philox(key=np.array([seed, 0], np.uint64), counter=_COUNTER)
    coin, coverage, partner = bits.random_raw((3, num_images))
    from_image = (coin >> np.uint64(11)) * 2.0**-53 < IMAGE_PROBABILITY
    if num_images == 1:
        from_image[:] = False
    least, most = (math.ceil(NOISE_COVERAGE[0] * size**2), math.floor(NOISE_COVERAGE[1] * size**2))
    pixels = least + coverage % np.uint64(most - least + 1)
    pixels[from_image] = math.floor(IMAGE_COVERAGE * size**2)

    mask = np.zeros(shape, bool)
    blocks = _blocks(bits, size, math.floor(BLOCK_SIZE * size))
    for image_mask, count in zip(mask[..., 0], pixels.tolist(), strict=True):
        _cover(image_mask, count, blocks)

    # Grey levels from 0 to 255 with equal probability, eight per random word.
    words = bits.random_raw(-(-mask.size // 8))
    levels = words.astype("<u8").view(np.uint8)[: mask.size].reshape(shape)
    filling = np.divide(levels, images.dtype.type(255), dtype=images.dtype)
    if from_image.any():
        away = 1 + partner % np.uint64(num_images - 1)  # offset of the other image in the batch
        other = (np.arange(num_images) + away.astype(np.int64)) % num_images
        filling[from_image] = images[other[from_image]]
    return np.where(mask, filling, images), mask


def _blocks(bits: np.random.Philox, size: int, longest: int) -> Iterator[list[int]]:
    """Yield random blocks endlessly, as top, bottom, left and right, cut at the image's edges."""
    while True:
        words = bits.random_raw((4, _BLOCKS_AT_A_TIME))
        sides = 1 + (words[:2] % np.uint64(longest)).astype(np.int64)  # height and width
        # At least one row and one column lie inside the image.
        begin = (words[2:] % (size + sides - 1).astype(np.uint64)).astype(np.int64) - sides + 1
        end = np.minimum(begin + sides, size)
        begin = np.maximum(begin, 0)
        yield from np.stack([begin[0], end[0], begin[1], end[1]], axis=1).tolist()


def _cover(mask: np.ndarray, count: int, blocks: Iterator[list[int]]) -> None:
    """Mark blocks in one image's mask (size, size) until ``count`` pixels are marked."""
    while count:
        top, bottom, left, right = next(blocks)
        window = mask[top:bottom, left:right]
        fresh = window.size - np.count_nonzero(window)
        if fresh > count:
            # The block would exceed the coverage: keep its upper rows.
            rows, columns = np.nonzero(~window)
            window[rows[:count], columns[:count]] = True
            return
        window[...] = True
        count -= int(fresh)
