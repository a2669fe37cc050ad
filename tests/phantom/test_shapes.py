"""Profiles against geometry, and smooth noise against SciPy's B-splines."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

from xraylab.phantom.rng import smooth_noise, uniform
from xraylab.phantom.shapes import biweight, half_chord, smoothstep, squared_radius


@pytest.mark.parametrize("size", [28, 64])
@pytest.mark.parametrize("cells", [3, 14])
def test_smooth_noise_is_a_cubic_b_spline(cells, size):
    fields = smooth_noise(0, [4, 7], "test", cells, size)
    lattice = uniform(0, [4, 7], "test", (cells + 3) ** 2) * 2 - 1
    knots = np.arange(-3, cells + 4)
    position = (np.arange(size) + 0.5) / size * cells
    basis = BSpline.design_matrix(position, knots, 3).toarray()  # (size, cells + 3)
    for field, values in zip(fields, lattice.reshape(2, cells + 3, cells + 3), strict=True):
        np.testing.assert_allclose(field, 1.8 * basis @ values @ basis.T, atol=1e-5)


def test_profiles_at_known_distances():
    distance = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert smoothstep(distance, 1.0).tolist() == [0, 0, 0.5, 1, 1]
    assert biweight(np.array([0.0, 0.5, 1.0, 3.0]), 1.0).tolist() == [1, 0.5625, 0, 0]


def test_squared_radius_is_one_on_a_tilted_ellipse():
    angle = np.linspace(0, 2 * np.pi, 50)
    x, y = 3 * np.cos(angle), 2 * np.sin(angle)
    tilt = 0.7
    tilted_x = 1 + x * np.cos(tilt) - y * np.sin(tilt)
    tilted_y = -1 + x * np.sin(tilt) + y * np.cos(tilt)
    radius = squared_radius(tilted_x, tilted_y, 1, -1, 3, 2, tilt)
    np.testing.assert_allclose(radius, 1.0)
    np.testing.assert_allclose(half_chord(radius), 0, atol=1e-7)
