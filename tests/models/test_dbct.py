"""DBCT against its reported size and a float64 forward pass without Keras."""

import math

import numpy as np
import pytest
from keras import ops

from xraylab import models


@pytest.mark.parametrize(
    ("image_size", "parameters", "reported", "patch_size"),
    [(64, 2_405_582, "2.41", 8), (128, 2_405_582, "2.41", 8), (224, 2_454_734, "2.45", 16)],
)
def test_size_is_the_reported_one(image_size, parameters, reported, patch_size):
    model = models.build("dbct", image_size=image_size)
    assert model.count_params() == parameters
    assert f"{parameters / 1e6:.2f}" == reported
    assert model.patch_size == patch_size


def patches_of(images, size):
    """Cut images (batch, side, side, channels) into flat patches, one after the other."""
    count = images.shape[1] // size
    cut = [
        images[:, r * size : (r + 1) * size, c * size : (c + 1) * size].reshape(len(images), -1)
        for r in range(count)
        for c in range(count)
    ]
    return np.stack(cut, axis=1)


def norm(x, gamma, beta):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * gamma + beta


def attention(tokens, context, weights, num_heads):
    """Return what the tokens read from the context, head by head, and the maps."""
    w_query, b_query, w_key, b_key, w_value, b_value, w_out, b_out = weights
    query, key, value = tokens @ w_query + b_query, context @ w_key + b_key, context @ w_value
    value = value + b_value
    width = query.shape[-1] // num_heads
    read, maps = [], []
    for part in (slice(h * width, (h + 1) * width) for h in range(num_heads)):
        scores = np.exp(query[..., part] @ key[..., part].swapaxes(1, 2) / np.sqrt(width))
        maps.append(scores / scores.sum(-1, keepdims=True))
        read.append(maps[-1] @ value[..., part])
    return np.concatenate(read, -1) @ w_out + b_out, np.stack(maps, axis=1)


def halve(x, kernel, bias):
    """A 3x3 convolution of stride 2 that pads below and to the right, then ReLU."""
    half = x.shape[1] // 2
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    out = np.zeros((len(x), half, half, kernel.shape[-1])) + bias
    for i in range(3):
        for j in range(3):
            out += padded[:, i : i + 2 * half : 2, j : j + 2 * half : 2] @ kernel[i, j]
    return np.maximum(out, 0)


def reference(images, model):
    """The forward pass on plain arrays, in the order of the slides."""

    def take(layer):
        return [np.asarray(w, np.float64) for w in layer.get_weights()]

    images = 2 * images - 1
    used = 0
    kernel, bias = take(model.patch_embedding)
    used += 2
    x = patches_of(images, model.patch_size) @ kernel + bias
    for n in range(x.shape[1]):
        for i in range(0, model.embed_dim, 2):
            angle = n / 10000 ** (i / model.embed_dim)
            x[:, n, i] += math.sin(angle)
            x[:, n, i + 1] += math.cos(angle)
    for block in model.blocks:
        weights = take(block)
        used += len(weights)
        x = x + attention(*(norm(x, *weights[:2]),) * 2, weights[2:10], model.num_heads)[0]
        hidden = norm(x, *weights[10:12]) @ weights[12] + weights[13]
        hidden = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
        x = x + hidden @ weights[14] + weights[15]

    local = images
    for convolution in model.convolutions:
        local = halve(local, *take(convolution))
        used += 2
    kernel, bias = take(model.local_projection)
    local = local @ kernel + bias
    out = {}
    if model.fusion == "cross_attention":
        context = local.reshape(len(images), -1, model.embed_dim)
        fused, cross = attention(x, context, take(model.cross_attention), model.num_heads)
        out["cross_attention"] = cross
        used += 8
    else:
        side = model.patch_size // 4
        local_tokens = patches_of(local, side).reshape(*x.shape[:2], side**2, model.embed_dim)
        kernel, bias = take(model.fusion_projection)
        fused = np.concatenate([x, local_tokens.mean(axis=2)], axis=-1) @ kernel + bias
        used += 2
    fused = norm(x + fused if model.residual else fused, *take(model.norm))
    kernel, bias = take(model.head)
    used += 2 + 2 + 2
    assert used == len(model.get_weights()), "the reference left weights unused"
    return out | {
        "logits": fused.mean(axis=1) @ kernel + bias,
        "local_features": local,
        "features": fused.reshape(len(images), *(images.shape[1] // model.patch_size,) * 2, -1),
    }


@pytest.fixture(scope="module")
def model():
    """A toy on 32 px: 16 patches attend to 64 local positions."""
    return models.build("dbct_toy", image_size=32, num_labels=5)


@pytest.fixture
def images():
    return np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"residual": False},
        {"patch_size": 16, "depth": 1},
        {"fusion": "concatenation"},
        {"fusion": "concatenation", "residual": False, "patch_size": 4, "depth": 1},
        {"fusion": "concatenation", "patch_size": 16, "depth": 1},
    ],
    ids=str,
)
def test_forward_pass_against_numpy(images, arguments):
    model = models.build("dbct_toy", image_size=32, num_labels=5, **arguments)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.2, w.shape) for w in model.get_weights()])
    expected = reference(images.astype(np.float64), model)
    assert 0.1 < np.abs(expected["logits"]).max() < 10
    out = model(images, return_intermediates=True)
    out |= out["cross_attention"]
    for name, value in expected.items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(out[name]), value, rtol=1e-5, atol=1e-5, err_msg=name
        )


def test_intermediates(model, images):
    plain, full = model(images), model(images, return_intermediates=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(full["logits"]), ops.convert_to_numpy(plain), atol=1e-6
    )
    assert list(full["attention"]) == ["block_0", "block_1"]
    for attention in full["attention"].values():
        assert tuple(attention.shape) == (2, 4, 16, 16)
        np.testing.assert_allclose(ops.convert_to_numpy(attention).sum(-1), 1.0, atol=1e-5)
    assert list(full["cross_attention"]) == ["cross_attention"]
    (cross,) = full["cross_attention"].values()
    assert tuple(cross.shape) == (2, 4, 16, 64)
    np.testing.assert_allclose(ops.convert_to_numpy(cross).sum(-1), 1.0, atol=1e-5)
    assert tuple(full["local_features"].shape) == (2, 8, 8, 64)
    assert tuple(full["features"].shape) == (2, 4, 4, 64)


def test_a_logit_is_the_mean_of_its_map_and_a_bias(model, images):
    """What makes the class activation map of this model exact."""
    out = model(images, return_intermediates=True)
    kernel, bias = model.head.get_weights()
    maps = ops.convert_to_numpy(out["features"]) @ kernel  # (image, row, column, label)
    np.testing.assert_allclose(
        maps.mean(axis=(1, 2)) + bias, ops.convert_to_numpy(out["logits"]), atol=1e-5
    )


def test_cross_attention_is_independent_of_local_positions(model, images):
    """The local tokens carry no position: shuffling them changes nothing."""
    out = model(images, return_intermediates=True)
    x = np.random.default_rng(2).normal(size=(2, 16, 64)).astype(np.float32)
    local = ops.convert_to_numpy(out["local_features"]).reshape(2, 64, 64)
    order = np.random.default_rng(3).permutation(64)
    np.testing.assert_allclose(
        model.cross_attention(x, local), model.cross_attention(x, local[:, order]), atol=1e-6
    )


def test_a_concatenated_patch_reads_local_features_at_its_position_only(images):
    """Without attention between patches, a changed pixel changes its own patch and neighbours."""
    model = models.build("dbct_toy", image_size=32, depth=0, fusion="concatenation")
    changed = images.copy()
    changed[:, 12, 12] += 0.5  # in patch (1, 1), and in no other's receptive field
    before, after = (
        ops.convert_to_numpy(model(x, return_intermediates=True)["features"])
        for x in (images, changed)
    )
    moved = np.abs(after - before).max(axis=(0, 3)) > 1e-6
    assert moved.sum() == moved[1, 1] == 1


@pytest.mark.parametrize(
    ("residual", "depends"), [(False, False), (True, True)], ids=["without", "with"]
)
def test_patch_content_matters_only_with_the_residual(images, residual, depends):
    """If all local tokens are equal, the cross-attention is the same for every patch."""
    model = models.build("dbct_toy", image_size=32, residual=residual)
    model.local_projection.set_weights([np.zeros((16, 64)), np.ones(64)])
    first, second = ops.convert_to_numpy(model(images))
    assert (np.abs(first - second).max() > 1e-4) == depends


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"image_size": 60},
            r"a multiple of 8 \(whole patches of 8 px, and 4 px per local token\). Received: "
            "image_size=60. Choose 56 or 64",
        ),
        ({"image_size": 66, "patch_size": 6}, "a multiple of 12 .* Choose 60 or 72"),
        ({"image_size": 0}, "image_size. Expected: an integer of at least 1. Received: 0"),
        ({"patch_size": 0}, "patch_size. Expected: an integer of at least 1. Received: 0"),
        ({"depth": -1}, "depth. Expected: an integer of at least 0. Received: -1"),
        ({"fusion": "concat"}, "one of 'cross_attention', 'concatenation'. Received: 'concat'"),
        (
            {"fusion": "concatenation", "patch_size": 6, "image_size": 60},
            "patch_size. Expected: a multiple of 4 with fusion='concatenation'. Received: 6",
        ),
        ({"num_heads": 0}, "num_heads. Expected: an integer of at least 1. Received: 0"),
        ({"local_channels": (8, 0)}, r"local_channels\[1\]. Expected: an integer"),
        ({"num_labels": 0}, "num_labels. Expected: an integer of at least 1. Received: 0"),
        ({"num_heads": 3}, "num_heads. Expected: a divisor of 256. Received: 3"),
        ({"num_heads": 3, "embed_dim": 33}, "even embed_dim. Received: embed_dim=33"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build("dbct", **arguments)
