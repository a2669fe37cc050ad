"""EfficientViT: its size, its blocks against float64, and outputs of timm."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from xraylab import losses, models
from xraylab.models import efficientvit
from xraylab.models.convert.timm import load_timm
from xraylab.models.efficientvit import (
    CascadedGroupAttention,
    Downsampling,
    EfficientViT,
    EfficientViTBlock,
    FeedForward,
    WindowAttention,
)

from .conftest import EVERY_MODEL, full_size

FIXTURE = Path(__file__).parent / "fixtures" / "efficientvit_m0.npz"


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def randomise(layer, seed=0):
    """Give every variable, statistics included, another value."""
    rng = np.random.default_rng(seed)
    for variable in layer.variables:
        if "seed" in variable.path:
            continue
        if variable.path.endswith(("gamma", "moving_variance")):
            values = rng.uniform(0.5, 1.5, variable.shape)
        elif variable.path.endswith(("beta", "moving_mean", "bias")):
            values = rng.normal(size=variable.shape) * 0.1
        elif variable.path.endswith("attention_bias"):
            values = rng.normal(size=variable.shape)
        else:
            values = rng.normal(size=variable.shape) / np.sqrt(np.prod(variable.shape[:-1]))
        variable.assign(values)


# The building blocks once more, on float64 arrays of one image, (height, width, channels).


def numpy_norm(x, norm):
    gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in norm.weights)
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def numpy_conv_norm(x, layer, stride=1):
    kernel = np.asarray(layer.convolution.kernel, np.float64)
    if isinstance(layer.convolution, keras.layers.DepthwiseConv2D):
        kernel = np.einsum("abc,cd->abcd", kernel[..., 0], np.eye(x.shape[-1]))
    side, margin = kernel.shape[0], kernel.shape[0] // 2
    padded = np.pad(x, ((margin, margin), (margin, margin), (0, 0)))
    rows, columns = -(-x.shape[0] // stride), -(-x.shape[1] // stride)
    y = np.zeros((rows, columns, kernel.shape[-1]))
    for i in range(rows):
        for j in range(columns):
            patch = padded[stride * i : stride * i + side, stride * j : stride * j + side]
            y[i, j] = np.tensordot(patch, kernel, 3)
    y = numpy_norm(y, layer.norm)
    return np.maximum(y, 0) if layer.activation == "relu" else y


def numpy_attention(x, layer):
    """One window: heads one after the other, pairs of positions one after the other."""
    side, _, channels = x.shape
    width = channels // layer.num_heads
    table = np.asarray(layer.attention_bias, np.float64)
    outputs, maps, output = [], [], np.zeros((side, side, width))
    for head in range(layer.num_heads):
        group = x[..., head * width : (head + 1) * width] + output
        y = numpy_conv_norm(group, layer.projections[head])
        query, key, value = np.split(y, [layer.key_dim, 2 * layer.key_dim], axis=-1)
        query = numpy_conv_norm(query, layer.query_convolutions[head])
        output, weights = np.zeros((side, side, width)), np.zeros((side**2, side**2))
        for a in range(side**2):
            ya, xa = divmod(a, side)
            scores = np.array(
                [
                    query[ya, xa] @ key[yb, xb] / np.sqrt(layer.key_dim)
                    + table[head, abs(ya - yb) * side + abs(xa - xb)]
                    for yb in range(side)
                    for xb in range(side)
                ]
            )
            weights[a] = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
            output[ya, xa] = weights[a] @ value.reshape(side**2, width)
        outputs.append(output)
        maps.append(weights)
    joined = np.maximum(np.concatenate(outputs, axis=-1), 0)
    return numpy_conv_norm(joined, layer.join), np.stack(maps)


def numpy_windows(x, layer):
    """Window after window, zeros beyond the map."""
    size, side = x.shape[0], min(layer.window_size, x.shape[0])
    count = -(-size // side)
    filled = np.pad(x, ((0, count * side - size), (0, count * side - size), (0, 0)))
    out, maps = np.zeros_like(filled), []
    for r in range(count):
        for c in range(count):
            here = slice(r * side, (r + 1) * side), slice(c * side, (c + 1) * side)
            out[here], weights = numpy_attention(filled[here], layer)
            maps.append(weights)
    return out[:size, :size], np.stack(maps)


def numpy_feed_forward(x, layer):
    return numpy_conv_norm(numpy_conv_norm(x, layer.widen), layer.narrow)


def numpy_block(x, layer):
    x = x + numpy_conv_norm(x, layer.convolution_before)
    x = x + numpy_feed_forward(x, layer.feed_forward_before)
    update, maps = numpy_windows(x, layer.attention)
    x = x + update
    x = x + numpy_conv_norm(x, layer.convolution_after)
    return x + numpy_feed_forward(x, layer.feed_forward_after), maps


def numpy_downsampling(x, layer):
    x = x + numpy_conv_norm(x, layer.convolution_before)
    x = x + numpy_feed_forward(x, layer.feed_forward_before)
    x = numpy_conv_norm(numpy_conv_norm(x, layer.widen), layer.halve, stride=2)
    first, second = layer.squeeze_excite.reduce, layer.squeeze_excite.expand
    hidden = np.maximum(x.mean((0, 1)) @ np.float64(first.kernel) + np.float64(first.bias), 0)
    x = x / (1 + np.exp(-(hidden @ np.float64(second.kernel) + np.float64(second.bias))))
    x = numpy_conv_norm(x, layer.narrow)
    x = x + numpy_conv_norm(x, layer.convolution_after)
    return x + numpy_feed_forward(x, layer.feed_forward_after)


def checked(layer, shape, reference, **options):
    """Compare a layer with its reference on random weights; return both outputs."""
    x = np.random.default_rng(1).normal(size=shape)
    layer.build(shape)
    randomise(layer)
    got = layer(x.astype(np.float32), **options)
    return got, [reference(image, layer) for image in x]


@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_cascaded_groups_against_numpy(num_heads):
    layer = CascadedGroupAttention(num_heads, key_dim=3, kernel_sizes=(5, 3, 3, 1))
    (got, maps), expected = checked(layer, (2, 4, 4, 8), numpy_attention)
    for image in range(2):
        np.testing.assert_allclose(ops.convert_to_numpy(got)[image], expected[image][0], atol=1e-5)
        np.testing.assert_allclose(ops.convert_to_numpy(maps)[image], expected[image][1], atol=1e-5)


@pytest.mark.parametrize(("size", "windows"), [(2, 1), (3, 1), (5, 4), (6, 4), (7, 9)])
def test_windows_against_numpy(size, windows):
    """Maps below a window, of one, of several, and filled up."""
    layer = WindowAttention(2, key_dim=3, kernel_sizes=(3, 1), window_size=3)
    (got, maps), expected = checked(layer, (2, size, size, 4), numpy_windows)
    assert maps.shape[1] == windows
    for image in range(2):
        np.testing.assert_allclose(ops.convert_to_numpy(got)[image], expected[image][0], atol=1e-5)
        np.testing.assert_allclose(ops.convert_to_numpy(maps)[image], expected[image][1], atol=1e-5)


def test_bias_depends_only_on_distance():
    layer = CascadedGroupAttention(1, key_dim=2, kernel_sizes=(1,))
    layer.build((None, 3, 3, 4))
    assert tuple(layer.attention_bias.shape) == (1, 9)
    assert not ops.convert_to_numpy(layer.attention_bias).any()
    positions = [divmod(i, 3) for i in range(9)]
    for a, (ya, xa) in enumerate(positions):
        for b, (yb, xb) in enumerate(positions):
            assert layer.bias_indices[a, b] == 3 * abs(ya - yb) + abs(xa - xb)


def test_a_block_against_numpy():
    attention = {"num_heads": 2, "key_dim": 4, "kernel_sizes": (5, 3), "window_size": 4}
    layer = EfficientViTBlock(attention)
    (got, inside), expected = checked(layer, (1, 5, 5, 6), numpy_block, return_intermediates=True)
    np.testing.assert_allclose(ops.convert_to_numpy(got)[0], expected[0][0], atol=2e-5)
    np.testing.assert_allclose(
        ops.convert_to_numpy(inside["attention"])[0], expected[0][1], atol=1e-5
    )


@pytest.mark.parametrize("size", [2, 5])
def test_downsampling_against_numpy(size):
    got, expected = checked(Downsampling(6), (1, size, size, 4), numpy_downsampling)
    np.testing.assert_allclose(ops.convert_to_numpy(got)[0], expected[0], atol=2e-5)


def test_the_toy_against_numpy():
    model = models.build("efficientvit_toy", image_size=36, num_labels=3)  # maps of 9, 5 and 3
    randomise(model)
    image = np.random.default_rng(2).random((36, 36, 1))
    x = np.repeat(image, 3, axis=-1)
    for convolution in model.stem:
        x = numpy_conv_norm(x, convolution, stride=2)
    for layer in model.trunk:
        if isinstance(layer, Downsampling):
            x = numpy_downsampling(x, layer)
        else:
            x, _ = numpy_block(x, layer)
    head = model.heads[0]
    pooled = numpy_norm(x.mean((0, 1)), head.norm)
    expected = pooled @ np.float64(head.linear.kernel) + np.float64(head.linear.bias)
    got = ops.convert_to_numpy(model(image[None].astype(np.float32)))[0]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_branches_start_as_nothing():
    x = np.random.default_rng(3).normal(size=(2, 8, 8, 6)).astype(np.float32)
    attention = {"num_heads": 2, "key_dim": 4, "kernel_sizes": (5, 3)}
    assert not ops.convert_to_numpy(FeedForward()(x)).any()
    np.testing.assert_array_equal(ops.convert_to_numpy(EfficientViTBlock(attention)(x)), x)


@pytest.fixture(scope="module")
def m5():
    return models.build("efficientvit_m5", image_size=224)


@full_size
def test_m5_has_the_reported_size(m5):
    """Trainable parameters, as PyTorch counts them; Keras adds the normalisations' statistics."""
    assert trainable(m5) == 12_094_162
    statistics = [v for v in m5.non_trainable_variables if "moving" in v.path]
    assert m5.count_params() == 12_094_162 + sum(int(np.prod(v.shape)) for v in statistics)


@full_size
def test_m5_is_table_n1(m5):
    blocks = [layer for layer in m5.trunk if isinstance(layer, EfficientViTBlock)]
    assert len(blocks) == 1 + 3 + 4
    assert [b.attention.attention_bias.shape[0] for b in blocks] == [3] + 3 * [3] + 4 * [4]
    assert [b.attention.attention_bias.shape[1] for b in blocks] == [49] + 3 * [49] + 4 * [16]
    kernels = [
        [c.kernel_size for c in b.attention.query_convolutions] for b in (blocks[0], blocks[-1])
    ]
    assert kernels == [[7, 5, 3], [7, 5, 3, 3]]


def test_recorded_outputs_of_timm(random_weights):
    """Converter and network against stored logits; ``tests/parity`` compares with timm itself."""
    with np.load(FIXTURE) as file:
        shapes = {
            str(name): tuple(map(int, shape.split()))
            for name, shape in zip(file["names"], file["shapes"].tolist(), strict=True)
        }
        size, gain, expected = int(file["image_size"]), float(file["gain"]), file["logits"]
    model = models.build("efficientvit_m0", image_size=size, num_labels=expected.shape[1])
    state = random_weights.random_state(shapes, gain=gain)
    assert load_timm(model, state) is model
    images = random_weights.random_images(2, size)
    got = ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)

    before = model.get_weights()
    del state["stages.1.blocks.0.mixer.m.attn.attention_biases"]
    with pytest.raises(ValueError, match=r"has no array 'stages\.1\.blocks\.0\.mixer"):
        load_timm(model, state)
    state["stages.1.blocks.0.mixer.m.attn.attention_biases"] = np.zeros((4, 16), np.float32)
    state["stages.3.extra"] = np.zeros(1)
    with pytest.raises(ValueError, match=r"has no layer for.*stages\.3\.extra"):
        load_timm(model, state)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    del state["stages.3.extra"]
    kernel = ops.convert_to_numpy(model.heads[0].linear.kernel)
    state["head.linear.weight"] = np.zeros((1000, 192), np.float32)
    with pytest.raises(ValueError, match=r"Received: \(192, 1000\)\. Pass head=False"):
        load_timm(model, state)
    load_timm(model, state, head=False)
    np.testing.assert_array_equal(ops.convert_to_numpy(model.heads[0].linear.kernel), kernel)


def test_the_converter_requires_its_class():
    with pytest.raises(ValueError, match=r"a model of class EfficientViT\. Received: RRViT"):
        load_timm(models.build("rr_vit_toy"), {})


def test_intermediates():
    model = models.build("efficientvit_toy", image_size=64)
    randomise(model)
    images = np.random.default_rng(0).random((2, 64, 64, 1)).astype(np.float32)
    plain, full = model(images), model(images, return_intermediates=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(full["logits"]), ops.convert_to_numpy(plain), atol=1e-5
    )
    shapes = {name: tuple(weights.shape) for name, weights in full["attention"].items()}
    assert shapes == {
        "stage_0_block_0": (2, 9, 2, 49, 49),
        "stage_1_block_0": (2, 4, 2, 49, 49),
        "stage_2_block_0": (2, 1, 2, 16, 16),
    }
    assert set(shapes) <= {layer.name for layer in model.layers}
    for weights in full["attention"].values():
        np.testing.assert_allclose(ops.convert_to_numpy(weights).sum(-1), 1.0, atol=1e-5)
    assert tuple(full["features"].shape) == (2, 4, 4, 32)


@pytest.mark.parametrize("image_size", [16, 49, 100])
def test_sizes_need_not_divide(image_size):
    model = models.build("efficientvit_toy", image_size=image_size, num_labels=2)
    images = np.random.default_rng(0).random((1, image_size, image_size, 1)).astype(np.float32)
    assert np.isfinite(ops.convert_to_numpy(model(images))).all()


@pytest.mark.parametrize(("image_size", "side"), [(64, 16), (49, 13)])
def test_num_tokens_counts_positions_of_the_first_stage(image_size, side):
    """Padded positions do not count: 9 windows of 49 positions contain a map of 256."""
    model = models.build("efficientvit_toy", image_size=image_size)
    image = np.zeros((1, image_size, image_size, 1), np.float32)
    x = ops.repeat(image, 3, axis=-1)
    for convolution in model.stem:
        x = convolution(x)
    assert tuple(x.shape[1:3]) == (side, side)
    assert model.num_tokens == side**2


@pytest.mark.parametrize("name", ["efficientvit_toy"] * EVERY_MODEL + ["efficientvit_mxa_toy"])
def test_paths_do_not_depend_on_what_was_built_before(name):
    first, second = ([v.path for v in models.build(name).variables] for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("devices", [(), ("gpu:0",)])
def test_xla_is_for_accelerators_and_jax(monkeypatch, devices):
    monkeypatch.setattr(efficientvit, "accelerators", lambda: devices)
    model = models.build("efficientvit_toy")
    assert model.supports_jit == (bool(devices) or keras.backend.backend() != "tensorflow")


def test_with_distillation_logits_are_the_mean_of_two_heads():
    model = models.build("efficientvit_toy", image_size=32, distillation=True)
    randomise(model)
    images = np.random.default_rng(0).random((3, 32, 32, 1)).astype(np.float32)
    out = model(images, return_intermediates=True)
    pooled = ops.mean(out["features"], axis=(1, 2))
    by_label = ops.convert_to_numpy(model.heads[0](pooled))
    by_teacher = ops.convert_to_numpy(model.heads[1](pooled))
    np.testing.assert_allclose(out["label_logits"], by_label, atol=1e-6)
    np.testing.assert_allclose(out["distillation_logits"], by_teacher, atol=1e-6)
    assert np.abs(by_label - by_teacher).max() > 1e-2
    for logits in (out["logits"], model(images), model.classify(out["features"])):
        np.testing.assert_allclose(logits, (by_label + by_teacher) / 2, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
@pytest.mark.parametrize("name", ["efficientvit_toy"] * EVERY_MODEL + ["efficientvit_mxa_toy"])
def test_every_parameter_gets_a_gradient(name):
    """Fresh branches end in a zero; behind it nothing moves until it does. Afterwards all do."""
    import tensorflow as tf

    model = models.build(name, image_size=64)
    images = np.random.default_rng(0).random((4, 64, 64, 1)).astype(np.float32)
    labels = (np.random.default_rng(1).random((4, 14)) < 0.3).astype(np.float32)

    def without_gradient():
        with tf.GradientTape() as tape:
            loss = losses.BinaryCrossentropy()(labels, model(images, training=True))
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        assert all(np.isfinite(gradient).all() for gradient in gradients)
        return {
            variable.path
            for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
            if not np.abs(gradient).max() > 0
        }

    assert any("attention/conv_norm" in path or "projection" in path for path in without_gradient())
    rng = np.random.default_rng(2)
    for variable in model.trainable_variables:
        if variable.path.endswith("gamma"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    assert not without_gradient()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 63}, r"a size of at least 64 px \(a map for each of three stages\)"),
        (
            {"num_heads": (5, 3, 4)},
            r"num_heads. Expected: divisors of \(192, 288, 384\)",
        ),
        (
            {"num_heads": (0, 3, 4)},
            r"num_heads\[0\]. Expected: an integer of at least 1",
        ),
        ({"depths": (1, -1, 2)}, r"depths\[1\]. Expected: an integer of at least 0. Received: -1"),
        ({"key_dim": 0}, "key_dim. Expected: an integer of at least 1. Received: 0"),
        ({"window_size": 0}, "window_size. Expected: an integer of at least 1. Received: 0"),
        ({"patch_size": 12}, "a power of two"),
        ({"num_labels": 0}, "num_labels. Expected: an integer of at least 1. Received: 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        EfficientViT(**arguments)
