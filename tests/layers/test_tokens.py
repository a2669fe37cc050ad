"""The fixed position table, by hand and as a layer without weights."""

import keras
import numpy as np
import pytest
from keras import ops

from xraylab.layers.tokens import SinusoidalPositions, sinusoidal_positions


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
