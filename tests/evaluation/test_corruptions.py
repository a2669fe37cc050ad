"""Corruptions of images against their definitions, and the balanced error."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from xraylab import phantom
from xraylab.evaluation import CORRUPTIONS, balanced_error, corrupt_images

SEVERITIES = range(1, 6)


@pytest.fixture(scope="module")
def chests():
    """Return simulated images."""
    return np.asarray(phantom.simulate(np.arange(4), 64).images)


def grey(level, count=8, size=64):
    """Return images of one grey level."""
    return np.full((count, size, size), level, np.uint8)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_severity_changes_images_more(chests, corruption):
    errors = [
        np.abs(corrupt_images(chests, corruption, severity) - chests.astype(float)).mean()
        for severity in SEVERITIES
    ]
    assert errors[0] > 0
    assert np.all(np.diff(errors) > 0)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_images_keep_shape_and_input_and_depend_on_the_seed_alone(chests, corruption):
    before = chests.copy()
    first = corrupt_images(chests, corruption, 3, seed=5)
    assert first.shape == chests.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, corrupt_images(chests, corruption, 3, seed=5))
    np.testing.assert_array_equal(chests, before)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_has_the_stated_moments(severity):
    level = 128 / 255
    strength = {name: CORRUPTIONS[name][severity - 1] for name in CORRUPTIONS}
    deviation = {
        "gaussian_noise": strength["gaussian_noise"],
        "speckle_noise": strength["speckle_noise"] * level,
        "shot_noise": np.sqrt(level / strength["shot_noise"]),
    }
    for name, expected in deviation.items():
        if expected > 0.2:  # clipping to [0, 1] changes the deviation
            continue
        noisy = corrupt_images(grey(128), name, severity) / 255
        assert noisy.std() == pytest.approx(expected, rel=0.05), name
        assert noisy.mean() == pytest.approx(level, abs=0.01), name
        assert np.any(noisy[0] != noisy[1]), name


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulses_are_black_and_white_in_equal_parts(severity):
    noisy = corrupt_images(grey(128, count=40), "impulse_noise", severity)
    amount = CORRUPTIONS["impulse_noise"][severity - 1]
    assert set(np.unique(noisy)) == {0, 128, 255}
    for level in (0, 255):
        assert (noisy == level).mean() == pytest.approx(amount / 2, rel=0.1)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_pointwise_changes_follow_their_formulas(chests, severity):
    x = chests / 255

    def changed(name):
        return corrupt_images(chests, name, severity) / 255

    for way in ("up", "down"):
        strength = {k: CORRUPTIONS[f"{k}_{way}"][severity - 1] for k in ("brightness", "contrast")}
        exponent = CORRUPTIONS[f"gamma_{way}"][severity - 1]
        step = 1.01 / 255
        expected = np.clip(strength["brightness"] * x, 0, 1)
        np.testing.assert_allclose(changed(f"brightness_{way}"), expected, atol=step)
        means = x.mean(axis=(1, 2), keepdims=True)
        expected = np.clip(means + strength["contrast"] * (x - means), 0, 1)
        np.testing.assert_allclose(changed(f"contrast_{way}"), expected, atol=2 * step)
        np.testing.assert_allclose(changed(f"gamma_{way}"), x**exponent, atol=step)


def test_pixels_become_means_of_blocks(chests):
    coarse = corrupt_images(chests, "pixelate", 2)  # a quarter of the size
    blocks = chests.reshape(-1, 16, 4, 16, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(coarse[:, ::4, ::4], blocks, atol=1)
    np.testing.assert_array_equal(coarse[:, 3::4, 3::4], coarse[:, ::4, ::4])


def test_small_images_become_one_pixel():
    corner = np.zeros((1, 8, 8), np.uint8)
    corner[0, 0, 0] = 64
    assert np.unique(corrupt_images(corner, "pixelate", 5)).tolist() == [1]  # the mean, 64 / 8²


def test_blur_has_the_width_of_its_kernel():
    point = np.zeros((1, 224, 224), np.uint8)
    point[0, 100:120, 100:120] = 255  # bright enough for 8 bits, wide enough to measure edges
    for severity, kernel in zip(SEVERITIES, CORRUPTIONS["gaussian_blur"], strict=True):
        profile = corrupt_images(point, "gaussian_blur", severity)[0, 110] / 255
        edge = np.clip(np.diff(profile[:110]), 0, None)
        steps = np.arange(len(edge))
        mean = (steps * edge).sum() / edge.sum()
        width = np.sqrt((((steps - mean) ** 2) * edge).sum() / edge.sum())
        sigma, radius = 0.3 * (kernel / 2 - 0.5 - 1) + 0.8, kernel // 2
        taps = np.exp(-((np.arange(-radius, radius + 1) / sigma) ** 2) / 2)
        offsets = np.arange(-radius, radius + 1)
        assert width == pytest.approx(np.sqrt((taps * offsets**2).sum() / taps.sum()), abs=0.05)


def test_jpeg_keeps_flat_images_and_loses_detail(chests):
    assert np.ptp(corrupt_images(grey(128), "jpeg_compression", 1)) == 0
    versions = [chests, *(corrupt_images(chests, "jpeg_compression", s) for s in SEVERITIES)]
    # Blocks of 8 x 8 pixels, which JPEG compresses one by one.
    blocks = [x.reshape(-1, 8, 8, 8, 8).swapaxes(2, 3).astype(float) for x in versions]
    means = [x.mean(axis=(3, 4)) for x in blocks]
    np.testing.assert_allclose(means[-1], means[0], atol=16)
    detail = [np.square(np.diff(x, n=2)).mean() for x in blocks]
    assert np.all(np.diff(detail) < 0)
    assert detail[-1] < 0.3 * detail[0]


@pytest.mark.parametrize(
    ("images", "corruption", "severity", "words"),
    [
        (np.zeros((2, 8, 8)), "pixelate", 1, "uint8"),
        (np.zeros((8, 8), np.uint8), "pixelate", 1, "num_images, height, width"),
        (grey(0), "fog", 1, "one of 'pixelate'"),
        (grey(0), "pixelate", 0, "from 1 to 5"),
        (grey(0), "pixelate", 6, "from 1 to 5"),
        (grey(0), "pixelate", 2.0, "from 1 to 5"),
    ],
)
def test_wrong_arguments_are_named(images, corruption, severity, words):
    with pytest.raises(ValueError, match=words):
        corrupt_images(images, corruption, severity)


def test_balanced_error_is_the_mean_of_both_error_rates():
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(0, 2, (200, 3)), rng.random((200, 3))
    thresholds = np.array([0.2, 0.5, 0.7])
    errors = []
    for j in range(3):
        (tn, fp), (fn, tp) = confusion_matrix(labels[:, j], probabilities[:, j] > thresholds[j])
        errors.append((fp / (fp + tn) + fn / (fn + tp)) / 2)
    assert balanced_error(labels, probabilities, thresholds) == pytest.approx(np.mean(errors))
    labels[:, 2] = 0
    expected = np.mean(errors[:2])
    assert balanced_error(labels, probabilities, thresholds) == pytest.approx(expected)
    assert balanced_error(labels[:, :2], labels[:, :2], 0.5) == 0
    unknown = np.concatenate([labels, np.full((50, 3), np.nan)])
    extended = np.concatenate([probabilities, np.ones((50, 3))])
    assert balanced_error(unknown, extended, thresholds) == pytest.approx(expected)
    assert np.isnan(balanced_error(labels[:, 2:], probabilities[:, 2:], 0.5))
    with pytest.raises(ValueError, match="look like logits"):
        balanced_error(labels, probabilities - 0.5, thresholds)
