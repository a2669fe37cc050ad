"""Corrupted images for masked pre-training: the damage that a model has to undo (``atito2022``)."""

import math

import numpy as np

from xraylab.arguments import MAX_SEED, require_int

_COUNTER = (0, 0, 0, 1)
"""Where the random words begin, far from those that order the images of an epoch."""

_BLOCKS_AT_A_TIME = 256


def corrupt(
    images,
    seed,
    step=0,
    *,
    noise_coverage=(0.5, 0.75),
    image_coverage=0.3,
    image_probability=0.5,
    block_size=0.3,
):
    """Return images with random blocks painted over, and the mask of what was painted.

    One image in two gets blocks of noise, until a share of it drawn between 50 and 75 % is covered;
    the others get blocks of another image of the batch, cut out at the same place, until 30 % are.
    An image that is alone in its batch always gets noise. Blocks may overlap; the last one is cut,
    so that each image is covered to the very pixel. The result depends on the arguments alone, on
    every machine and NumPy, so that training can go on in the middle as if nothing had happened.

    Sides are uniform from one pixel to the largest. A block may stick out over any edge, which
    makes every pixel as likely to be hit as any other; in the public code, blocks are cut at the
    right and lower edges only, which spares the upper left, and overshoot their share. Noise is
    uniform over the 256 grey levels (there: normal, in units of the images' own spread), which
    keeps images in [0, 1].

    Shapes:
        images: (batch, size, size, 1) floats in [0, 1]; they are left as they are.
        returns: the corrupted images, in shape and type of ``images``, and the mask
        (batch, size, size, 1) bool, true where a block lies.

    Args:
        seed: seed of the run.
        step: number of the step, from 0; another step, another damage.
        noise_coverage: least and largest share of the image under noise.
        image_coverage: share of the image under blocks of another image, rounded down to pixels.
        image_probability: how likely an image gets another image's blocks instead of noise.
        block_size: longest side of a block in units of the image's side.

    Raises:
        ValueError: if an argument is out of range or the images have another shape or type.

    Source: ``atito2022``, in the public code.
    """
    require_int("seed", seed, 0, MAX_SEED)
    require_int("step", step, 0, MAX_SEED)
    _require_shares(noise_coverage, image_coverage, image_probability, block_size)
    images = np.asarray(images)
    longest = _longest_side(images, block_size)
    num_images, size = images.shape[:2]

    bits = np.random.Philox(key=np.array([seed, step], np.uint64), counter=_COUNTER)
    coin, share, partner = bits.random_raw((3, num_images))
    from_image = (coin >> np.uint64(11)) * 2.0**-53 < image_probability
    if num_images == 1:
        from_image[:] = False
    most = math.floor(noise_coverage[1] * size**2)
    least = min(math.ceil(noise_coverage[0] * size**2), most)
    pixels = least + share % np.uint64(most - least + 1)
    pixels[from_image] = math.floor(image_coverage * size**2)

    mask = np.zeros(images.shape, bool)
    blocks = _blocks(bits, size, longest)
    for image_mask, count in zip(mask[..., 0], pixels.tolist(), strict=True):
        _cover(image_mask, count, blocks)

    filling = _noise(bits, images.shape, images.dtype)
    if from_image.any():
        away = 1 + partner % np.uint64(num_images - 1)  # places from the image to the other one
        other = (np.arange(num_images) + away.astype(np.int64)) % num_images
        filling[from_image] = images[other[from_image]]
    return np.where(mask, filling, images), mask


def _blocks(bits, size, longest):
    """Yield random blocks without end, as top, bottom, left and right, cut at the image's edges."""
    while True:
        words = bits.random_raw((4, _BLOCKS_AT_A_TIME))
        sides = 1 + (words[:2] % np.uint64(longest)).astype(np.int64)  # height and width
        # From one pixel left inside at one end to one pixel left inside at the other.
        begin = (words[2:] % (size + sides - 1).astype(np.uint64)).astype(np.int64) - sides + 1
        end = np.minimum(begin + sides, size)
        begin = np.maximum(begin, 0)
        yield from np.stack([begin[0], end[0], begin[1], end[1]], axis=1).tolist()


def _cover(mask, count, blocks):
    """Mark blocks in one image's mask (size, size) until ``count`` pixels are marked."""
    while count:
        top, bottom, left, right = next(blocks)
        window = mask[top:bottom, left:right]
        fresh = window.size - np.count_nonzero(window)
        if fresh > count:
            # Too much by this block: keep its upper rows.
            rows, columns = np.nonzero(~window)
            window[rows[:count], columns[:count]] = True
            return
        window[...] = True
        count -= fresh


def _noise(bits, shape, dtype):
    """Return grey levels from 0 to 255, each as likely as the others, divided by 255."""
    words = bits.random_raw(-(-math.prod(shape) // 8))  # eight grey levels a word
    levels = words.astype("<u8").view(np.uint8)[: math.prod(shape)].reshape(shape)
    return np.divide(levels, dtype.type(255), dtype=dtype)


def _longest_side(images, block_size):
    """Return the longest side of a block in pixels; refuse images of another shape or type."""
    shape = images.shape
    if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 1:
        raise ValueError(f"images must be of shape (batch, size, size, 1); {shape} came")
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"images must be floats in [0, 1]; {images.dtype} came. Divide 8-bit images by 255"
        )
    longest = math.floor(block_size * shape[1])
    if not longest:
        raise ValueError(
            f"block_size={block_size} of {shape[1]} px leaves no whole pixel; choose larger blocks"
        )
    return longest


def _require_shares(noise_coverage, image_coverage, image_probability, block_size):
    """Refuse shares that are none."""
    for name, value in (
        ("image_coverage", image_coverage),
        ("image_probability", image_probability),
        ("block_size", block_size),
    ):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1]; {value} came")
    low, high = noise_coverage
    if not 0 <= low <= high <= 1:
        raise ValueError(
            f"noise_coverage must be a least and a largest share in [0, 1]; {noise_coverage} came"
        )
