"""Shapes against geometry, and smooth fields against SciPy's B-splines."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

from xraylab.phantom.draws import uniform
from xraylab.phantom.shapes import band, dome, ellipse, smooth_field, step


@pytest.mark.parametrize("size", [28, 64])
@pytest.mark.parametrize("cells", [3, 14])
def test_smooth_fields_are_cubic_b_splines(cells, size):
    fields = smooth_field(0, [4, 7], "test", cells, size)
    lattice = uniform(0, [4, 7], "test", (cells + 3) ** 2) * 2 - 1
    knots = np.arange(-3, cells + 4)
    place = (np.arange(size) + 0.5) / size * cells
    basis = BSpline.design_matrix(place, knots, 3).toarray()  # (size, cells + 3)
    for field, values in zip(fields, lattice.reshape(2, cells + 3, cells + 3), strict=True):
        np.testing.assert_allclose(field, 1.8 * basis @ values @ basis.T, atol=1e-5)


def test_edges_by_hand():
    assert step(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), 1.0).tolist() == [0, 0, 0.5, 1, 1]
    assert band(np.array([0.0, 0.5, 1.0, 3.0]), 1.0).tolist() == [1, 0.5625, 0, 0]


def test_an_ellipse_is_one_on_its_border_however_it_is_tilted():
    angle = np.linspace(0, 2 * np.pi, 50)
    x, y = 3 * np.cos(angle), 2 * np.sin(angle)
    tilt = 0.7
    turned_x = 1 + x * np.cos(tilt) - y * np.sin(tilt)
    turned_y = -1 + x * np.sin(tilt) + y * np.cos(tilt)
    np.testing.assert_allclose(ellipse(turned_x, turned_y, 1, -1, 3, 2, tilt), 1.0)
    np.testing.assert_allclose(dome(ellipse(turned_x, turned_y, 1, -1, 3, 2, tilt)), 0, atol=1e-7)
