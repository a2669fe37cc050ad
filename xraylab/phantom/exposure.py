"""From water to grey levels: beam, scatter, noise, automatic exposure, curve, collimation."""

import numpy as np

from xraylab.phantom.anatomy import Chest
from xraylab.phantom.rng import RandomStream, triangular_noise, uniform
from xraylab.phantom.shapes import per_image, smoothstep

WATER_ATTENUATION = 0.19
"""Linear attenuation coefficient of water in 1/cm at about 70 keV (``hubbell1995``, between the
tabulated 0.206 at 60 keV and 0.184 at 80 keV)."""


def expose(chest: Chest, attenuation: np.ndarray, shift: float) -> np.ndarray:
    """Simulate the exposure of images; bright pixels are strongly attenuated.

    Shapes:
        attenuation: (n, size, size), of devices and markers.
        returns: (n, size, size) float32 in [0, 1].

    Args:
        chest: a :class:`~xraylab.phantom.anatomy.Chest` with all its layers.
        attenuation: line integral of the attenuation coefficient of what is not tissue.
        shift: from -1, underexposed, to 1, overexposed.
    """
    n, size = chest.water.shape[:2]
    rng = RandomStream(chest.seed, chest.indices, "exposure", 32)
    beam = np.exp(-WATER_ATTENUATION * np.maximum(chest.water, 0.0) - attenuation)
    # Scatter adds a fraction of the mean intensity that reaches the detector.
    mean_beam = np.minimum(beam, 0.25).mean(axis=(1, 2), keepdims=True)
    scatter = per_image(rng.uniform(0.05, 0.7) * (1 + 0.4 * chest.patient.portable))
    uneven = 1 + 0.5 * chest.noise("scatter", 3)
    noise = triangular_noise(chest.seed, chest.indices, f"noise {size}", size * size)
    # Detector noise is finer than a pixel, so large pixels average most of it away.
    noise_level = per_image(0.003 + 0.022 * rng.uniform(0, 1) ** 3) * np.float32(size / 224)
    signal = -np.log(beam + scatter * mean_beam * uneven + 1e-4)
    signal = signal * (1 + noise_level * noise.reshape(n, size, size))
    # Digital systems compress the dynamic range: they subtract part of the low frequencies.
    compression = per_image(rng.uniform(0.0, 0.1))
    signal = signal - compression * low_pass(signal)
    # Automatic exposure control measures lungs and mediastinum. The characteristic curve is
    # steep in the middle and flat at both ends (``goodman2015``).
    half_width = per_image(chest.patient.half_width)
    inside = (chest.height > 0.1) & (chest.height < 0.9) & (chest.abs_x < half_width)
    count = inside.sum(axis=(1, 2), keepdims=True, dtype=np.float32) + np.float32(1e-6)
    mean = (signal * inside).sum(axis=(1, 2), keepdims=True) / count
    spread = np.sqrt((inside * (signal - mean) ** 2).sum(axis=(1, 2), keepdims=True) / count)
    # As on about 1 % of NIH's images, the control fails, or grey levels are inverted.
    failure, level, inversion = uniform(chest.seed, chest.indices, "processing", 3).T
    wrong = np.where(failure < 0.01, 4 * (level - 0.5), 0.0)
    middle = mean + per_image(rng.bates(-0.55, 1.3) + 0.9 * shift + wrong) * spread
    # Bedside images have less contrast, as there is no grid against scatter.
    contrast = per_image(rng.uniform(0.6, 1.6) * (1 - 0.2 * chest.patient.portable))
    contrast = contrast / (0.75 * spread + 0.15)
    grey = 1 / (1 + np.exp(-contrast * (signal - middle)))
    low, high = per_image(rng.uniform(0.0, 0.08)), per_image(rng.uniform(0.9, 1.0))
    grey = low + (high - low) * grey
    grey = _collimate(grey, rng)
    inverted = per_image(inversion < 0.005)
    return inverted + (1 - 2 * inverted) * grey


def low_pass(images: np.ndarray, cells: int = 12) -> np.ndarray:
    """Smooth images (n, size, size) by Gaussians a twelfth of the image wide."""
    size = images.shape[-1]
    position = (np.arange(size) + 0.5) / size * cells
    weights = np.exp(-0.5 * (position - np.arange(-0.5, cells + 1)[:, np.newaxis]) ** 2)
    down = weights / weights.sum(axis=1, keepdims=True)
    up = weights / weights.sum(axis=0)
    down, up = down.astype(np.float32), up.T.astype(np.float32)
    return up @ (down @ images @ down.T) @ up.T


def _collimate(grey, rng):
    """Black out the border outside the collimator, slightly rotated, as digital systems do."""
    position = (np.arange(grey.shape[-1], dtype=np.float32) + 0.5) / grey.shape[-1]
    x, y = position[np.newaxis, :], position[:, np.newaxis]
    collimated = rng.bernoulli(0.2)
    skew = per_image(rng.bates(0.0, 0.03))
    x, y = x + skew * (y - 0.5), y - skew * (x - 0.5)
    left, right, top, bottom = (
        per_image(np.where(collimated & rng.bernoulli(0.5), 0.09 * rng.uniform(0, 1) ** 2, -1))
        for _ in range(4)
    )
    inner = np.minimum(np.minimum(x - left, 1 - right - x), np.minimum(y - top, 1 - bottom - y))
    return grey * smoothstep(inner, 0.004)
