"""The few shapes a phantom is drawn with: soft edges, ellipses, bands and smooth random fields."""

import numpy as np

from xraylab.phantom.draws import uniform


def step(distance, width):
    """Return a smooth step from 0 to 1: 0 below -width, 1 above +width, a cubic between."""
    t = np.clip(distance / (2 * width) + 0.5, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def ellipse(x, y, centre_x, centre_y, radius_x, radius_y, tilt=0.0):
    """Return the squared radius in units of the ellipse: below 1 inside, 1 on its border.

    Shapes:
        x, y: (n, size, size); everything else (n, 1, 1) or a number. ``tilt`` in radians.
    """
    dx, dy = x - centre_x, y - centre_y
    if np.isscalar(tilt) and tilt == 0:
        return (dx / radius_x) ** 2 + (dy / radius_y) ** 2
    cosine, sine = np.cos(tilt), np.sin(tilt)
    if np.isscalar(tilt):  # a NumPy number of 64 bits would make all pictures of 64 bits
        cosine, sine = float(cosine), float(sine)
    along = (dx * cosine + dy * sine) / radius_x
    across = (dy * cosine - dx * sine) / radius_y
    return along * along + across * across


def dome(squared_radius):
    """Return how thick an ellipsoid is along the ray: 1 in its middle, 0 at its border."""
    return np.sqrt(np.maximum(1 - squared_radius, 0.0))


def band(distance, width):
    """Return the cross-section of a soft cylinder: 1 on its axis, 0 at ``width`` from it."""
    t = np.clip(1 - (distance / width) ** 2, 0.0, 1.0)
    return t * t


def bump(distance, width):
    """Return a smooth hill: 1 in its middle, a Gaussian whose standard deviation is ``width``/2."""
    return np.exp(-2 * (distance / width) ** 2)


def column(values):
    """Return per-image numbers (n,) as (n, 1, 1) float32, to stand beside pictures."""
    return np.asarray(values, dtype=np.float32)[:, np.newaxis, np.newaxis]


def smooth_field(seed, indices, purpose, cells, size):
    """Return smooth random fields between about -1 and 1, the same picture at every size.

    Random values on a (cells + 3)² lattice, between which a cubic B-spline runs. It is separable
    and each pixel has four neighbours a side, so a field is four sums along each axis. (As two
    matrix products it would keep all threads of the linear algebra library busy with little.)

    Shapes:
        returns: (n, size, size) float32.
    """
    lattice = uniform(seed, indices, purpose, (cells + 3) ** 2).astype(np.float32) * 2 - 1
    lattice = lattice.reshape(-1, cells + 3, cells + 3)
    cell, weights = _spline(cells, size)
    rows = sum(lattice[:, cell + k] * weights[k][:, np.newaxis] for k in range(4))
    return 1.8 * sum(rows[:, :, cell + k] * weights[k] for k in range(4))


def _spline(cells, size):
    """Return each pixel's cell (size,) and the four cubic B-spline weights (4, size) in it."""
    place = (np.arange(size) + 0.5) / size * cells
    cell = np.minimum(place.astype(int), cells - 1)
    t = place - cell
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return cell, (np.array(weights) / 6).astype(np.float32)
