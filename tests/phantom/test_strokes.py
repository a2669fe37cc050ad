"""Strokes keep what they are made of: their volume, whatever the image's size and the blur."""

from types import SimpleNamespace

import numpy as np
import pytest

from xraylab.phantom.strokes import blur, bow, splat, tube


def view(size, field=30.0, images=1):
    """An image of ``field`` cm without turn or shift."""
    return SimpleNamespace(
        size=size,
        pitch=np.full(images, field / size),
        to_pixels=lambda x, y: (
            x * size / field + size / 2 - 0.5,
            y * size / field + size / 2 - 0.5,
        ),
    )


@pytest.mark.parametrize("size", [28, 64, 224])
def test_a_tube_holds_its_volume_at_every_size(size):
    """Length times width times thickness, in cm³, against the sum over the pixels."""
    start, end = (np.array([[-5.0]]), np.array([[2.0]])), (np.array([[3.0]]), np.array([[8.0]]))
    points = bow(start, end, np.zeros((1, 1)), 200)
    drawn = tube(view(size), points, np.array([[0.4]]), np.array([[1.5]]))
    np.testing.assert_allclose(drawn.sum() * (30 / size) ** 2, 10.0 * 0.8 * 1.5, rtol=1e-5)


def test_an_arc_bows_by_its_bend():
    x, y, _ = bow((np.zeros((1, 1)), np.zeros((1, 1))), (np.full((1, 1), 10.0), np.zeros((1, 1))),
                  np.full((1, 1), 0.2), 1001)  # fmt: skip
    np.testing.assert_allclose(y.max(), 2.0, atol=1e-5)
    np.testing.assert_allclose(x[0, 0, y[0, 0].argmax()], 5.0, atol=0.02)


def test_a_point_is_shared_among_its_four_pixels_by_hand():
    seen = view(4, field=4.0)
    drawn = splat(seen, np.array([[-0.25]]), np.array([[-0.5]]), np.array([[1.0]]))[0]
    assert drawn[1].tolist() == [0, 0.75, 0.25, 0]
    assert drawn.sum() == 1


def test_points_beyond_the_image_are_left_out():
    far = np.array([[100.0, -100.0, 0.0]])
    drawn = splat(view(32), far, np.zeros((1, 3)), np.ones((1, 3)))
    assert np.isclose(drawn.sum() * (30 / 32) ** 2, 1.0)


def test_blur_is_that_of_scipy():
    from scipy.ndimage import gaussian_filter

    picture = np.zeros((1, 41, 41), np.float32)
    picture[0, 20, 17] = 1
    ours = blur(picture, 1.6)[0]
    np.testing.assert_allclose(ours, gaussian_filter(picture[0], 1.6, truncate=2.5), atol=2e-4)
    np.testing.assert_allclose(ours.sum(), 1, rtol=1e-5)
