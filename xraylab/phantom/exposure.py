"""From water to grey: beam, scatter, noise, automatic exposure, the image's curve, the border."""

import numpy as np

from xraylab.phantom.draws import Dice, triangular_noise
from xraylab.phantom.shapes import column, smooth_field, step

WATER = 0.19
"""Attenuation of a centimetre of water, 1/cm: that at about 70 keV (``hubbell1995``, between the
tabulated 0.206 at 60 keV and 0.184 at 80 keV)."""


def expose(chest, metal, shift):
    """Return images (n, size, size) of drawn chests, from 0 to 1; bright where much was in the way.

    Args:
        metal: (n, size, size), attenuation of what is not tissue.
        shift: from -1, under-exposed, to 1, over-exposed.
    """
    n, size = chest.water.shape[:2]
    dice = Dice(chest.seed, chest.indices, "exposure", 32)
    beam = np.exp(-WATER * np.maximum(chest.water, 0.0) - metal)
    # Scatter veils what is dark in the beam: a share of the mean that reaches the detector.
    inside = np.minimum(beam, 0.25).mean(axis=(1, 2), keepdims=True)
    veil = column(dice.between(0.05, 0.7) * (1 + 0.4 * chest.patient.portable))
    uneven = 1 + 0.5 * smooth_field(chest.seed, chest.indices, "scatter", 3, size)
    noise = triangular_noise(chest.seed, chest.indices, f"noise {size}", size * size)
    # Noise of the source is finer than a pixel, so large pixels average most of it away.
    strength = column(0.003 + 0.022 * dice.between(0, 1) ** 3) * np.float32(size / 224)
    signal = -np.log(beam + veil * inside * uneven + 1e-4)
    signal = signal * (1 + strength * noise.reshape(n, size, size))
    # The machine exposes for the lungs and the mediastinum, the curve is that of an image: steep in
    # the middle, flat at both ends (``goodman2015``).
    core = (
        (chest.height > 0.1) & (chest.height < 0.9) & (chest.beside < column(chest.patient.width))
    )
    weight = core.sum(axis=(1, 2), keepdims=True, dtype=np.float32) + np.float32(1e-6)
    mean = (signal * core).sum(axis=(1, 2), keepdims=True) / weight
    spread = np.sqrt((core * (signal - mean) ** 2).sum(axis=(1, 2), keepdims=True) / weight)
    middle = mean + column(dice.bell(-0.55, 1.3) + 0.9 * shift) * spread
    contrast = column(dice.between(0.5, 1.45)) / (0.75 * spread + 0.15)
    grey = 1 / (1 + np.exp(-contrast * (signal - middle)))
    low, high = column(dice.between(0.0, 0.15)), column(dice.between(0.86, 1.0))
    grey = low + (high - low) * grey
    return _collimate(grey, dice)


def _frame(size):
    """Return the place of every pixel on the image, x as (1, size), y as (size, 1), in [0, 1]."""
    place = (np.arange(size, dtype=np.float32) + 0.5) / size
    return place[np.newaxis, :], place[:, np.newaxis]


def _collimate(grey, dice):
    """Black out what the collimator shut out, as digital systems do: a border, slightly askew."""
    x, y = _frame(grey.shape[-1])
    some = dice.chance(0.3)
    skew = column(dice.bell(0.0, 0.03))
    x, y = x + skew * (y - 0.5), y - skew * (x - 0.5)
    edges = [
        np.where(some & dice.chance(0.5), 0.09 * dice.between(0, 1) ** 2, -1) for _ in range(4)
    ]
    left, right, top, bottom = (column(edge) for edge in edges)
    nearest = np.minimum(np.minimum(x - left, 1 - right - x), np.minimum(y - top, 1 - bottom - y))
    return grey * step(nearest, 0.004)
