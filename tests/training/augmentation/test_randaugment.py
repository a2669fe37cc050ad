"""RandAugment: the rule string, each operation against NumPy, and how often each is chosen."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from xraylab.training.augmentation import randaugment
from xraylab.training.augmentation.randaugment import OPERATIONS, Rule, apply, parse

# -- The rule --


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("m5-mstd0.2-inc2", Rule(5, 2, 0.5, 0.2, 10, True)),
        ("rand-m9-n3-mstd0.5-inc1", Rule(9, 3, 0.5, 0.5, 10, True)),
        ("inc0-p1-m7", Rule(7, 2, 1.0, 0.0, 10, False)),
        ("n1-mmax20-mstd101", Rule(10, 1, 0.5, 101.0, 20, False)),
    ],
)
def test_rules(text, rule):
    assert parse(text) == rule


@pytest.mark.parametrize("text", ["", "m", "5", "m5--inc1", "m5-w0", "n2.5", "m5mstd", "m1.2.3", 5])
def test_rules_that_are_not_understood(text):
    with pytest.raises(ValueError, match="expected parts such as m5, n2"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"), [("p1.5", "expected p from 0 to 1"), ("n0", "expected n of at least 1")]
)
def test_rules_out_of_range(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


# -- The operations --


def make_image(size=40):
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.random((size, size)), 3)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return (20 + 200 * smooth).astype(np.uint8)


def operate(name, level=0.5, sign=1, increasing=True, pixels=None):
    pixels = make_image() if pixels is None else pixels
    return np.asarray(OPERATIONS[name](Image.fromarray(pixels), level, sign, increasing)).astype(
        int
    )


IMAGE = make_image().astype(np.float64)
BLURRED = ndimage.correlate(IMAGE, np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("auto_contrast", {}, (IMAGE - IMAGE.min()) * 255 / np.ptp(IMAGE)),
        ("invert", {}, 255 - IMAGE),
        ("posterize", {}, IMAGE // 64 * 64),
        ("posterize", {"level": 0.2}, IMAGE // 16 * 16),
        ("posterize", {"level": 0.8, "increasing": False}, IMAGE // 32 * 32),
        ("posterize", {"level": 1.0}, 0 * IMAGE),
        ("posterize", {"level": 0.0, "increasing": False}, 0 * IMAGE),
        ("posterize", {"level": 3.0, "increasing": False}, IMAGE),
        ("solarize", {}, np.where(IMAGE < 128, IMAGE, 255 - IMAGE)),
        ("solarize", {"level": 0.25}, np.where(IMAGE < 192, IMAGE, 255 - IMAGE)),
        (
            "solarize",
            {"level": 0.25, "increasing": False},
            np.where(IMAGE < 64, IMAGE, 255 - IMAGE),
        ),
        ("solarize_add", {}, np.where(IMAGE < 128, IMAGE + 55, IMAGE)),
        (
            "solarize_add",
            {"level": 1.5},
            np.where(IMAGE < 128, np.minimum(IMAGE + 165, 255), IMAGE),
        ),
        ("contrast", {}, IMAGE.mean() + 1.45 * (IMAGE - IMAGE.mean())),
        ("contrast", {"sign": -1}, IMAGE.mean() + 0.55 * (IMAGE - IMAGE.mean())),
        ("contrast", {"increasing": False}, IMAGE),
        ("brightness", {}, 1.45 * IMAGE),
        ("brightness", {"sign": -1, "level": 2.0}, 0.1 * IMAGE),
        ("brightness", {"increasing": False, "level": 0.2}, 0.46 * IMAGE),
        ("sharpness", {}, 1.45 * IMAGE - 0.45 * BLURRED),
        ("sharpness", {"sign": -1}, 0.55 * IMAGE + 0.45 * BLURRED),
    ],
)
def test_grey_levels(name, options, expected):
    found, expected = operate(name, **options), np.clip(expected, 0, 255)
    # Pillow leaves the outermost pixels of a sharpened image as they are, and rounds here and there.
    inner = (slice(1, -1),) * 2 if name == "sharpness" else slice(None)
    np.testing.assert_allclose(found[inner], expected[inner], rtol=0, atol=1.5)
    exact = ("invert", "posterize", "solarize", "solarize_add")
    if name in exact:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", OPERATIONS)
def test_ends_of_the_scale(name):
    """At 0 an increasing operation does nothing, if it has a strength; beyond 10, nothing breaks.

    Posterize is the exception: timm's scale begins at 4 bits.
    """
    if name not in ("auto_contrast", "equalize", "invert", "posterize"):
        np.testing.assert_array_equal(operate(name, level=0.0), IMAGE)
    for increasing in (True, False):
        for sign in (1, -1):
            found = operate(name, level=1.2, sign=sign, increasing=increasing)
            assert found.shape == IMAGE.shape and found.min() >= 0 and found.max() <= 255


def test_equalize_spreads_four_equally_frequent_levels_evenly():
    pixels = np.repeat(np.array([10, 20, 30, 40], np.uint8), 256).reshape(32, 32)
    found = operate("equalize", pixels=pixels)
    np.testing.assert_allclose(np.unique(found), [0, 85, 170, 255], atol=1)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["shear_x", "shear_y", "translate_x", "translate_y", "rotate"])
def test_geometry(name, sign):
    """Where each new pixel comes from; Pillow counts from the corner of the first pixel."""
    y, x = np.mgrid[:40, :40].astype(np.float64)
    if name == "shear_x":
        x = x + sign * 0.15 * (y + 0.5)
    elif name == "shear_y":
        y = y + sign * 0.15 * (x + 0.5)
    elif name == "translate_x":
        x = x + sign * 9
    elif name == "translate_y":
        y = y + sign * 9
    else:
        turn = np.deg2rad(sign * 15)
        x, y = x - 19.5, y - 19.5
        x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
        x, y = x + 19.5, y + 19.5
    expected = ndimage.map_coordinates(IMAGE, [y, x], order=1)
    found = operate(name, sign=sign)
    whole = (x >= 0) & (x <= 39) & (y >= 0) & (y <= 39)
    np.testing.assert_allclose(found[whole], expected[whole], rtol=0, atol=1.5)
    outside = (x < -1) | (x > 40) | (y < -1) | (y > 40)
    assert outside.any()
    np.testing.assert_array_equal(found[outside], 0)


# -- Choosing --


def recorded(monkeypatch, rule, num_images):
    """Return (operation, level, sign) of all that would have been done, and the images."""
    done = []

    def recorder(name):
        def operation(image, level, sign, increasing):
            done.append((name, level, sign))
            return image

        return operation

    monkeypatch.setattr(randaugment, "OPERATIONS", {name: recorder(name) for name in OPERATIONS})
    images = np.full((num_images, 2, 2, 1), 0.3, np.float32)
    return done, apply(rule, images, 0)


def test_operations_are_chosen_evenly_at_the_rule_s_magnitude(monkeypatch):
    done, _ = recorded(monkeypatch, parse("m5-mstd0.2-inc2"), 6000)
    names, levels, signs = map(np.array, zip(*done, strict=True))
    assert abs(len(done) / 12_000 - 0.5) < 4 * 0.5 / np.sqrt(12_000)
    counts = np.unique(names, return_counts=True)[1]
    assert len(counts) == len(OPERATIONS) == 14
    assert stats.chisquare(counts).pvalue > 0.01
    assert stats.kstest(levels, stats.norm(0.5, 0.02).cdf).pvalue > 0.01
    assert abs(signs.mean()) < 4 / np.sqrt(len(signs))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("m9-mstd2-p1", 0.0, 1.0), ("m9-mstd5-mmax12-p1", 0.0, 1.2), ("m4-mstd101-p1", 0.0, 0.4)],
)
def test_noise_is_kept_in_range(monkeypatch, text, low, high):
    done, _ = recorded(monkeypatch, parse(text), 2000)
    levels = np.array([level for _, level, _ in done])
    assert len(done) == 4000
    assert low <= levels.min() and levels.max() <= high and levels.max() > 0.97 * high
    if "mstd101" in text:
        assert stats.kstest(levels, stats.uniform(0, 0.4).cdf).pvalue > 0.01


def test_images_without_an_operation_are_bit_for_bit_the_same():
    rng = np.random.default_rng(0)
    images = rng.random((200, 8, 8, 1)).astype(np.float32)  # not of 256 levels
    found = apply(parse("m5-p0.2"), images, 0)
    same = (found == images).all(axis=(1, 2, 3))
    assert 0.5 < same.mean() < 0.8  # (1 - 0.2)² = 0.64


def test_grey_levels_of_the_data_survive_an_operation(monkeypatch):
    """Division by 255 gives the very numbers that xraylab.data.batches gives."""
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    images = np.divide(levels, np.float32(255), dtype=np.float32)
    same = {name: lambda image, level, sign, increasing: image for name in OPERATIONS}
    monkeypatch.setattr(randaugment, "OPERATIONS", same)
    np.testing.assert_array_equal(apply(parse("p1"), images, 0), images)


def test_the_draws_of_a_image_depend_on_its_row_alone():
    images = np.random.default_rng(0).random((9, 8, 8, 1)).astype(np.float32)
    rule = parse("m5-mstd0.2-inc2")
    np.testing.assert_array_equal(apply(rule, images, 5)[:4], apply(rule, images[:4], 5))
