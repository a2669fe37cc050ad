"""ViT against the published size and a float64 forward pass on a state dict of timm's naming."""

import numpy as np
import pytest
from keras import ops
from scipy.special import erf

from xraylab import models
from xraylab.models.convert.vit import IMAGENET_MEAN, IMAGENET_STD, load_vit
from xraylab.models.cost import recorded_cost

from .random_weights import random_images, random_state


@pytest.mark.parametrize(
    ("name", "width", "published"),
    [
        ("vit_tiny", 192, 5_717_416),
        ("vit_small", 384, 22_050_664),
        ("vit_base", 768, 86_567_656),
    ],
)
def test_size_is_that_of_deit_with_one_channel_and_fewer_labels(name, width, published):
    """Published are three channels and 1000 classes."""
    ours = published - 2 * 16**2 * width - (1000 - 14) * (width + 1)
    assert recorded_cost(name, 224).parameters == ours


def state_shapes(patch_size, side, width, depth, classes, ratio=4):
    """Shapes of a state dict of timm's ``vit_*_patch16`` and ``deit_*_patch16``."""
    shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + side**2, width),
        "patch_embed.proj.weight": (width, 3, patch_size, patch_size),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
        "head.weight": (classes, width),
        "head.bias": (classes,),
    }
    for i in range(depth):
        block = {
            "norm1.weight": (width,),
            "norm1.bias": (width,),
            "attn.qkv.weight": (3 * width, width),
            "attn.qkv.bias": (3 * width,),
            "attn.proj.weight": (width, width),
            "attn.proj.bias": (width,),
            "norm2.weight": (width,),
            "norm2.bias": (width,),
            "mlp.fc1.weight": (ratio * width, width),
            "mlp.fc1.bias": (ratio * width,),
            "mlp.fc2.weight": (width, ratio * width),
            "mlp.fc2.bias": (width,),
        }
        shapes |= {f"blocks.{i}.{name}": shape for name, shape in block.items()}
    return shapes


def reference(images, state, num_heads, depth):
    """Compute the forward pass of timm in NumPy.

    Shapes:
        images: (batch, size, size, 3), standardised; returns logits and tokens.
    """
    state = {name: np.asarray(value, np.float64) for name, value in state.items()}

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        x = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    kernel = state["patch_embed.proj.weight"]
    width, _, patch, _ = kernel.shape
    side = images.shape[1] // patch
    cut = images.reshape(len(images), side, patch, side, patch, 3)
    x = np.einsum("biyjxc,dcyx->bijd", cut, kernel) + state["patch_embed.proj.bias"]
    x = x.reshape(len(images), side**2, width)
    x = np.concatenate([np.repeat(state["cls_token"], len(images), axis=0), x], axis=1)
    x = x + state["pos_embed"]
    for i in range(depth):
        qkv = linear(norm(x, f"blocks.{i}.norm1"), f"blocks.{i}.attn.qkv")
        # As in timm: (batch, tokens, 3, heads, head_dim)
        qkv = qkv.reshape(len(images), -1, 3, num_heads, width // num_heads)
        query, key, value = qkv.transpose(2, 0, 3, 1, 4)
        scores = np.exp(query @ key.swapaxes(2, 3) / np.sqrt(width // num_heads))
        read = scores / scores.sum(-1, keepdims=True) @ value
        read = read.transpose(0, 2, 1, 3).reshape(x.shape)
        x = x + linear(read, f"blocks.{i}.attn.proj")
        hidden = linear(norm(x, f"blocks.{i}.norm2"), f"blocks.{i}.mlp.fc1")
        x = x + linear(hidden * (1 + erf(hidden / np.sqrt(2))) / 2, f"blocks.{i}.mlp.fc2")
    x = norm(x, "norm")
    return linear(x[:, 0], "head"), x


SIZES = {"patch_size": 8, "side": 4, "width": 48, "depth": 2, "classes": 5}


@pytest.fixture(scope="module")
def state():
    return random_state(state_shapes(**SIZES))


def build(name="vit_toy", **options):
    return models.build(
        name, **{"image_size": 32, "num_labels": 5, "patch_size": 8, "depth": 2} | options
    )


@pytest.mark.parametrize("standardised", [True, False])
def test_logits_are_timms(state, standardised):
    """Grey images as colour images of three equal channels, standardised or not."""
    images = random_images(2, 32)
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if standardised else ((0, 0, 0), (1, 1, 1))
    colour = (images.astype(np.float64).repeat(3, axis=-1) - mean) / std
    logits, tokens = reference(colour, state, num_heads=3, depth=2)
    assert 0.1 < np.abs(logits[0] - logits[1]).max() < 10
    model = load_vit(build(), state, mean=mean, std=std)
    out = model(images, return_intermediates=True)
    for name, expected in (("logits", logits), ("tokens", tokens)):
        np.testing.assert_allclose(ops.convert_to_numpy(out[name]), expected, atol=1e-4)
    features = ops.convert_to_numpy(out["features"])
    np.testing.assert_allclose(features[:, 1, 2], tokens[:, 1 + 1 * 4 + 2], atol=1e-4)
    for attention in out["attention"].values():
        np.testing.assert_allclose(ops.convert_to_numpy(attention).sum(-1), 1.0, atol=1e-5)


def test_lt_vit_loads_the_image_encoder(state):
    """Its image tokens are those of the transformer without [CLS]; labels and head are its own."""
    model = build("lt_vit_toy", num_label_blocks=1)
    own = [w.copy() for w in (*model.label_tokens.get_weights(), *model.head.get_weights())]
    load_vit(model, state)
    for before, now in zip(
        own, [*model.label_tokens.get_weights(), *model.head.get_weights()], strict=True
    ):
        np.testing.assert_array_equal(now, before)
    vit = load_vit(build(), state)
    images = random_images(2, 32)
    x = vit.embed(images, False)[0] + vit.positions.table[:, 1:]
    for block in vit.blocks:
        x = block(x)
    tokens = ops.convert_to_numpy(model(images, return_intermediates=True)["image_tokens"])
    np.testing.assert_allclose(tokens, ops.convert_to_numpy(x), atol=1e-5)


def test_rr_vit_with_the_same_blocks_loads_all_but_its_decoder(state):
    options = {"embed_dim": 48, "num_heads": 3, "mlp_ratio": 4, "final_norm": True}
    model = build("rr_vit_toy", **options)
    decoder = model.decoder.get_weights()
    load_vit(model, state)
    np.testing.assert_array_equal(model.decoder.get_weights()[0], decoder[0])
    images = random_images(2, 32)
    np.testing.assert_allclose(model(images), load_vit(build(), state)(images), atol=1e-5)


def test_positions_are_interpolated_to_another_grid(state):
    """Bilinear, in two dimensions, with the centres of the grids' cells on the same image."""
    model = load_vit(build(image_size=64), state, head=False)  # a grid of 8x8 instead of 4x4
    table = ops.convert_to_numpy(model.positions.table)[0]
    np.testing.assert_array_equal(table[0], state["pos_embed"][0, 0])
    grid, known = table[1:].reshape(8, 8, -1), state["pos_embed"][0, 1:].reshape(4, 4, -1)
    np.testing.assert_allclose(grid[0, 0], known[0, 0], atol=1e-6)  # beyond the outermost centres
    rows = 0.75 * known[1] + 0.25 * known[0]  # row 2 of 8 lies at 0.75 of 4
    np.testing.assert_allclose(grid[2, 5], 0.75 * rows[2] + 0.25 * rows[3], atol=1e-6)


def test_a_smaller_patch_is_read_as_if_it_were_enlarged(state):
    """The embedding of a 4x4 patch is that of the patch enlarged to 8x8 by interpolation."""
    model = load_vit(build(image_size=16, patch_size=4), state, mean=(0, 0, 0), std=(1, 1, 1))
    image = np.random.default_rng(0).random((1, 16, 16, 1))
    got = ops.convert_to_numpy(model.embed(image.astype(np.float32), False)[0])[
        0, 6
    ]  # patch (1, 2)
    at = np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3)
    patch = image[0, 4:8, 8:12, 0]
    columns = np.array([np.interp(at, np.arange(4), row) for row in patch])
    enlarged = np.array([np.interp(at, np.arange(4), column) for column in columns.T]).T
    kernel = state["patch_embed.proj.weight"].astype(np.float64).sum(axis=1)
    expected = np.einsum("dyx,yx->d", kernel, enlarged) + state["patch_embed.proj.bias"]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({}, lambda s: without(s, "pos_embed"), "no array 'pos_embed'"),
        ({}, lambda s: without(s, "blocks.1.attn.qkv.bias"), "no array 'blocks.1.attn.q"),
        (
            {},
            lambda s: s | {"dist_token": s["cls_token"]},
            r"1 arrays, the first are \['dist_token'",
        ),
        ({}, lambda s: s | {"pos_embed": s["pos_embed"][:, :-1]}, "a square grid. Received: 16"),
        ({"depth": 1}, dict, "no layer for 16 arrays"),
        ({"num_labels": 3}, dict, "Wrong shape of head.*Pass head=False"),
        ({"embed_dim": 24}, dict, "Wrong shape"),
    ],
)
def test_what_does_not_fit_changes_nothing(state, options, change, message):
    model = build(**options)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        load_vit(model, change(state))
    for former, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(former, now)
    with pytest.raises(ValueError, match=r"a model of class ViT or LTViT\. Received: DBCT"):
        load_vit(models.build("dbct_toy"), state)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 100}, r"a multiple of 8 .*image_size=100. Choose 96 or 104"),
        ({"num_heads": 5}, "num_heads. Expected: a divisor of 48. Received: 5"),
        ({"patch_size": 0}, "patch_size. Expected: an integer of at least 1. Received: 0"),
        ({"depth": -1}, "depth. Expected: an integer of at least 0. Received: -1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build("vit_toy", **arguments)
