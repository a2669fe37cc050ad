"""Domain randomisation: random contrasts, grey levels, blur, noise and boxes, one draw per image.

A model trained on arbitrary appearances depends less on that of the simulator. The operations and
most of their probabilities follow SyntheX, where strong randomisation of simulated X-rays matched
training on real ones (``gao2023``). Anatomy, masks and boxes of the findings are those of the same
image with ``appearance="physics"``.
"""

from collections.abc import Sequence

import numpy as np

from xraylab.arguments import require_choice
from xraylab.phantom.rasterize import gaussian_blur
from xraylab.phantom.rng import RandomStream, triangular_noise, uniform
from xraylab.phantom.shapes import per_image

TISSUES = ("body", "mediastinum", "bones", "vessels")
"""Layers of the anatomy whose contrast is random; each is multiplied by 2^-1.2 to 2^1.2, but the
body, which contains the lungs, by 2^-0.4 to 2^0.4."""

INVERSION, OTHER = 0.15, 0.5
"""Probability of an inverted image, and of each other operation."""

OPERATIONS = ("contrast", "blur", "pooling", "noise", "boxes", "inversion")
"""What :func:`randomise` does to the grey levels."""

_BLUR_STEPS = (0.4, 0.8, 1.4)  # pixels at 64 px; images that share one are blurred together


def tissue_contrasts(indices: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the factor of each of :data:`TISSUES`, (n, 1, 1) float32."""
    u = 2 * uniform(seed, indices, "tissue contrasts", len(TISSUES)) - 1
    u[:, 0] /= 3
    return {name: per_image(2 ** (1.2 * u[:, k])) for k, name in enumerate(TISSUES)}


def randomise(
    grey: np.ndarray, indices: np.ndarray, seed: int, operations: Sequence[str] = OPERATIONS
) -> np.ndarray:
    """Randomise the appearance of exposed images.

    In this order, each with its probability: a nonlinear contrast (an exponent from 0.5 to 2, or a
    sigmoid), a linear one, blur, pooling, noise, up to three boxes of another brightness, and
    inversion.

    Shapes:
        grey, returns: (n, size, size) float32 in [0, 1].
        indices: (n,) indices of the images.

    Args:
        operations: those of :data:`OPERATIONS` that are applied; the random numbers of each do not
            depend on the others.

    Raises:
        ValueError: if an operation is unknown.
    """
    for name in operations:
        require_choice("operations", name, OPERATIONS)
    n, size = grey.shape[:2]
    rng = RandomStream(seed, indices, "appearance", 48)

    def applied(operation, probability=OTHER):
        return rng.bernoulli(probability) & (operation in operations)

    exponent = np.where(applied("contrast"), 2 ** rng.uniform(-1, 1), 1.0)
    grey = np.maximum(grey, 1e-4) ** per_image(exponent)
    steepness, middle = per_image(rng.uniform(3, 12)), per_image(rng.uniform(0.3, 0.7))
    sigmoid = 1 / (1 + np.exp(-steepness * (grey - middle)))
    grey = np.where(per_image(applied("contrast", 0.25)), sigmoid, grey)
    slope = per_image(np.where(applied("contrast"), rng.uniform(0.5, 1.5), 1.0))
    offset = 0.4 * rng.bates(0.0, 1.0) * ("contrast" in operations)
    grey = (grey - 0.5) * slope + 0.5 + per_image(offset)
    grey = _in_groups(grey, np.where(applied("blur"), rng.uniform(0, 3), -1), _blur)
    grey = _in_groups(grey, np.where(applied("pooling", 0.3), rng.uniform(0, 2), -1), _pool)
    amplitude = per_image(np.where(applied("noise"), 0.12 * rng.uniform(0, 1) ** 2, 0.0))
    noise = triangular_noise(seed, indices, f"appearance noise {size}", size * size)
    grey = grey + amplitude * noise.reshape(n, size, size)
    grey = _add_boxes(grey, rng, applied)
    inverted = per_image(applied("inversion", INVERSION))
    return np.clip(inverted + (1 - 2 * inverted) * grey, 0.0, 1.0).astype(np.float32)


def _in_groups(grey, strength, change):
    """Apply ``change(images, k)`` to the images whose strength is in [k, k + 1)."""
    level = np.floor(strength)
    for k in np.unique(level[level >= 0]):
        grey[level == k] = change(grey[level == k], int(k))
    return grey


def _blur(images, k):
    return gaussian_blur(images, _BLUR_STEPS[k] * images.shape[-1] / 64)


def _pool(images, k):
    """Average blocks of about 2 or 3 pixels of a 64-pixel image, and repeat them."""
    size = images.shape[-1]
    block = max(2, round((k + 2) * size / 96))
    starts = np.arange(0, size, block)
    widths = np.diff(np.append(starts, size)).astype(int)
    for axis in (1, 2):
        shape = [1, 1, 1]
        shape[axis] = -1
        sums = np.add.reduceat(images, starts, axis) / widths.reshape(shape).astype(np.float32)
        images = np.repeat(sums, widths, axis)
    return images


def _add_boxes(grey, rng, applied):
    """Draw up to three rectangles of random brightness, half opaque or opaque."""
    size = grey.shape[-1]
    position = (np.arange(size, dtype=np.float32) + 0.5) / size
    any_box = applied("boxes", 0.4)
    for _ in range(3):
        sides = [(rng.uniform(0, 1), rng.uniform(0.03, 0.15)) for _ in range(2)]
        down, across = (
            np.abs(position - center[:, np.newaxis]) < half[:, np.newaxis] for center, half in sides
        )
        opacity = per_image(rng.uniform(0.3, 1.0) * (any_box & applied("boxes")))
        box = opacity * (down[:, :, np.newaxis] & across[:, np.newaxis, :])
        grey = grey + box * (per_image(rng.uniform(0, 1)) - grey)
    return grey
