"""LT-ViT against its size, a joint masked attention in float64, and what must not depend on what.

The reference is another formulation on purpose: one attention over image and label tokens at once,
with minus infinity from every image token to every label token.
"""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import ops

from xraylab import models
from xraylab.layers import TransformerBlock, patchify
from xraylab.layers.transformer import recorder
from xraylab.models.lt_vit import LTViT

from .conftest import EVERY_MODEL, full_size

SMALL = {"image_size": 16, "num_labels": 5, "patch_size": 4, "embed_dim": 12, "depth": 4}
SMALL |= {"num_heads": 3, "mlp_ratio": 2, "num_label_blocks": 2}

needs_tape = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="reads gradients off a tape"
)


def small(seed=0, **options):
    """A model of 16 patches, every weight of it random, and three images for it."""
    rng = np.random.default_rng(seed)
    model = LTViT(**SMALL | options)
    model.build((None, 16, 16, 1))
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model, rng.random((3, 16, 16, 1)).astype(np.float32)


# -- Size --


def counted(width, num_patches, patch_size, num_labels, depth=12, ratio=4):
    """Parameters, added up part by part."""
    linear = lambda into, out: into * out + out  # noqa: E731
    attention = 4 * linear(width, width)
    mlp = linear(width, ratio * width) + linear(ratio * width, width)
    norm = 2 * width
    image = linear(patch_size**2, width) + num_patches * width
    labels = num_labels * (width + width + 1)  # a token, a weight vector and a bias each
    return image + depth * (attention + mlp + 2 * norm) + norm + labels


@pytest.mark.parametrize(
    ("name", "width", "image_size", "patch_size", "parameters"),
    [
        ("lt_vit_tiny", 192, 64, 8, 5_368_910),
        ("lt_vit_tiny", 192, 128, 8, 5_405_774),
        ("lt_vit_tiny", 192, 224, 16, 5_431_118),
        pytest.param("lt_vit_small", 384, 224, 16, 21_479_054, marks=full_size),
        pytest.param("lt_vit_base", 768, 224, 16, 85_425_422, marks=full_size),
    ],
)
def test_size(name, width, image_size, patch_size, parameters):
    model = models.build(name, image_size=image_size)
    assert model.count_params() == parameters
    assert parameters == counted(width, (image_size // patch_size) ** 2, patch_size, 14)


@pytest.mark.parametrize(
    ("width", "published"), [(192, 5_717_416), (384, 22_050_664), (768, 86_567_656)]
)
def test_the_backbone_is_deit(width, published):
    """DeiT of three channels, [CLS] and 1000 classes, less what we leave out, plus the labels."""
    three_channels, class_token, classes = 2 * 16**2 * width, 2 * width, 1000 * (width + 1)
    backbone = published - three_channels - class_token - classes
    assert counted(width, 196, 16, 14) == backbone + 14 * (2 * width + 1)


@pytest.mark.parametrize(("image_size", "patches"), [(28, 49), (32, 64), (64, 64), (128, 256)])
def test_patches_are_small_on_small_images(image_size, patches):
    model = models.build("lt_vit_toy", image_size=image_size, depth=2)
    assert model.positions.table.shape[1] == patches


@pytest.mark.parametrize("num_labels", [1, 120])
def test_any_number_of_labels(num_labels):
    model = models.build("lt_vit_toy", image_size=32, num_labels=num_labels, depth=2)
    images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    out = model(images, return_intermediates=True)
    assert tuple(out["logits"].shape) == (2, num_labels)
    assert tuple(out["label_attention"]["block_1"].shape) == (2, 3, num_labels, 64 + num_labels)
    more = models.build("lt_vit_toy", image_size=32, num_labels=num_labels + 1, depth=2)
    assert more.count_params() - model.count_params() == 2 * 48 + 1


# -- The forward pass --


def layer_norm(x, gamma, beta):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * gamma + beta


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))) / 2


def masked_block(x, weights, num_heads, mask):
    """A transformer block on all tokens at once; the mask is added to the scores."""
    normed = layer_norm(x, next(weights), next(weights))
    query, key, value = (normed @ next(weights) + next(weights) for _ in range(3))
    width, read, maps = x.shape[-1] // num_heads, [], []
    for h in range(num_heads):
        part = slice(h * width, (h + 1) * width)
        scores = query[..., part] @ key[..., part].swapaxes(1, 2) / np.sqrt(width) + mask
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        maps.append(scores / scores.sum(-1, keepdims=True))
        read.append(maps[-1] @ value[..., part])
    x = x + np.concatenate(read, axis=-1) @ next(weights) + next(weights)
    hidden = gelu(layer_norm(x, next(weights), next(weights)) @ next(weights) + next(weights))
    return x + hidden @ next(weights) + next(weights), np.stack(maps, axis=1)


def reference(images, model):
    """The whole forward pass on plain arrays; what it returns is named as in the model."""
    arrays = [np.asarray(w, np.float64) for w in model.get_weights()]
    weights = iter(arrays[:4])
    blocks = [arrays[4 + 16 * i : 20 + 16 * i] for i in range(model.depth)]
    batch, side, _, _ = images.shape
    p, count = model.patch_size, side // model.patch_size
    patches = [
        images[:, r * p : (r + 1) * p, c * p : (c + 1) * p].reshape(batch, -1)
        for r in range(count)
        for c in range(count)
    ]
    x = np.stack(patches, axis=1) @ next(weights) + next(weights)
    x = x + next(weights)
    num_patches, num_labels = count**2, model.num_labels
    tokens = np.repeat(next(weights), batch, axis=0)
    # Rows read, columns are read: image tokens read no label.
    mask = np.zeros((num_patches + num_labels,) * 2)
    two_way, late = (model.label_attention == name for name in ("bidirectional", "late"))
    if not two_way:
        mask[:num_patches, num_patches:] = -np.inf
    if not model.label_self_attention:
        mask[num_patches:, num_patches:] = -np.inf
    first, behind = model.first_label_block, model.first_label_block + model.num_label_blocks
    states, attention, label_attention = [x], {}, {}
    keys = None if model.label_self_attention else num_patches
    for i in range(model.depth):
        if i == first and not late:
            x = np.concatenate([x, tokens], axis=1)
        joint = first <= i < behind and not late
        rows = mask if joint else mask[:num_patches, :num_patches]
        x, maps = masked_block(x, iter(blocks[i]), model.num_heads, rows)
        states.append(x[:, :num_patches])
        attention[f"block_{i}"] = maps[:, :, :num_patches, : None if two_way else num_patches]
        if joint:
            label_attention[f"block_{i}"] = maps[:, :, num_patches:, :keys]
        if i == behind - 1 and not late:
            x, labels = x[:, :num_patches], x[:, num_patches:]
    if late:  # a decoder after the whole encoder
        labels = tokens
        for i in range(first, behind):
            joined = np.concatenate([x, labels], axis=1)
            joined, maps = masked_block(joined, iter(blocks[i]), model.num_heads, mask)
            labels = joined[:, num_patches:]
            label_attention[f"block_{i}"] = maps[:, :, num_patches:, :keys]
    gamma, beta, kernel, bias = arrays[4 + 16 * model.depth :]
    mean = (states[2] + states[3] + states[4]) / 3
    normed = layer_norm(labels, gamma, beta)
    return {
        "logits": np.stack([normed[:, k] @ kernel[:, k] + bias[k] for k in range(num_labels)], 1),
        "label_tokens": labels,
        "image_tokens": x,
        "features": states[-1 if late else behind - 1].reshape(batch, count, count, -1),
        "encoded": layer_norm(mean, gamma, beta),
        "attention": attention,
        "label_attention": label_attention,
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_labels": 1},
        {"label_self_attention": False},
        {"num_label_blocks": 4},
        {"num_label_blocks": 1},
        {"first_label_block": 1},
        {"stop_gradient_to_image": True},
        {"label_attention": "bidirectional"},
        {"label_attention": "bidirectional", "label_self_attention": False, "first_label_block": 1},
        {"label_attention": "late"},
        {"label_attention": "late", "label_self_attention": False, "first_label_block": 0},
    ],
    ids=str,
)
def test_forward_pass_is_a_joint_attention_under_a_mask(options):
    model, images = small(**options)
    expected = reference(images.astype(np.float64), model)
    out = model(images, return_intermediates=True)
    for kind in ("attention", "label_attention"):
        maps = expected.pop(kind)
        assert list(maps) == list(out[kind])
        for name, value in maps.items():
            found = ops.convert_to_numpy(out[kind][name])
            np.testing.assert_allclose(found, value, atol=1e-5)
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(images)), ops.convert_to_numpy(out["logits"]), atol=1e-5
    )
    for name, value in expected.items():
        scale = max(1, np.abs(value).max())
        np.testing.assert_allclose(
            ops.convert_to_numpy(out[name]) / scale, value / scale, atol=1e-5, err_msg=name
        )
    encoded = ops.convert_to_numpy(model.encode(images))
    same = np.allclose(encoded, expected["encoded"], atol=1e-5)
    assert same == (model.label_attention != "bidirectional")


def test_which_blocks_are_encoded():
    """6, 8, 10 and 12 of 12, as the source of pre-training has it."""
    assert LTViT().encoded_blocks == [6, 8, 10, 12]
    assert LTViT(depth=6).encoded_blocks == [3, 4, 5, 6]
    assert LTViT(depth=2, num_label_blocks=1).encoded_blocks == [1, 2]


# -- What must not depend on what --


def three_blocks(**options):
    """The toy with half of its blocks, which compiles in half the time."""
    model = models.build("lt_vit_toy", depth=3, **options)
    return model, np.random.default_rng(0).random((3, 64, 64, 1)).astype(np.float32)


def plain_vit(model, images):
    """The same weights as a vision transformer without label tokens."""
    x = model.positions(model.patch_embedding(patchify(images, model.patch_size)))
    maps = {}
    for block in model.blocks:
        transform = recorder(block.name, None, maps)
        x = TransformerBlock.call(block, x, attention_transform=transform)
    return x, list(maps.values())


@needs_tape
@pytest.mark.parametrize(
    ("how", "label_attention"),
    [
        ("eager", "one_way"),
        ("eager", "late"),
        *itertools.product(["graph", "compiled"], ["one_way", "late"] * EVERY_MODEL),
    ],
)
def test_image_tokens_are_those_without_labels_bit_for_bit(how, label_attention):
    import tensorflow as tf

    wrap = {
        "eager": lambda f: f,
        "graph": tf.function,
        "compiled": lambda f: tf.function(f, jit_compile=True),
    }[how]
    model, images = three_blocks(label_attention=label_attention)
    with_labels = wrap(lambda x: model(x, return_intermediates=True))(images)
    without, maps = wrap(lambda x: plain_vit(model, x))(images)
    np.testing.assert_array_equal(with_labels["image_tokens"], without)
    for attention, alone in zip(with_labels["attention"].values(), maps, strict=True):
        np.testing.assert_array_equal(attention, alone)
    encoded = wrap(model.encode)(images)
    np.testing.assert_array_equal(with_labels["encoded"], encoded)


JAX = """
import jax, keras, numpy as np
from keras import ops
assert keras.backend.backend() == "jax"
from tests.models.test_lt_vit import plain_vit, three_blocks

model, images = three_blocks()
for wrap in (lambda f: f, jax.jit):
    out = wrap(lambda x: model(x, return_intermediates=True))(images)
    alone, maps = wrap(lambda x: plain_vit(model, x))(images)
    np.testing.assert_array_equal(out["image_tokens"], alone)
    for attention, other in zip(out["attention"].values(), maps, strict=True):
        np.testing.assert_array_equal(attention, other)

def image_loss(tokens):
    variables = [tokens if v is model.label_tokens.tokens else v.value for v in model.variables]
    pairs = list(zip(model.variables, variables))
    with keras.StatelessScope(state_mapping=pairs):
        return ops.sum(ops.square(model(images, return_intermediates=True)["image_tokens"]))

gradient = jax.grad(image_loss)(model.label_tokens.tokens.value)
np.testing.assert_array_equal(gradient, 0)
"""


@pytest.mark.long
def test_the_same_on_jax(run_on_jax):
    run_on_jax(JAX)


@pytest.mark.parametrize("label_attention", ["one_way", "bidirectional", "late"])
def test_label_tokens_leave_the_image_tokens_alone_unless_bidirectional(label_attention):
    model, images = small(label_attention=label_attention)
    before = model(images, return_intermediates=True)
    model.label_tokens.tokens.assign(ops.ones_like(model.label_tokens.tokens) * 3)
    after = model(images, return_intermediates=True)
    for name in ("image_tokens", "features", "encoded"):
        first, second = map(ops.convert_to_numpy, (before[name], after[name]))
        assert np.array_equal(first, second) == (label_attention != "bidirectional"), name
    assert np.abs(ops.convert_to_numpy(before["logits"] - after["logits"])).min() > 1e-3


def gradients(model, images, loss):
    """Gradients by the path of the variable; None where no path leads."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = loss(model(images, return_intermediates=True))
    found = tape.gradient(value, [v.value for v in model.trainable_variables])
    return {v.path: g for v, g in zip(model.trainable_variables, found, strict=True)}


@needs_tape
def test_no_gradient_reaches_a_label_token_from_the_image():
    model, images = small()
    by_image = gradients(model, images, lambda out: ops.sum(ops.square(out["image_tokens"])))
    unreached = {path.rsplit("/", 2)[-2] for path, g in by_image.items() if g is None}
    assert unreached == {"label_tokens", "norm", "head"}
    by_label = gradients(model, images, lambda out: ops.sum(ops.square(out["logits"])))
    assert all(np.abs(g).max() > 0 for g in by_label.values())


@needs_tape
def test_label_gradients_can_be_kept_from_the_image():
    model, images = small(stop_gradient_to_image=True)
    found = gradients(model, images, lambda out: ops.sum(ops.square(out["logits"])))
    before = ("patch_embedding", "positions", "block_0", "block_1")
    for path, gradient in found.items():
        if any(name in path for name in before):
            assert gradient is None, path
        else:
            assert np.abs(gradient).max() > 0, path


@pytest.mark.parametrize("self_attention", [True, False])
def test_labels_read_each_other_only_by_self_attention(self_attention):
    model, images = small(label_self_attention=self_attention)
    before = ops.convert_to_numpy(model(images))
    tokens = ops.convert_to_numpy(model.label_tokens.tokens).copy()
    tokens[0, 2] = np.random.default_rng(1).normal(size=tokens.shape[-1])
    model.label_tokens.tokens.assign(tokens)
    moved = np.abs(ops.convert_to_numpy(model(images)) - before)
    assert moved[:, 2].min() > 1e-3
    others = np.delete(moved, 2, axis=1)
    assert (others.min() > 1e-5) if self_attention else (others.max() < 1e-6)


def test_permuted_labels_give_permuted_logits():
    model, images = small()
    before = ops.convert_to_numpy(model(images))
    order = [3, 0, 4, 1, 2]
    for variable, axis in (
        (model.label_tokens.tokens, 1),
        (model.head.kernel, 1),
        (model.head.bias, 0),
    ):
        variable.assign(np.take(ops.convert_to_numpy(variable), order, axis))
    np.testing.assert_allclose(ops.convert_to_numpy(model(images)), before[:, order], atol=1e-5)


# -- Intermediates and arguments --


def test_intermediates():
    model = models.build("lt_vit_toy", num_labels=7)
    images = np.random.default_rng(0).random((2, 64, 64, 1)).astype(np.float32)
    plain, full = model(images), model(images, return_intermediates=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(full["logits"]), ops.convert_to_numpy(plain), atol=1e-6
    )
    shapes = {"image_tokens": (2, 64, 48), "encoded": (2, 64, 48), "features": (2, 8, 8, 48)}
    for name, shape in (shapes | {"label_tokens": (2, 7, 48)}).items():
        assert tuple(full[name].shape) == shape, name
    assert list(full["attention"]) == [f"block_{i}" for i in range(6)]
    assert list(full["label_attention"]) == ["block_4", "block_5"]
    for maps, shape in (("attention", (2, 3, 64, 64)), ("label_attention", (2, 3, 7, 71))):
        for attention in full[maps].values():
            assert tuple(attention.shape) == shape
            np.testing.assert_allclose(ops.convert_to_numpy(attention).sum(-1), 1.0, atol=1e-5)


def test_image_tokens_pass_the_last_block_only_for_intermediates(monkeypatch):
    """No logit depends on what the last label block would do to the image."""
    model, images = small()
    calls = []
    own = TransformerBlock.call

    def recorded(block, tokens, context, *options):
        if context is None:  # image tokens
            calls.append(block.name)
        return own(block, tokens, context, *options)

    monkeypatch.setattr(TransformerBlock, "call", recorded)
    model(images)
    assert calls == ["block_0", "block_1", "block_2"]
    model(images, return_intermediates=True)
    assert calls[3:] == ["block_0", "block_1", "block_2", "block_3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 30}, r"a multiple of 4 \(whole patches\). Received: image_size=30"),
        ({"image_size": 100}, r"a multiple of 8 .*image_size=100. Choose 96 or 104"),
        ({"num_labels": 0}, "num_labels. Expected: an integer of at least 1. Received: 0"),
        ({"num_heads": 5}, "num_heads. Expected: a divisor of 192. Received: 5"),
        ({"num_heads": 0}, "num_heads. Expected: an integer of at least 1. Received: 0"),
        ({"depth": -1}, "depth. Expected: an integer of at least 1. Received: -1"),
        ({"patch_size": 0}, "patch_size. Expected: an integer of at least 1. Received: 0"),
        (
            {"num_label_blocks": 13},
            "an integer from 1 to 12. Received: 13",
        ),
        (
            {"num_label_blocks": 0},
            "an integer from 1 to 12. Received: 0",
        ),
        (
            {"label_attention": "both"},
            "one of 'one_way', 'bidirectional', 'late'. Received: 'both'",
        ),
        (
            {"first_label_block": 9},
            "an integer from 0 to 8. Received: 9",
        ),
        (
            {"first_label_block": -1},
            "an integer from 0 to 8. Received: -1",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build("lt_vit_tiny", **arguments)
