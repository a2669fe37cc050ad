"""Corruption of images for masked pre-training (``atito2022``)."""

import math
from collections.abc import Iterator

import numpy as np

from xraylab.arguments import invalid_argument

NOISE_COVERAGE = (0.5, 0.75)
"""Smallest and largest fraction of an image covered by noise."""

IMAGE_COVERAGE = 0.3
"""Fraction of an image covered by another image, rounded down to whole pixels."""

IMAGE_PROBABILITY = 0.5
"""Probability of blocks of another image instead of noise."""

BLOCK_SIZE = 0.3
"""Longest side of a block as a fraction of the image's side."""

_BLOCKS_AT_A_TIME = 256


def corrupt(images: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Replace random blocks of each image by noise or by another image.

    On average, half of the images get blocks of noise, which cover a fraction drawn between 50 and
    75 %; the others get blocks from the same position of another image of the batch, which cover
    30 %. A single image in a batch always gets noise. Blocks may overlap; the last one is cut, so
    that the coverage is exact. The result depends on the arguments alone, so that a resumed run
    corrupts images as an uninterrupted one does.

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
        ValueError: if the seed is negative or the images have another shape or type.

    References: Atito et al. 2022 (``atito2022``), public code.
    """
    images = np.asarray(images)
    shape = images.shape
    if len(shape) != 4 or shape[1] != shape[2] or shape[1] * BLOCK_SIZE < 1 or shape[3] != 1:
        raise invalid_argument("images", "shape (batch, size, size, 1) of at least 4 px", shape)
    if not np.issubdtype(images.dtype, np.floating):
        hint = "Divide 8-bit images by 255."
        raise invalid_argument("images", "floats in [0, 1]", images.dtype, hint)
    num_images, size = shape[:2]

    rng = np.random.default_rng(seed)
    from_image = (rng.random(num_images) < IMAGE_PROBABILITY) & (num_images > 1)
    coverage = np.where(from_image, IMAGE_COVERAGE, rng.uniform(*NOISE_COVERAGE, num_images))
    mask = np.zeros(shape, bool)
    blocks = _blocks(rng, size, math.floor(BLOCK_SIZE * size))
    for image_mask, fraction in zip(mask[..., 0], coverage, strict=True):
        _cover(image_mask, math.floor(fraction * size**2), blocks)

    noise = rng.integers(256, size=shape).astype(images.dtype) / images.dtype.type(255)
    away = rng.integers(1, max(num_images, 2), num_images)  # offset of the other image in the batch
    other = images[(np.arange(num_images) + away) % num_images]
    filling = np.where(from_image[:, None, None, None], other, noise)
    return np.where(mask, filling, images), mask


def _blocks(rng: np.random.Generator, size: int, longest: int) -> Iterator[list[int]]:
    """Yield random blocks endlessly, as top, left, bottom and right, cut at the image's edges."""
    while True:
        sides = rng.integers(1, longest, (_BLOCKS_AT_A_TIME, 2), endpoint=True)
        # At least one row and one column lie inside the image.
        begin = rng.integers(1 - sides, size)
        yield from np.hstack([np.maximum(begin, 0), np.minimum(begin + sides, size)]).tolist()


def _cover(mask: np.ndarray, count: int, blocks: Iterator[list[int]]) -> None:
    """Mark blocks in one image's mask (size, size) until ``count`` pixels are marked."""
    while count:
        top, left, bottom, right = next(blocks)
        window = mask[top:bottom, left:right]
        # Where the block would exceed the coverage, only its upper rows are marked.
        rows, columns = (index[:count] for index in np.nonzero(~window))
        window[rows, columns] = True
        count -= len(rows)
