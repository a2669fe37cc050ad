"""keras-cv's layers against the plain path, in distribution, at fixed seeds."""

import sys

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from xraylab.training.augmentation import make, with_keras_cv

needs_keras_cv = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="keras-cv needs TensorFlow"
)
SIZE = 32


@pytest.fixture(scope="module", autouse=True)
def keras_cv():
    return pytest.importorskip("keras_cv", reason="keras-cv is not installed")


def both(presets, images, labels, seed=0, **changes):
    """Return images and labels of the plain path and of keras-cv."""
    for implementation in ("plain", "keras_cv"):
        made = make(presets, implementation=implementation, **changes)
        new_images, new_labels = made(images, labels, seed)
        yield ops.convert_to_numpy(new_images), new_labels


def no_labels(images):
    return np.zeros((len(images), 1), np.float32)


def agree(plain, keras_cv):
    """Two-sample Kolmogorov-Smirnov test."""
    return stats.ks_2samp(plain, keras_cv).pvalue > 0.01


def recovered(images):
    """Mirror, angle in degrees, window and shift along the ramp, from warped ramps.

    Interpolation is exact on a ramp, so the slopes of the warped one are a row of the matrix.
    """
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    middle = (slice(10, 22),) * 2
    design = np.stack([columns[middle], rows[middle], np.ones((12, 12))], axis=-1).reshape(-1, 3)
    values = (images[:, *middle, 0].reshape(len(images), -1) - 0.5) * 2 * SIZE
    (xx, xy, x), _, _, _ = np.linalg.lstsq(design, values.T, rcond=None)
    assert np.abs(design @ [xx, xy, x] - values.T).max() < 1e-3, "the middle is still a ramp"
    side = np.sign(xx)
    return {
        "mirror": xx < 0,
        "angle": np.degrees(np.arctan2(-side * xy, side * xx)),
        "window": np.hypot(xx, xy),
        "shift": x / SIZE,
    }


@needs_keras_cv
def test_warps_agree_in_distribution():
    columns = np.arange(SIZE) - (SIZE - 1) / 2
    ramp = (0.5 + columns / (2 * SIZE)).astype(np.float32)  # stays in [0.25, 0.75]
    images = np.broadcast_to(ramp[:, None], (1500, SIZE, SIZE, 1)).copy()
    plain, theirs = (recovered(x) for x, _ in both("slides", images, no_labels(images)))
    for name in ("angle", "window", "shift"):
        assert agree(plain[name], theirs[name]), name
        np.testing.assert_allclose(plain[name].mean(), theirs[name].mean(), atol=SLACK[name][0])
        np.testing.assert_allclose(plain[name].std(), theirs[name].std(), rtol=SLACK[name][1])
    assert abs(plain["mirror"].mean() - theirs["mirror"].mean()) < 4 * np.sqrt(0.5 / 1500)
    # What was recovered is what was asked for.
    assert stats.kstest(theirs["angle"], stats.uniform(-10, 20).cdf).pvalue > 0.01
    assert stats.kstest(theirs["window"], stats.uniform(0.9, 0.2).cdf).pvalue > 0.01


SLACK = {"angle": (0.8, 0.06), "window": (0.008, 0.06), "shift": (0.004, 0.06)}
"""Four standard errors of a difference of means, and a relative one of standard deviations."""


@needs_keras_cv
def test_exposures_agree_in_distribution():
    images = np.full((1500, 4, 4, 1), 0.4, np.float32)
    images[:, :, 2:] = 0.6
    augmented = [
        x for x, _ in both("none", images, no_labels(images), brightness=0.1, contrast=0.2)
    ]
    gain = [(x[:, 0, 3, 0] - x[:, 0, 0, 0]) / 0.2 for x in augmented]
    added = [x.mean(axis=(1, 2, 3)) - 0.5 for x in augmented]
    assert agree(*gain) and agree(*added)
    assert stats.kstest(gain[1], stats.uniform(0.8, 0.4).cdf).pvalue > 0.01


@needs_keras_cv
@pytest.mark.parametrize("alpha", [0.4, 1.0])
def test_own_shares_of_mixup_agree_in_distribution(alpha):
    images, labels = np.zeros((1000, 4, 4, 1), np.float32), np.eye(1000, dtype=np.float32)
    shares = []
    for _, new in both("mixup", images, labels, mixup=alpha):
        own = np.diag(new)
        shares.append(own[own < 1])  # an image that is its own partner keeps all
        np.testing.assert_allclose(new.sum(axis=1), 1, atol=1e-5)
    assert agree(*shares)
    for found in shares:
        assert stats.kstest(found, stats.beta(alpha, alpha).cdf).pvalue > 0.01


@needs_keras_cv
def test_areas_of_cutmix_agree_but_keras_cv_weighs_labels_by_the_whole_box():
    grey = np.linspace(0, 1, 1000, dtype=np.float32)
    images = np.broadcast_to(grey[:, None, None, None], (1000, SIZE, SIZE, 1)).copy()
    areas, errors = [], []
    for new_images, new_labels in both("cutmix", images, np.eye(1000, dtype=np.float32)):
        own = np.diag(new_labels)
        area = (new_images != images).mean(axis=(1, 2, 3))
        apart = (area > 0) & (own < 1)
        areas.append(area[apart])
        errors.append((1 - own - area)[apart])
    assert agree(*areas)
    assert np.abs(errors[0]).max() < 1e-6
    assert errors[1].min() > -1e-6 and np.median(errors[1]) > 0.05


@needs_keras_cv
@pytest.mark.parametrize("presets", ["slides+images", "mixup", "cutmix"])
def test_a_batch_is_a_function_of_the_seed(presets):
    rng = np.random.default_rng(0)
    images = rng.random((6, SIZE, SIZE, 1)).astype(np.float32)
    labels = rng.random((6, 3)).astype(np.float32)
    made = make(presets, implementation="keras_cv")
    first, others = made(images, labels, 1), made(images, labels, 2)
    again = made(images, labels, 1)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(np.asarray(first[0]) - np.asarray(others[0])).max() > 0.01
    assert np.asarray(first[0]).dtype == first[1].dtype == np.float32
    assert np.asarray(first[0]).min() >= 0 and np.asarray(first[0]).max() <= 1


@needs_keras_cv
def test_without_keras_cv_the_error_says_what_to_do(monkeypatch):
    with_keras_cv._layers.cache_clear()
    monkeypatch.setitem(sys.modules, "keras_cv.layers", None)
    images = np.zeros((2, 8, 8, 1), np.float32)
    with pytest.raises(ImportError, match=r"needs the package keras-cv.*or use impl"):
        make("images", implementation="keras_cv")(images, no_labels(images), 0)
