"""Standardised histograms, and the choice of the input on validation images only."""

from types import SimpleNamespace

import measure_zero_shot as tool
import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_standardised_images_have_the_grey_levels_of_the_reference(rng):
    reference = rng.beta(2, 5, (40, 16, 16)) * 255
    levels = tool.reference_levels(np.uint8(reference))
    image = rng.permutation(256).astype(np.uint8).reshape(1, 16, 16)
    found = tool.standardise(image, levels)
    assert (np.argsort(found.ravel()) == np.argsort(image.ravel())).all(), "the order is kept"
    expected = np.sort(np.uint8(reference).reshape(40, -1), axis=1).mean(axis=0) / 255
    inside = slice(8, -8)  # the extremes of few pixels are interpolated otherwise
    np.testing.assert_allclose(np.sort(found.ravel())[inside], expected[inside], atol=0.01)


def test_brightness_and_contrast_do_not_change_standardised_images(rng):
    levels = tool.reference_levels(rng.integers(0, 256, (4, 16, 16), np.uint8))
    image = rng.integers(0, 60, (2, 16, 16), np.uint8)
    darker, brighter = tool.standardise(image, levels), tool.standardise(3 * image + 20, levels)
    np.testing.assert_array_equal(darker, brighter)


class Brightness:
    """A model whose logits are the mean grey level of an image, which standardising equalises."""

    def predict(self, images, **_):
        return np.tile(np.mean(images, axis=(1, 2)), 14)


def test_validation_images_choose_the_input(rng, tmp_path, monkeypatch):
    def split(sign):
        bright = rng.integers(60, 200, 80)
        images = bright[:, None, None] + rng.integers(-20, 20, (80, 8, 8))
        labels = np.tile((sign * bright > sign * 130).astype(float)[:, None], 14)
        table = pd.DataFrame({"patient": np.arange(80) // 2})
        return SimpleNamespace(images=np.uint8(images), labels=labels, table=table)

    weights = tmp_path / "weights"
    weights.write_bytes(b"")
    run = SimpleNamespace(
        load_model=Brightness, path=tmp_path, recipe=None, weights_file=lambda: weights
    )
    bright, dark = split(1), split(-1)
    monkeypatch.setattr(tool, "load_images", lambda *_, **__: bright)
    levels = tool.reference_levels(bright.images)
    found = tool.measure(run, bright, dark, levels)
    assert found["input"] == "original"
    assert found["val_macro_auc"]["original"] == found["simulated_val"]["hernia"] == 1
    assert found["test"]["original"]["macro_auc"] == [0, 0, 0], "the test images do not choose"
    assert tool.measure(run, dark, bright, levels)["input"] == "standardised"
    assert found["weights_sha256"].startswith("e3b0c442"), "of an empty file"
