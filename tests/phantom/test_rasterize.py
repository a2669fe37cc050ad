"""Rasterization conserves volume, whatever the image size and the blur."""

from types import SimpleNamespace

import numpy as np
import pytest

from xraylab.phantom.rasterize import (
    gaussian_blur,
    rasterize_points,
    rasterize_tubes,
    sample_arc,
)


def make_view(size, field=30.0):
    """Return the view of one image of ``field`` cm, centered and not tilted."""
    return SimpleNamespace(
        size=size,
        pixel_size=np.full(1, field / size),
        to_pixels=lambda x, y: (
            x * size / field + size / 2 - 0.5,
            y * size / field + size / 2 - 0.5,
        ),
    )


@pytest.mark.parametrize("size", [28, 64, 224])
def test_tube_volume_does_not_depend_on_size(size):
    """Length times width times thickness, in cm³, equals the sum over the pixels."""
    start, end = (np.array([[-5.0]]), np.array([[2.0]])), (np.array([[3.0]]), np.array([[8.0]]))
    points = sample_arc(start, end, np.zeros((1, 1)), 200)
    tube = rasterize_tubes(make_view(size), points, np.array([[0.4]]), np.array([[1.5]]))
    np.testing.assert_allclose(tube.sum() * (30 / size) ** 2, 10.0 * 0.8 * 1.5, rtol=1e-5)


def test_arc_offset_equals_bend():
    zero = np.zeros((1, 1))
    x, y, _ = sample_arc((zero, zero), (zero + 10, zero), zero + 0.2, 1001)
    np.testing.assert_allclose(y.max(), 2.0, atol=1e-5)
    np.testing.assert_allclose(x[0, 0, y[0, 0].argmax()], 5.0, atol=0.02)


def test_point_is_distributed_bilinearly():
    view = make_view(4, field=4.0)
    image = rasterize_points(view, np.array([[-0.25]]), np.array([[-0.5]]), np.array([[1.0]]))[0]
    assert image[1].tolist() == [0, 0.75, 0.25, 0]
    assert image.sum() == 1


def test_points_outside_the_image_are_dropped():
    x = np.array([[100.0, -100.0, 0.0]])
    image = rasterize_points(make_view(32), x, np.zeros((1, 3)), np.ones((1, 3)))
    assert np.isclose(image.sum() * (30 / 32) ** 2, 1.0)


def test_gaussian_blur_matches_scipy():
    from scipy.ndimage import gaussian_filter

    image = np.zeros((1, 41, 41), np.float32)
    image[0, 20, 17] = 1
    blurred = gaussian_blur(image, 1.6)[0]
    np.testing.assert_allclose(blurred, gaussian_filter(image[0], 1.6, truncate=2.5), atol=2e-4)
    np.testing.assert_allclose(blurred.sum(), 1, rtol=1e-5)
