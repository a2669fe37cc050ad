"""Convolution blocks against plain loops in float64."""

import keras
import numpy as np
import pytest
from keras import ops

from xraylab.layers.convolution import ConvNorm, SqueezeExcite, stochastic_depth


def randomise(layer, seed=0):
    rng = np.random.default_rng(seed)
    for variable in layer.weights:
        low = 0.5 if "variance" in variable.path else -1.0
        variable.assign(rng.uniform(low, 1.0, variable.shape))


def plain_convolution(x, kernel, strides, margin):
    """Convolve (height, width, in), padded evenly, with (k, k, in, out)."""
    x = np.pad(x, ((margin, margin), (margin, margin), (0, 0)))
    size = kernel.shape[0]
    rows = [
        [
            np.einsum("abi,abio->o", x[i : i + size, j : j + size], kernel)
            for j in range(0, x.shape[1] - size + 1, strides)
        ]
        for i in range(0, x.shape[0] - size + 1, strides)
    ]
    return np.array(rows)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("filters", [5, None])
@pytest.mark.parametrize("side", [6, 7])
def test_conv_norm(filters, kernel_size, strides, side):
    x = np.random.default_rng(1).normal(size=(1, side, side, 4))
    layer = ConvNorm(filters, kernel_size, strides, activation="relu")
    layer.build(x.shape)
    randomise(layer)
    kernel = np.asarray(layer.convolution.kernel, np.float64)
    if filters is None:  # depthwise: a diagonal of kernels
        kernel = np.einsum("abc,cd->abcd", kernel[..., 0], np.eye(4))
    y = plain_convolution(x[0], kernel, strides, kernel_size // 2)
    norm = {
        name: np.asarray(getattr(layer.norm, name), np.float64)
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    y = (y - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-5) * norm["gamma"] + norm[
        "beta"
    ]
    got = ops.convert_to_numpy(layer(x.astype(np.float32), training=False))[0]
    np.testing.assert_allclose(got, np.maximum(y, 0), atol=1e-5)


def test_a_branch_may_start_as_nothing():
    x = np.random.default_rng(2).normal(size=(2, 4, 4, 3)).astype(np.float32)
    assert not ops.convert_to_numpy(ConvNorm(3, gamma=0.0)(x, training=True)).any()


def test_squeeze_excite():
    x = np.random.default_rng(3).normal(size=(2, 5, 4, 6))
    layer = SqueezeExcite(3)
    layer.build(x.shape)
    randomise(layer)
    first, first_bias, second, second_bias = (
        np.asarray(w, np.float64) for w in layer.get_weights()
    )
    hidden = np.maximum(x.mean((1, 2)) @ first + first_bias, 0)
    weights = 1 / (1 + np.exp(-(hidden @ second + second_bias)))
    expected = x * weights[:, None, None]
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x.astype(np.float32))), expected, atol=1e-5
    )


def test_stochastic_depth_drops_whole_images_and_keeps_the_mean():
    keras.utils.set_random_seed(0)
    x = np.ones((4000, 2, 3, 1), np.float32)
    layer = stochastic_depth(0.25, "drop")
    assert (ops.convert_to_numpy(layer(x, training=False)) == 1).all()
    y = ops.convert_to_numpy(layer(x, training=True))
    assert set(np.unique(y.round(4))) == {np.float32(0.0), np.float32(1.3333)}
    assert (y == y[:, :1, :1]).all()
    assert abs(y.mean() - 1) < 0.03
    with pytest.raises(ValueError, match=r"between 0 and 1. Received: rate=1.5"):
        stochastic_depth(1.5, "drop")


def test_squeeze_excite_takes_an_initialiser_and_keeps_it():
    wide = keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")
    layer = SqueezeExcite(64, kernel_initializer=wide)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    for each in (layer, again):
        each.build((None, 4, 4, 64))
        reduce, expand = (ops.convert_to_numpy(part.kernel) for part in (each.reduce, each.expand))
        assert np.isclose([reduce.std(), expand.std()], np.sqrt(2 / 64), rtol=0.06).all()
        assert (reduce != expand).any()
