"""Deletion and insertion where the model is known, and the test with random weights."""

import numpy as np
import pytest

from xraylab import explain
from xraylab.models import sigmoid


class Corner:
    """A model that looks at the upper left quarter alone: logit = 8 (mean there - 1/2)."""

    name, num_labels = "corner", 1

    blocks = ()

    def check_images(self, images):
        pass

    def predict_on_batch(self, images):
        side = images.shape[1] // 2
        return 8 * (images[:, :side, :side].mean(axis=(1, 2, 3)) - 0.5)[:, None]


@pytest.fixture
def images():
    images = np.zeros((2, 16, 16, 1), np.float32)
    images[:, :8, :8] = 1
    return images


def test_what_the_model_uses_goes_first(images):
    maps = images[..., 0]
    curve = explain.deletion(Corner(), images, maps, 0, steps=16)
    # The quarter is 64 of 256 pixels, so it is gone after four of sixteen steps; mean grey is 1/4.
    seen = np.array([1 - 0.75 * min(1, step / 4) for step in range(17)])
    np.testing.assert_allclose(curve[0], sigmoid(8 * (seen - 0.5)), rtol=1e-5)
    late = explain.deletion(Corner(), images, 1 - maps, 0, steps=16)
    np.testing.assert_allclose(late[0, :13], sigmoid(np.float64(4)), rtol=1e-5)
    assert explain.area(curve)[0] < explain.area(late)[0]


def test_a_map_that_is_the_same_everywhere_favours_no_place():
    """Lots decide, and so the upper half of the image goes no sooner than the lower one."""
    areas = []
    for turn in (1, -1):
        pictures = np.zeros((1, 16, 16, 1), np.float32)
        pictures[:, :8, :8] = 1
        looked = Corner()
        if turn < 0:  # the same model, looking at the lower right quarter of a turned image
            look = looked.predict_on_batch
            looked.predict_on_batch = lambda images, look=look: look(images[:, ::-1, ::-1])
        curve = explain.deletion(looked, pictures[:, ::turn, ::turn], np.ones((1, 4, 4)), 0)
        areas.append(explain.area(curve)[0])
    assert areas[0] == pytest.approx(areas[1], abs=0.05)


def test_insertion_ends_with_the_image(images):
    curve = explain.insertion(Corner(), images, images[..., 0], 0)
    assert curve[:, -1] == pytest.approx(sigmoid(np.float64(4)), rel=1e-5)
    assert (np.diff(curve[:, :5]) > 0).all()
    late = explain.insertion(Corner(), images, 1 - images[..., 0], 0)
    assert (explain.area(curve) > explain.area(late)).all()


def test_each_image_may_have_its_own_label(toy, images):
    model, maps = toy("dbct_toy"), np.random.default_rng(0).random((3, 32, 32))  # without ties
    found = explain.deletion(model, images, maps, [2, 0, 1], steps=3)
    for image, label in enumerate((2, 0, 1)):
        alone = explain.deletion(model, images[[image]], maps[[image]], label, steps=3)
        np.testing.assert_allclose(found[image], alone[0], atol=1e-5)


def test_area_of_a_straight_line():
    assert explain.area(np.array([[0.0, 0.5, 1.0], [1.0, 1.0, 1.0]])).tolist() == [0.5, 1.0]


def test_weights_are_random_within_and_come_back(toy, images):
    model = toy("rr_vit_toy")
    own = model.get_weights()
    before = np.asarray(model(images))
    with explain.random_weights(model):
        for mine, value in zip(own, model.get_weights(), strict=True):
            np.testing.assert_array_equal(np.sort(mine.ravel()), np.sort(value.ravel()))
        assert not np.allclose(np.asarray(model(images)), before, atol=1e-3)
    np.testing.assert_array_equal(np.asarray(model(images)), before)


def test_rank_correlation_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (2, 3, 4, 4))
    second[2] = 1
    found = explain.rank_correlation(first, second)
    for image in range(2):
        expected = stats.spearmanr(first[image].ravel(), second[image].ravel()).statistic
        assert found[image] == pytest.approx(expected)
    assert np.isnan(found[2])


@pytest.mark.parametrize(
    ("maps", "options", "message"),
    [
        (np.zeros((1, 4, 4)), {}, "expected 2, one an image; got 1 and 1"),
        (np.zeros((2, 4, 4)), {"steps": 0}, "at least 1, got 0"),
        (np.zeros((2, 4, 4)), {"label": 1}, "from 0 to 0, got 1"),
        (np.zeros((2, 4, 4)), {"label": None}, "None came"),
        (np.full((2, 4, 4), np.nan), {}, "finite numbers"),
    ],
)
def test_bad_input(images, maps, options, message):
    with pytest.raises(ValueError, match=message):
        explain.deletion(Corner(), images, maps, **{"label": 0, **options})
