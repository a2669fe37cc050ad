"""MedViT against its published size, and against NumPy in float64 that reads the public names.

The reference takes PyTorch's arrays, (out, in, h, w) and (channels, height, width); the layers get
the same arrays through the converter. So a wrong layer shows, and so does a wrong name or axis.
"""

from unittest import mock

import keras
import numpy as np
import pytest
from keras import ops

from xraylab import models
from xraylab.layers.transformer import recorder
from xraylab.models import medvit
from xraylab.models.convert import medvit as convert_medvit
from xraylab.models.convert.state_dict import load_state_dict
from xraylab.models.medvit import (
    ECB,
    EMHSA,
    LFFN,
    LTB,
    MHCA,
    GroupedConvolution,
    MedViT,
    PatchEmbedding,
)

from .conftest import full_size

TOY = {
    "stem": (16, 16, 32, 32),
    "stages": [(32, 0, 1, 1, 8), (32, 64, 1, 1, 4), (48, 64, 1, 2, 2), (48, 80, 1, 1, 1)],
    "head_dim": 16,
}


def published(rounds):
    """(ECB width, LTB width, ECBs a round, rounds, sr ratio) of each stage."""
    return {
        "stem": (64, 32, 64, 64),
        "stages": [(96, 0, 3, 1, 8), (192, 256, 3, 1, 4), (384, 512, 4, rounds, 2),
                   (768, 1024, 2, 1, 1)],
        "head_dim": 32,
    }  # fmt: skip


# The names and shapes of the public state dict.


def norm_shapes(prefix, channels):
    ours = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (channels,))
    return {f"{prefix}.{key}": shape for key, shape in ours.items()} | {
        f"{prefix}.num_batches_tracked": ()
    }


def linear_shapes(prefix, inputs, outputs):
    return {f"{prefix}.weight": (outputs, inputs), f"{prefix}.bias": (outputs,)}


def conv_shapes(prefix, inputs, outputs, size=1):
    return {f"{prefix}.weight": (outputs, inputs, size, size)}


def change_shapes(prefix, inputs, outputs, strides):
    if strides == 1 and inputs == outputs:
        return {}
    return conv_shapes(f"{prefix}.conv", inputs, outputs) | norm_shapes(f"{prefix}.norm", outputs)


def mhca_shapes(prefix, channels, head_dim):
    return {
        **conv_shapes(f"{prefix}.group_conv3x3", head_dim, channels, 3),
        **norm_shapes(f"{prefix}.norm", channels),
        **conv_shapes(f"{prefix}.projection", channels, channels),
    }


def lffn_shapes(prefix, channels, ratio):
    hidden = channels * ratio
    return {
        **conv_shapes(f"{prefix}.0", channels, hidden),
        **norm_shapes(f"{prefix}.1", hidden),
        **conv_shapes(f"{prefix}.3", 1, hidden, 3),
        **norm_shapes(f"{prefix}.4", hidden),
        **linear_shapes(f"{prefix}.6.fc.0", hidden, ratio),
        **linear_shapes(f"{prefix}.6.fc.2", ratio, hidden),
        **conv_shapes(f"{prefix}.7", hidden, channels),
        **norm_shapes(f"{prefix}.8", channels),
    }


def emhsa_shapes(prefix, width, sr_ratio):
    shapes = {}
    for name in ("q", "k", "v", "proj"):
        shapes |= linear_shapes(f"{prefix}.{name}", width, width)
    return shapes | (norm_shapes(f"{prefix}.norm", width) if sr_ratio > 1 else {})


def ecb_shapes(prefix, inputs, channels, strides, head_dim):
    return {
        **change_shapes(f"{prefix}.patch_embed", inputs, channels, strides),
        **mhca_shapes(f"{prefix}.mhca", channels, head_dim),
        **lffn_shapes(f"{prefix}.conv.conv", channels, 3),
        **norm_shapes(f"{prefix}.norm", channels),
    }


# 0.75 of each width, rounded to whole heads: worked out by hand.
WIDTH_OF_ATTENTION = {64: 48, 80: 64, 256: 192, 512: 384, 1024: 768}


def ltb_shapes(prefix, inputs, channels, strides, sr_ratio, head_dim):
    width = WIDTH_OF_ATTENTION[channels]
    return {
        **change_shapes(f"{prefix}.patch_embed", inputs, width, strides),
        **norm_shapes(f"{prefix}.norm1", width),
        **emhsa_shapes(f"{prefix}.e_mhsa", width, sr_ratio),
        **change_shapes(f"{prefix}.projection", width, channels - width, 1),
        **mhca_shapes(f"{prefix}.mhca", channels - width, head_dim),
        **norm_shapes(f"{prefix}.norm2", channels),
        **lffn_shapes(f"{prefix}.conv.conv", channels, 2),
    }


def blocks_of(design):
    """(is LTB, inputs, channels, strides, sr ratio) of each block in turn."""
    inputs = design["stem"][-1]
    for stage, (ecb, ltb, count, rounds, sr_ratio) in enumerate(design["stages"]):
        widths = ([(False, ecb)] * count + ([(True, ltb)] if ltb else [])) * rounds
        for index, (is_ltb, channels) in enumerate(widths):
            yield is_ltb, inputs, channels, 2 if stage and not index else 1, sr_ratio
            inputs = channels


def model_shapes(design, num_labels):
    shapes, inputs = {}, 3
    for i, channels in enumerate(design["stem"]):
        shapes |= conv_shapes(f"stem.{i}.conv", inputs, channels, 3)
        shapes |= norm_shapes(f"stem.{i}.norm", channels)
        inputs = channels
    for i, (is_ltb, *sizes, sr_ratio) in enumerate(blocks_of(design)):
        prefix, head_dim = f"features.{i}", design["head_dim"]
        if is_ltb:
            shapes |= ltb_shapes(prefix, *sizes, sr_ratio, head_dim)
        else:
            shapes |= ecb_shapes(prefix, *sizes, head_dim)
    last = sizes[1]
    return shapes | norm_shapes("norm", last) | linear_shapes("proj_head.0", last, num_labels)


def draw(shapes, seed=0):
    """Random arrays of those shapes: activations stay near one, attention is far from even."""
    rng, arrays = np.random.default_rng(seed), {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            arrays[name] = np.array(7)
        elif name.endswith("running_var"):
            arrays[name] = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            arrays[name] = rng.normal(0.8 if name.endswith("weight") else 0, 0.3, shape)
        else:
            arrays[name] = rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
    # What a float32 variable can hold, so that the comparison measures the arithmetic alone.
    return {name: np.float64(np.float32(array)) for name, array in arrays.items()}


# The forward pass on (batch, channels, height, width).


def conv(x, weight, strides=1):
    outputs, per_group, size, _ = weight.shape
    groups = x.shape[1] // per_group
    x = np.pad(x, ((0, 0), (0, 0), (size // 2,) * 2, (size // 2,) * 2))
    height, width = ((side - size) // strides + 1 for side in x.shape[2:])
    parts = []
    for g in range(groups):
        some = x[:, g * per_group : (g + 1) * per_group]
        kernel = weight[g * outputs // groups : (g + 1) * outputs // groups]
        part = np.zeros((len(x), len(kernel), height, width))
        for i in range(size):
            for j in range(size):
                rows = slice(i, i + strides * (height - 1) + 1, strides)
                columns = slice(j, j + strides * (width - 1) + 1, strides)
                part += np.einsum("bihw,oi->bohw", some[:, :, rows, columns], kernel[:, :, i, j])
        parts.append(part)
    return np.concatenate(parts, axis=1)


class Calibrating(dict):
    """A state dict whose running variances become the mean squares of the next forward pass.

    Otherwise values grow from block to block, attention scores with them, and a saturated softmax
    magnifies rounding errors.
    """


def calibrated(arrays, images, design):
    arrays = Calibrating(arrays)
    whole(arrays, images, design)
    return dict(arrays)


def norm(p, prefix, x):
    """Channels are axis 1."""
    if isinstance(p, Calibrating):
        axes = (0, *range(2, x.ndim))
        mean = p[f"{prefix}.running_mean"].reshape(-1, *[1] * (x.ndim - 2))
        squares = np.square(x - mean).mean(axes)
        squares = np.maximum(squares, squares.mean() / 4)
        p[f"{prefix}.running_var"] = np.float64(np.float32(squares))
    weight, bias, mean, variance = (
        p[f"{prefix}.{key}"].reshape(-1, *[1] * (x.ndim - 2))
        for key in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * weight + bias


def linear(p, prefix, x):
    return x @ p[f"{prefix}.weight"].T + p[f"{prefix}.bias"]


def hard_sigmoid(x):
    return np.clip(x + 3, 0, 6) / 6


def change(p, prefix, x, strides=1):
    if strides == 2:
        ragged = np.pad(x, ((0, 0), (0, 0), (0, x.shape[2] % 2), (0, x.shape[3] % 2)),
                        constant_values=np.nan)  # fmt: skip
        b, c, h, w = ragged.shape
        x = np.nanmean(ragged.reshape(b, c, h // 2, 2, w // 2, 2), axis=(3, 5))
    if f"{prefix}.conv.weight" in p:
        x = norm(p, f"{prefix}.norm", conv(x, p[f"{prefix}.conv.weight"]))
    return x


def mhca(p, prefix, x):
    x = norm(p, f"{prefix}.norm", conv(x, p[f"{prefix}.group_conv3x3.weight"]))
    return conv(np.maximum(x, 0), p[f"{prefix}.projection.weight"])


def lffn(p, prefix, u):
    x = norm(p, f"{prefix}.1", conv(u, p[f"{prefix}.0.weight"]))
    x = x * hard_sigmoid(x)
    x = norm(p, f"{prefix}.4", conv(x, p[f"{prefix}.3.weight"]))
    x = x * hard_sigmoid(x)
    hidden = np.maximum(linear(p, f"{prefix}.6.fc.0", x.mean((2, 3))), 0)
    x = x * hard_sigmoid(linear(p, f"{prefix}.6.fc.2", hidden))[:, :, None, None]
    return u + norm(p, f"{prefix}.8", conv(x, p[f"{prefix}.7.weight"]))


def emhsa(p, prefix, tokens, sr_ratio, head_dim):
    context, length = tokens, sr_ratio**2
    if length > 1:
        context = np.stack(
            [
                tokens[:, k * length : (k + 1) * length].mean(1)
                for k in range(tokens.shape[1] // length)
            ],
            axis=1,
        )
        context = norm(p, f"{prefix}.norm", context.swapaxes(1, 2)).swapaxes(1, 2)
    query = linear(p, f"{prefix}.q", tokens)
    key, value = linear(p, f"{prefix}.k", context), linear(p, f"{prefix}.v", context)
    outputs, maps = [], []
    for start in range(0, tokens.shape[-1], head_dim):
        part = slice(start, start + head_dim)
        scores = query[..., part] @ key[..., part].swapaxes(1, 2) / np.sqrt(head_dim)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        maps.append(scores / scores.sum(-1, keepdims=True))
        outputs.append(maps[-1] @ value[..., part])
    return linear(p, f"{prefix}.proj", np.concatenate(outputs, -1)), np.stack(maps, 1)


def ecb(p, prefix, x, strides):
    x = change(p, f"{prefix}.patch_embed", x, strides)
    x = x + mhca(p, f"{prefix}.mhca", x)
    return x + lffn(p, f"{prefix}.conv.conv", norm(p, f"{prefix}.norm", x))


def ltb(p, prefix, x, strides, sr_ratio, head_dim):
    x = change(p, f"{prefix}.patch_embed", x, strides)
    tokens = norm(p, f"{prefix}.norm1", x).reshape(*x.shape[:2], -1).swapaxes(1, 2)
    update, attention = emhsa(p, f"{prefix}.e_mhsa", tokens, sr_ratio, head_dim)
    x = x + update.swapaxes(1, 2).reshape(x.shape)
    z = change(p, f"{prefix}.projection", x)
    z = z + mhca(p, f"{prefix}.mhca", z)
    y = np.concatenate([x, z], axis=1)
    return y + lffn(p, f"{prefix}.conv.conv", norm(p, f"{prefix}.norm2", y)), attention


def whole(p, images, design):
    x = np.repeat(images, 3, axis=-1).transpose(0, 3, 1, 2)
    for i, strides in enumerate((2, 1, 1, 2)):
        x = norm(p, f"stem.{i}.norm", conv(x, p[f"stem.{i}.conv.weight"], strides))
        x = np.maximum(x, 0)
    maps = {}
    for i, (is_ltb, _, _, strides, sr_ratio) in enumerate(blocks_of(design)):
        if is_ltb:
            x, maps[f"block_{i}"] = ltb(
                p, f"features.{i}", x, strides, sr_ratio, design["head_dim"]
            )
        else:
            x = ecb(p, f"features.{i}", x, strides)
    features = norm(p, "norm", x)
    return linear(p, "proj_head.0", features.mean((2, 3))), features, maps


def last_axis(x):
    return x.transpose(0, 2, 3, 1)


def first_axis(x):
    return x.transpose(0, 3, 1, 2)


def loaded(layer, shape, arrays, *, inside="b", called="b", rules=()):
    """Build a layer and give it the arrays "b.…", all of which it must take.

    ``inside`` is the path of the layer in a block, ``called`` its name in the public code.
    """
    layer.build(shape)
    rules = [(r"^", f"{inside}/"), *convert_medvit.RULES, (f"^{called}/", "b/"), *rules]
    load_state_dict(layer, arrays, rules)
    return layer


def compare(got, expected, atol=2e-5):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(ops.convert_to_numpy(got) / scale, expected / scale, atol=atol)


def with_attention(layer, x):
    """Return the output of a layer and its attention map."""
    maps = {}
    got = layer(x, training=False, attention_transform=recorder("map", None, maps))
    return got, maps["map"]


@pytest.fixture
def x():
    return np.float64(np.float32(np.random.default_rng(1).normal(size=(2, 7, 5, 32))))


def test_groups_do_not_mix(x):
    layer = GroupedConvolution(8)
    weight = draw({"b.weight": (32, 8, 3, 3)})
    loaded(layer, x.shape, weight)
    compare(layer(np.float32(x)), last_axis(conv(first_axis(x), weight["b.weight"])))
    changed = x.copy()
    changed[..., 8:16] += 1
    moved = ops.convert_to_numpy(layer(np.float32(changed)) - layer(np.float32(x)))
    assert np.abs(moved).max(axis=(0, 1, 2)).astype(bool).nonzero()[0].tolist() == [*range(8, 16)]


def test_grouped_convolution_in_one_operation_agrees_with_the_loop(monkeypatch):
    outputs, x = [], np.random.default_rng(3).normal(size=(1, 3, 4, 6)).astype("f")
    kernel = np.random.default_rng(4).normal(size=(3, 3, 2, 6)).astype("f")
    for accelerated in (False, True):
        devices = ("gpu:0",) if accelerated else ()
        monkeypatch.setattr(medvit, "accelerators", lambda devices=devices: devices)
        layer = GroupedConvolution(2)
        layer.build(x.shape)
        layer.kernel.assign(kernel)
        with mock.patch.object(ops, "conv", wraps=ops.conv) as conv:
            outputs.append(ops.convert_to_numpy(layer(x)))
        assert conv.call_count == (1 if accelerated else 3)
    assert np.abs(outputs[0]).min() > 0
    np.testing.assert_allclose(*outputs, atol=1e-5)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("filters", [32, 48])
def test_patch_embedding_rounds_odd_maps_up(x, filters, strides):
    arrays = draw(change_shapes("b", 32, filters, strides))
    layer = PatchEmbedding(filters, strides)
    loaded(layer, x.shape, arrays, inside="patch_embedding", called="patch_embed")
    expected = last_axis(change(arrays, "b", first_axis(x), strides))
    compare(layer(np.float32(x), training=False), expected)
    assert layer.compute_output_shape(x.shape) == expected.shape


def test_mhca(x):
    arrays = draw(mhca_shapes("b", 32, 16))
    layer = loaded(MHCA(16), x.shape, arrays, inside="mhca", called="mhca")
    compare(layer(np.float32(x), training=False), last_axis(mhca(arrays, "b", first_axis(x))))


@pytest.mark.parametrize("ratio", [2, 3])
def test_lffn(x, ratio):
    arrays = draw(lffn_shapes("b", 32, ratio))
    layer = loaded(LFFN(ratio), x.shape, arrays, inside="lffn", called="conv/conv")
    compare(layer(np.float32(x), training=False), last_axis(lffn(arrays, "b", first_axis(x))))


@pytest.mark.parametrize(("sr_ratio", "num_keys"), [(1, 35), (2, 8), (4, 2)])
def test_emhsa_pools_the_keys_and_drops_the_rest(x, sr_ratio, num_keys):
    tokens = x.reshape(2, 35, 32)
    arrays = draw(emhsa_shapes("b", 32, sr_ratio))
    layer = EMHSA(16, sr_ratio)
    loaded(layer, tokens.shape, arrays, inside="attention", called="e_mhsa")
    expected, maps = emhsa(arrays, "b", tokens, sr_ratio, 16)
    assert maps.shape == (2, 2, 35, num_keys)
    compare(layer(np.float32(tokens), training=False), expected)
    got, attention = with_attention(layer, np.float32(tokens))
    compare(got, expected)
    compare(attention, maps)


def test_a_key_is_a_strip_and_not_a_square():
    layer = EMHSA(4, 2)
    tokens = np.arange(16, dtype=np.float32).reshape(1, 16, 1)  # a map of 4x4
    pooled = ops.convert_to_numpy(layer.pool(tokens))[0, :, 0]
    assert pooled.tolist() == [1.5, 5.5, 9.5, 13.5]  # the rows; squares would be 2.5, 4.5, …


@pytest.mark.parametrize(("filters", "strides"), [(32, 1), (48, 1), (48, 2)])
def test_ecb(x, filters, strides):
    arrays = draw(ecb_shapes("b", 32, filters, strides, 16))
    layer = loaded(ECB(filters, strides, head_dim=16), x.shape, arrays)
    expected = last_axis(ecb(arrays, "b", first_axis(x), strides))
    compare(layer(np.float32(x), training=False), expected)


@pytest.mark.parametrize(("strides", "sr_ratio"), [(1, 4), (1, 1), (2, 2)])
def test_ltb(x, strides, sr_ratio):
    arrays = draw(ltb_shapes("b", 32, 64, strides, sr_ratio, 16))
    layer = LTB(64, strides, sr_ratio, head_dim=16)
    loaded(layer, x.shape, arrays, rules=[("^b/norm/", "b/norm2/")])
    expected, maps = ltb(arrays, "b", first_axis(x), strides, sr_ratio, 16)
    got, attention = with_attention(layer, np.float32(x))
    compare(got, last_axis(expected))
    compare(attention, maps)
    compare(layer(np.float32(x), training=False), last_axis(expected))


@pytest.fixture(scope="module")
def toy():
    images = np.random.default_rng(0).random((2, 64, 64, 1))
    arrays = calibrated(draw(model_shapes(TOY, 5), seed=2), images, TOY)
    return convert_medvit.load_medvit(models.build("medvit_toy", 64, num_labels=5), arrays), arrays


def test_forward_pass_against_numpy(toy):
    model, arrays = toy
    images = np.random.default_rng(0).random((2, 64, 64, 1))
    logits, features, maps = whole(arrays, images, TOY)
    out = model(np.float32(images), return_intermediates=True)
    compare(out["logits"], logits, atol=1e-4)
    compare(out["features"], last_axis(features), atol=1e-4)
    assert list(out["attention"]) == list(maps)
    for name, attention in out["attention"].items():
        assert maps[name].max() < 0.95, f"the softmax of {name} is saturated"
        np.testing.assert_allclose(attention, maps[name], atol=1e-5)


def test_odd_maps_against_numpy():
    """44 px give maps of 11, 6, 3 and 2: nothing divides, nothing is lost but the last tokens."""
    images = np.random.default_rng(0).random((1, 44, 44, 1))
    arrays = calibrated(draw(model_shapes(TOY, 3), seed=3), images, TOY)
    model = convert_medvit.load_medvit(models.build("medvit_toy", 44, num_labels=3), arrays)
    logits, features, maps = whole(arrays, images, TOY)
    assert features.shape[2:] == (2, 2)
    assert [attention.shape[2:] for attention in maps.values()] == [(36, 2), (9, 2), (9, 2), (4, 4)]
    compare(model(np.float32(images)), logits, atol=1e-4)


def test_intermediates(toy):
    model, _ = toy
    images = np.random.default_rng(0).random((2, 64, 64, 1)).astype(np.float32)
    plain, full = model(images), model(images, return_intermediates=True)
    assert set(full) == {"logits", "attention", "features"}
    np.testing.assert_allclose(full["logits"], plain, atol=1e-6)
    shapes = [(2, 3, 64, 4), (2, 3, 16, 4), (2, 3, 16, 4), (2, 4, 4, 4)]
    assert [tuple(a.shape) for a in full["attention"].values()] == shapes
    for attention in full["attention"].values():
        np.testing.assert_allclose(ops.convert_to_numpy(attention).sum(-1), 1, atol=1e-5)
    # The head takes the mean of the features.
    by_hand = ops.mean(full["features"], axis=(1, 2)) @ model.head.kernel + model.head.bias
    np.testing.assert_allclose(full["logits"], by_hand, atol=1e-4)


def num_trainable(shapes):
    trained = ("weight", "bias")
    return sum(int(np.prod(shape)) for name, shape in shapes.items() if name.endswith(trained))


def test_published_sizes_from_the_list_of_shapes():
    counts = [num_trainable(model_shapes(published(rounds), 14)) for rounds in (2, 4, 6)]
    assert counts == [31_150_790, 44_420_322, 57_689_854]
    assert f"{counts[-1] / 1e6:.2f}" == "57.69"  # what the slides report


def trainable(layer):
    return sum(int(np.prod(v.shape)) for v in layer.trainable_variables)


@full_size
def test_models_have_the_published_size():
    """Only the number of rounds in stage three sets the three models apart."""
    large = models.build("medvit_large", image_size=224)
    assert trainable(large) == 57_689_854
    assert (len(large.blocks), large.drop_path) == (40, 0.2)
    one_round = sum(trainable(block) for block in large.blocks[12:17])
    for name, rounds, drop_path in (("medvit_small", 2, 0.1), ("medvit_base", 4, 0.2)):
        options = {"drop_path": 0.2} | models.spec(name).options
        assert options == {"rounds": [1, 1, rounds, 1], "drop_path": drop_path}
        expected = num_trainable(model_shapes(published(rounds), 14))
        assert trainable(large) - (6 - rounds) * one_round == expected
    rates = [block.drop_path for block in large.blocks]
    np.testing.assert_allclose(rates, np.arange(40) / 39 * 0.2)
    spec = large.compute_output_spec(keras.KerasTensor((1, 224, 224, 1)), return_intermediates=True)
    assert spec["features"].shape == (1, 7, 7, 1024)
    # At 224 px every LTB has 49 keys, whatever the number of its tokens.
    assert {attention.shape[-1] for attention in spec["attention"].values()} == {49}


def test_the_size_of_the_image_enters_no_weight():
    model = models.build("medvit_toy", image_size=224)
    assert trainable(model) == num_trainable(model_shapes(TOY, 14))


def test_a_state_dict_with_another_head():
    arrays = draw(model_shapes(TOY, 1000))
    model = models.build("medvit_toy", 64, num_labels=4)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"Received: \(80, 1000\)\. Pass head=False"):
        convert_medvit.load_medvit(model, arrays)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    head = ops.convert_to_numpy(model.head.kernel)
    convert_medvit.load_medvit(model, arrays, head=False)
    np.testing.assert_array_equal(model.head.kernel, head)
    np.testing.assert_array_equal(model.norm.gamma, np.float32(arrays["norm.weight"]))


def test_weights_are_loaded_from_a_file(tmp_path, toy):
    model, arrays = toy
    np.savez(tmp_path / "medvit.npz", **arrays)
    fresh = models.build("medvit_toy", 64, num_labels=5)
    convert_medvit.load_medvit(fresh, tmp_path / "medvit.npz")
    pairs = zip(fresh.get_weights(), model.get_weights(), strict=True)
    assert all((a == b).all() for a, b in pairs)


def test_the_converter_requires_a_medvit():
    with pytest.raises(ValueError, match=r"a model of class MedViT\. Received: RRViT"):
        convert_medvit.load_medvit(models.build("rr_vit_toy"), {})


def test_a_state_dict_of_another_size_is_refused(toy):
    model, arrays = toy
    with pytest.raises(ValueError, match=r"has no array 'features\.8\.patch_embed"):
        convert_medvit.load_medvit(
            model, {k: v for k, v in arrays.items() if "features.8" not in k}
        )
    with pytest.raises(ValueError, match=r"has no layer for 1 arrays"):
        convert_medvit.load_medvit(model, arrays | {"features.9.norm.weight": np.zeros(3)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"image_size": 24},
            r"at least 25 px \(each stage needs the tokens of one key\)\. Received: image_size=24",
        ),
        ({"num_labels": 0}, "num_labels. Expected: an integer of at least 1. Received: 0"),
        ({"head_dim": 0}, "head_dim. Expected: an integer of at least 1. Received: 0"),
        ({"sr_ratios": (0, 1, 1, 1)}, r"sr_ratios\[0\]. Expected: an integer"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build("medvit_toy", **arguments)


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match=r"group_dim\. Expected: a divisor of 30\. Received: 16"):
        MHCA(16).build((None, 4, 4, 30))


def test_any_size_from_25_px_up():
    for image_size in (25, 28, 100):
        MedViT(image_size, **models.spec("medvit_toy").options)  # the toy runs at 44 px above
