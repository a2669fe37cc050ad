"""From attenuation to grey: scatter, exposure, noise, the film's curve, and what lies around."""

import numpy as np

from xraylab.phantom.draws import triangular_noise, uniform
from xraylab.phantom.shapes import column, smooth_field, step


def expose(chest):
    """Return films (n, size, size) uint8 of drawn chests; bright where the beam was weakened."""
    n, size = chest.attenuation.shape[:2]
    u = uniform(chest.seed, chest.indices, "exposure", 10).T
    uneven = 0.04 * smooth_field(chest.seed, chest.indices, "scatter", 3, size)
    noise = triangular_noise(chest.seed, chest.indices, f"noise {size}", size * size)
    # Noise of the source is finer than a pixel, so large pixels average most of it away.
    strength = column(0.015 + 0.045 * u[0] ** 2) * np.float32((size / 224) ** 0.7)
    signal = chest.attenuation + uneven + strength * noise.reshape(n, size, size)
    middle, contrast = column(0.54 + 0.18 * u[1]), column(3.4 + 2.2 * u[2])
    # The characteristic curve of a film: steep in the middle, flat at both ends (``goodman2015``).
    grey = 1 / (1 + np.exp(-contrast * (signal - middle)))
    low, high = column(0.02 + 0.10 * u[3]), column(0.84 + 0.14 * u[4])
    grey = low + (high - low) * grey
    grey = _collimate(grey, u)
    grey = _mark(grey, u)
    return np.clip(np.rint(255 * grey), 0, 255).astype(np.uint8)


def _frame(size):
    """Return the place of every pixel on the film, x as (1, size), y as (size, 1), in [0, 1]."""
    place = (np.arange(size, dtype=np.float32) + 0.5) / size
    return place[np.newaxis, :], place[:, np.newaxis]


def _collimate(grey, u):
    """Darken the border that the collimator shut out, on some films."""
    x, y = _frame(grey.shape[-1])
    border = column(np.where(u[5] < 0.2, 0.01 + 0.04 * u[6], -1.0))
    from_edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    return grey * step(from_edge - border, 0.004)


def _mark(grey, u):
    """Put a bright L into the upper corner on the patient's left, on most films."""
    x, y = _frame(grey.shape[-1])
    across, down = x - column(0.91 + 0.04 * u[8]), y - column(0.05 + 0.05 * u[6])
    stem = step(0.006 - np.abs(across + 0.012), 0.003) * step(0.024 - np.abs(down), 0.003)
    foot = step(0.018 - np.abs(across), 0.003) * step(0.006 - np.abs(down - 0.019), 0.003)
    inside = np.maximum(stem, foot)
    bright = inside * column(np.where(u[9] < 0.8, 0.9, 0.0))
    return grey + (0.97 - grey) * bright
