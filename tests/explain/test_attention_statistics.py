"""Received attention and its uniformity equal loops over the maps in float64."""

import math

import numpy as np
import pytest
from scipy.stats import entropy

from xraylab import explain


@pytest.fixture(scope="module")
def padded(toy):
    """Return a model with maps of 18, 9 and 5 positions in windows of 7: 9, 4 and 1 of them."""
    model = toy("efficientvit_toy", 72)
    return model, np.random.default_rng(3).random((2, 72, 72, 1)).astype(np.float32)


def windows_of(size, side=7):
    """Yield the window and the query of each position of a map, in raster order."""
    side = min(side, size)
    count = math.ceil(size / side)
    for y in range(size):
        for x in range(size):
            yield (y // side) * count + x // side, (y % side) * side + x % side


@pytest.mark.parametrize(("stage", "size"), [(0, 18), (1, 9), (2, 5)])
def test_windows_are_put_back_on_the_map(padded, stage, size):
    model, images = padded
    layer = f"stage_{stage}_block_0"
    maps = explain.attention(model, images, layer)[layer].astype(np.float64)
    positions = [*windows_of(size)]
    expected = np.zeros((2, size * size))
    for k, (window, key) in enumerate(positions):
        queries = [query for other, query in positions if other == window]
        for query in queries:
            expected[:, k] += maps[:, window, :, query, key].mean(axis=1) / len(queries)
    expected = maps.shape[-1] * expected.reshape(2, size, size)
    found = explain.received_attention(model, images, layer)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    uniformity = explain.attention_uniformity(model, images)[layer]
    means = [
        [entropy(maps[n, window, :, query], axis=-1) for window, query in positions]
        for n in range(2)
    ]
    expected = np.mean(means, axis=1) / math.log(maps.shape[-1])
    np.testing.assert_allclose(uniformity, expected, atol=2e-5)
    assert 0 < uniformity.min() < uniformity.max() < 1


def test_global_attention(toy, images):
    model = toy("rr_vit_toy")
    (maps,) = explain.attention(model, images, "block_1").values()
    received = maps.astype(np.float64).sum(axis=(1, 2))[:, 1:] / maps.shape[1]  # without [CLS]
    found = explain.received_attention(model, images, "block_1")
    np.testing.assert_allclose(found, received.reshape(3, 4, 4), rtol=1e-6)
    for name, values in explain.attention(model, images).items():
        expected = entropy(values.astype(np.float64), axis=-1, base=values.shape[-1]).mean(axis=-1)
        found = explain.attention_uniformity(model, images)[name]
        np.testing.assert_allclose(found, expected, atol=2e-5)
        assert found.shape == (3, 2)


def test_a_single_key_has_no_uniformity(toy):
    model = toy("efficientvit_toy", 16)
    found = explain.attention_uniformity(model, np.full((1, 16, 16, 1), 0.5, np.float32))
    assert np.isnan(found["stage_2_block_0"]).all()
    assert np.isfinite(found["stage_0_block_0"]).all()


def test_maps_without_square_keys_are_refused(toy, images):
    model = toy("lt_vit_toy")
    with pytest.raises(ValueError, match="square map"):
        explain.received_attention(model, images, f"block_{model.depth - 1}.label_attention")
    with pytest.raises(ValueError, match="transformer"):
        explain.attention_uniformity(toy("resnet50_toy"), images)
    cross = explain.received_attention(toy("dbct_toy"), images, "cross_attention")
    assert cross.shape == (3, 8, 8)
    np.testing.assert_allclose(cross.mean(axis=(1, 2)), 1, rtol=1e-5)
