"""The fixed position table, by hand and as a layer without weights; learned ones, resized."""

import keras
import numpy as np
import pytest
from keras import ops

from xraylab.layers.tokens import SinusoidalPositions, resize_positions, sinusoidal_positions


def test_positions_by_hand():
    # Four numbers: frequencies 10000^0 = 1 and 10000^(-2/4) = 1/100, a sine and a cosine each.
    expected = [
        [np.sin(n), np.cos(n), np.sin(n / 100), np.cos(n / 100)] for n in (0.0, 1.0, 2.0, 3.0)
    ]
    np.testing.assert_allclose(sinusoidal_positions(4, 4), expected, atol=1e-15)


def test_near_positions_are_more_similar_than_distant_ones():
    """The product of two rows depends on their distance alone: the sum of cos(distance·ω)."""
    table = sinusoidal_positions(50, 32)
    frequencies = 10000.0 ** (-np.arange(16) / 16)
    distance = np.abs(np.subtract.outer(np.arange(50), np.arange(50)))
    expected = np.cos(distance[..., None] * frequencies).sum(-1)
    np.testing.assert_allclose(table @ table.T, expected, atol=1e-10)


def test_the_layer_adds_the_table_and_has_no_weights():
    tokens = np.random.default_rng(0).normal(size=(2, 7, 6)).astype(np.float32)
    layer = SinusoidalPositions()
    expected = tokens + sinusoidal_positions(7, 6)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(tokens)), expected, atol=1e-6)
    assert layer.count_params() == 0


def test_half_precision_stays_half():
    layer = SinusoidalPositions(dtype="bfloat16")
    out = layer(np.zeros((1, 3, 4), np.float32))
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="an even embed_dim"):
        SinusoidalPositions().build((None, 3, 5))


def cubic_convolution(old, new):
    """Compute the weights of cubic convolution with a = -1/2, pixel centres at halves."""
    at = (np.arange(new) + 0.5) * old / new - 0.5
    x = np.abs(at[:, None] - np.arange(old))
    weights = np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2)
    weights[x >= 2] = 0
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("first", [0, 1])
def test_positions_are_resized_by_cubic_convolution(first):
    table = np.random.default_rng(0).normal(size=(first + 16, 3))
    resized = resize_positions(table, first + 49)
    weights = cubic_convolution(4, 7)
    expected = np.einsum("ri,cj,ijd->rcd", weights, weights, table[first:].reshape(4, 4, 3))
    # TensorFlow reads the kernel from a table of 1024 steps per pixel.
    np.testing.assert_allclose(resized[first:], expected.reshape(49, 3), atol=3e-3)
    np.testing.assert_array_equal(resized[:first], table[:first].astype(np.float32))


def test_positions_that_are_linear_stay_linear():
    """Away from the border, whose missing neighbours have no weight."""

    def plane(size, scale):
        rows, columns = np.meshgrid(*[(np.arange(size) + 0.5) * scale] * 2, indexing="ij")
        return np.stack([2 * rows - columns + 1, rows + 3 * columns], axis=-1)

    resized = resize_positions(plane(8, 2).reshape(64, 2), 256).reshape(16, 16, 2)
    np.testing.assert_allclose(resized[3:-3, 3:-3], plane(16, 1)[3:-3, 3:-3], atol=1e-4)


def test_positions_of_the_same_grid_are_the_same():
    table = np.random.default_rng(0).normal(size=(17, 5)).astype(np.float32)
    np.testing.assert_allclose(resize_positions(table, 17), table, atol=1e-6)
