"""Profiles of which an image is composed."""

import numpy as np
from numpy.typing import ArrayLike


def smoothstep(distance: np.ndarray, half_width: float | np.ndarray) -> np.ndarray:
    """Return a cubic step: 0 below ``-half_width``, 1 above ``half_width``."""
    t = distance * (0.5 / half_width)
    t += 0.5  # in place: this is the most frequent operation of the simulator
    np.clip(t, 0.0, 1.0, out=t)
    result = t * t
    t *= -2
    t += 3
    result *= t
    return result


def squared_radius(x, y, center_x, center_y, radius_x, radius_y, tilt=None) -> np.ndarray:
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


def half_chord(radius_squared: np.ndarray) -> np.ndarray:
    """Return half the chord of a unit circle at a squared radius: 1 at the center, 0 outside."""
    return np.sqrt(np.maximum(1 - radius_squared, 0.0))


def biweight(distance: np.ndarray, half_width: float | np.ndarray) -> np.ndarray:
    """Return the profile (1 - d²)² of a soft-edged band: 1 on its axis, 0 at ``half_width``."""
    t = np.clip(1 - (distance / half_width) ** 2, 0.0, 1.0)
    return t * t


def per_image(values: ArrayLike) -> np.ndarray:
    """Return one number per image, (n,), as (n, 1, 1) float32 for broadcasting over pixels."""
    return np.asarray(values, dtype=np.float32)[:, np.newaxis, np.newaxis]
