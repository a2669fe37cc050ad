"""Profiles and random textures from which an image is composed."""

import numpy as np
from numpy.typing import ArrayLike

from xraylab.phantom.rng import uniform


def smoothstep(distance, half_width):
    """Return a cubic step: 0 below ``-half_width``, 1 above ``half_width``."""
    t = np.clip(distance / (2 * half_width) + 0.5, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def squared_radius(x, y, center_x, center_y, radius_x, radius_y, tilt=None):
    """Return the squared radius in units of an ellipse: below 1 inside it, 1 on its border.

    Shapes:
        x, y: (n, size, size). Centers and radii: (n, 1, 1) or a number.
        tilt: (n, 1, 1) in radians, or None.
    """
    dx, dy = x - center_x, y - center_y
    if tilt is not None:
        cosine, sine = np.cos(tilt), np.sin(tilt)
        dx, dy = dx * cosine + dy * sine, dy * cosine - dx * sine
    return (dx / radius_x) ** 2 + (dy / radius_y) ** 2


def half_chord(radius_squared):
    """Return half the chord of a unit circle at a squared radius: 1 at the center, 0 outside."""
    return np.sqrt(np.maximum(1 - radius_squared, 0.0))


def biweight(distance, half_width):
    """Return the profile (1 - d²)² of a soft-edged band: 1 on its axis, 0 at ``half_width``."""
    t = np.clip(1 - (distance / half_width) ** 2, 0.0, 1.0)
    return t * t


def gaussian_bump(distance, width):
    """Return a Gaussian of height 1 whose standard deviation is half of ``width``."""
    return np.exp(-2 * (distance / width) ** 2)


def per_image(values: ArrayLike) -> np.ndarray:
    """Return one number per image, (n,), as (n, 1, 1) float32 for broadcasting over pixels."""
    return np.asarray(values, dtype=np.float32)[:, np.newaxis, np.newaxis]


def smooth_noise(seed: int, indices: ArrayLike, stream: str, cells: int, size: int) -> np.ndarray:
    """Return smooth random fields, about -1 to 1, the same function at every resolution.

    A cubic B-spline interpolates a (cells + 3)² lattice of uniform numbers. The spline is separable
    with four terms along each axis; sums of slices are faster here than two small matrix products,
    which would occupy all threads of the linear algebra library.

    Shapes:
        returns: (n, size, size) float32.
    """
    lattice = uniform(seed, indices, stream, (cells + 3) ** 2).astype(np.float32) * 2 - 1
    lattice = lattice.reshape(-1, cells + 3, cells + 3)
    position = (np.arange(size) + 0.5) / size * cells
    cell = np.minimum(position.astype(int), cells - 1)
    t = position - cell
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    weights = (np.array(weights) / 6).astype(np.float32)
    none = np.zeros(1, np.float32)
    rows = sum((lattice[:, cell + k] * weights[k][:, np.newaxis] for k in range(4)), none)
    return 1.8 * sum((rows[:, :, cell + k] * weights[k] for k in range(4)), none)
