"""RR-ViT against its reported size and a float64 forward pass without Keras."""

import numpy as np
import pytest
from keras import ops

from xraylab import models


@pytest.mark.parametrize(
    ("image_size", "parameters", "reported"),
    [(64, 292_046, "0.29"), (128, 316_622, "0.32"), (224, 384_206, "0.38")],
)
def test_size_is_the_reported_one(image_size, parameters, reported):
    model = models.build("rr_vit", image_size=image_size)
    assert model.count_params() == parameters
    assert f"{parameters / 1e6:.2f}" == reported


def reference(images, weights, *, depth, num_heads, patch_size):
    """The forward pass on plain arrays, weights in the order in which the slides name the parts."""
    weights = iter(np.asarray(w, np.float64) for w in weights)
    batch, side = images.shape[:2]
    count = side // patch_size
    patches = np.stack(
        [
            images[:, r * patch_size : (r + 1) * patch_size, c * patch_size : (c + 1) * patch_size]
            for r in range(count)
            for c in range(count)
        ],
        axis=1,
    ).reshape(batch, count**2, -1)
    x = patches @ next(weights) + next(weights)
    x = np.concatenate([np.repeat(next(weights), batch, axis=0), x], axis=1) + next(weights)
    width = x.shape[-1] // num_heads
    for _ in range(depth):
        gamma, beta = next(weights), next(weights)
        centred = x - x.mean(-1, keepdims=True)
        normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * gamma + beta
        query, key, value = (normed @ next(weights) + next(weights) for _ in range(3))
        heads = []
        for h in range(num_heads):
            part = slice(h * width, (h + 1) * width)
            scores = query[..., part] @ key[..., part].swapaxes(1, 2) / np.sqrt(width)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(scores / scores.sum(-1, keepdims=True) @ value[..., part])
        x = x + np.concatenate(heads, axis=-1) @ next(weights) + next(weights)
    pixels = x[:, 1:] @ next(weights) + next(weights)
    logits = x[:, 0] @ next(weights) + next(weights)
    rebuilt = np.zeros_like(images)
    for patch in range(count**2):
        r, c = divmod(patch, count)
        block = pixels[:, patch].reshape(batch, patch_size, patch_size, 1)
        rebuilt[:, r * patch_size : (r + 1) * patch_size, c * patch_size : (c + 1) * patch_size] = (
            block
        )
    assert next(weights, None) is None, "the reference left weights unused"
    return logits, rebuilt


def test_forward_pass_against_numpy():
    model = models.build("rr_vit", image_size=32, num_labels=5)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.1, w.shape) for w in model.get_weights()])
    weights = [v for v in model.weights if "seed_generator" not in v.path]
    images = rng.random((3, 32, 32, 1))
    logits, rebuilt = reference(images, weights, depth=4, num_heads=4, patch_size=8)
    out = model(images.astype(np.float32), return_intermediates=True)
    np.testing.assert_allclose(ops.convert_to_numpy(out["logits"]), logits, atol=1e-4)
    np.testing.assert_allclose(ops.convert_to_numpy(out["reconstruction"]), rebuilt, atol=1e-4)


def test_intermediates():
    model = models.build("rr_vit", image_size=32)
    images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    plain, full = model(images), model(images, return_intermediates=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(full["logits"]), ops.convert_to_numpy(plain), atol=1e-6
    )
    assert list(full["attention"]) == ["block_0", "block_1", "block_2", "block_3"]
    for attention in full["attention"].values():
        assert tuple(attention.shape) == (2, 4, 17, 17)
        np.testing.assert_allclose(ops.convert_to_numpy(attention).sum(-1), 1.0, atol=1e-5)
    assert tuple(full["tokens"].shape) == (2, 17, 128)


def test_without_positions_the_logits_ignore_patch_order():
    """What the position table is for, shown by taking it away."""
    model = models.build("rr_vit", image_size=32)
    images = np.random.default_rng(0).random((1, 32, 32, 1)).astype(np.float32)
    swapped = np.concatenate([images[:, 16:], images[:, :16]], axis=1)

    def difference():
        first, second = (ops.convert_to_numpy(model(x)) for x in (images, swapped))
        return np.abs(first - second).max()

    model.positions.table.assign(np.random.default_rng(1).normal(size=model.positions.table.shape))
    assert difference() > 1e-3
    model.positions.table.assign(ops.zeros_like(model.positions.table))
    assert difference() < 1e-5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"image_size": 60},
            r"a multiple of 8 \(whole patches\). Received: image_size=60. Choose 56 or 64",
        ),
        ({"image_size": 0}, "image_size. Expected: an integer of at least 1. Received: 0"),
        ({"num_labels": 0}, "num_labels. Expected: an integer of at least 1. Received: 0"),
        ({"num_heads": 3}, "num_heads. Expected: a divisor of 128. Received: 3"),
        ({"num_heads": 0}, "num_heads. Expected: an integer of at least 1. Received: 0"),
        ({"embed_dim": 6.5}, "embed_dim. Expected: an integer of at least 1. Received: 6.5"),
        ({"depth": -1}, "depth. Expected: an integer of at least 0. Received: -1"),
        ({"patch_size": 0}, "patch_size. Expected: an integer of at least 1. Received: 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build("rr_vit", **arguments)
