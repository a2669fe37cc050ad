"""Deletion and insertion for a known model, and randomized parameters."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from xraylab import explain


class Corner:
    """A model of the upper left quarter alone: logit = 8 (mean of the quarter - 1/2)."""

    name, num_labels = "corner", 1

    blocks = ()

    def check_images(self, images):
        pass

    def predict_on_batch(self, images):
        side = images.shape[1] // 2
        return 8 * (images[:, :side, :side].mean(axis=(1, 2, 3)) - 0.5)[:, None]


@pytest.fixture
def corner_images():
    images = np.zeros((2, 16, 16, 1), np.float32)
    images[:, :8, :8] = 1
    return images


def test_deletion_of_the_pixels_that_the_model_uses(corner_images):
    maps = corner_images[..., 0]
    curve = explain.deletion(Corner(), corner_images, maps, 0, steps=16)
    # The quarter is 64 of 256 pixels, deleted after four of sixteen steps; the mean is 1/4.
    mean = np.array([1 - 0.75 * min(1, step / 4) for step in range(17)])
    np.testing.assert_allclose(curve[0], expit(8 * (mean - 0.5)), rtol=1e-5)
    late = explain.deletion(Corner(), corner_images, 1 - maps, 0, steps=16)
    np.testing.assert_allclose(late[0, :13], expit(np.float64(4)), rtol=1e-5)
    assert explain.area_under_curve(curve)[0] < explain.area_under_curve(late)[0]


def test_ties_are_broken_at_random():
    """For a constant map, the upper half of the image is deleted no earlier than the lower one."""
    areas = []
    for turn in (1, -1):
        pictures = np.zeros((1, 16, 16, 1), np.float32)
        pictures[:, :8, :8] = 1
        model = Corner()
        if turn < 0:  # the same model of the lower right quarter, for a rotated image
            predict = model.predict_on_batch
            model.predict_on_batch = lambda x, predict=predict: predict(x[:, ::-1, ::-1])
        curve = explain.deletion(model, pictures[:, ::turn, ::turn], np.ones((1, 4, 4)), 0)
        areas.append(explain.area_under_curve(curve)[0])
    assert areas[0] == pytest.approx(areas[1], abs=0.05)


def test_insertion_ends_with_the_image(corner_images):
    curve = explain.insertion(Corner(), corner_images, corner_images[..., 0], 0)
    assert curve[:, -1] == pytest.approx(expit(np.float64(4)), rel=1e-5)
    assert (np.diff(curve[:, :5]) > 0).all()
    late = explain.insertion(Corner(), corner_images, 1 - corner_images[..., 0], 0)
    assert (explain.area_under_curve(curve) > explain.area_under_curve(late)).all()


def test_each_image_may_have_its_own_label(toy, images):
    model, maps = toy("dbct_toy"), np.random.default_rng(0).random((3, 32, 32))  # without ties
    found = explain.deletion(model, images, maps, [2, 0, 1], steps=3)
    for image, label in enumerate((2, 0, 1)):
        alone = explain.deletion(model, images[[image]], maps[[image]], label, steps=3)
        np.testing.assert_allclose(found[image], alone[0], atol=1e-5)


def test_area_of_a_straight_line():
    assert explain.area_under_curve(np.array([[0.0, 0.5, 1.0], [1.0, 1.0, 1.0]])).tolist() == [
        0.5,
        1.0,
    ]


def test_parameters_are_shuffled_and_restored(toy, images):
    model = toy("rr_vit_toy")
    weights = model.get_weights()
    before = np.asarray(model(images))
    with explain.randomized_parameters(model):
        for original, value in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(np.sort(original.ravel()), np.sort(value.ravel()))
        assert not np.allclose(np.asarray(model(images)), before, atol=1e-3)
    np.testing.assert_array_equal(np.asarray(model(images)), before)


def test_spearman_of_each_pair_of_maps():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (2, 3, 4, 4))
    second[2] = 1
    found = explain.spearman(first, second)
    for image in range(2):
        ranks = [stats.rankdata(maps[image].ravel()) for maps in (first, second)]
        expected = np.corrcoef(*ranks)[0, 1]
        assert found[image] == pytest.approx(expected)
    assert np.isnan(found[2])


@pytest.mark.parametrize(
    ("maps", "options", "message"),
    [
        (np.zeros((1, 4, 4)), {}, "2, one for each image. Received: 1 maps and 1 labels"),
        (np.zeros((2, 4, 4)), {"steps": 0}, "at least 1. Received: 0"),
        (np.zeros((2, 4, 4)), {"label": 1}, "from 0 to 0. Received: 1"),
        (np.zeros((2, 4, 4)), {"label": None}, "Received: None"),
        (np.full((2, 4, 4), np.nan), {}, "finite numbers"),
    ],
)
def test_bad_input(corner_images, maps, options, message):
    with pytest.raises(ValueError, match=message):
        explain.deletion(Corner(), corner_images, maps, **{"label": 0, **options})
