"""Hybrid RR-ViT against its reported size, a float64 forward pass, and itself cut into blocks."""

import re

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import erf

from xraylab import losses, models
from xraylab.layers import attention
from xraylab.models.hybrid_rr_vit import ConvolutionalStem


@pytest.mark.parametrize(
    ("image_size", "parameters", "reported"),
    [(64, 4_459_038, "4.46"), (128, 4_655_646, "4.66"), (224, 5_196_318, None)],
)
def test_size_is_the_reported_one(image_size, parameters, reported):
    """The slides' counts hold the running statistics of the three normalisations: 2 x 352."""
    model = models.build("hybrid_rr_vit", image_size=image_size)
    assert model.count_params() == parameters
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == parameters - 2 * 352
    assert reported is None or f"{parameters / 1e6:.2f}" == reported


def convolved(x, kernel, bias, stride):
    """A 3x3 convolution as a loop over positions; pads one pixel in all, or two, as "same" does."""
    side = x.shape[1] // stride
    before = 1 if stride == 1 else 0
    x = np.pad(x, ((0, 0), (before, 1), (before, 1), (0, 0)))
    out = np.empty((len(x), side, side, kernel.shape[-1]))
    for r in range(side):
        for c in range(side):
            window = x[:, r * stride : r * stride + 3, c * stride : c * stride + 3]
            out[:, r, c] = np.einsum("bijk,ijkf->bf", window, kernel) + bias
    return out


def layer_normalised(x, gamma, beta):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * gamma + beta


def reference(images, layers, *, depth, num_heads, patch_size=4):
    """The forward pass on plain arrays; ``layers`` gives the weights of a layer by its name."""
    x = images
    if "stem" in layers:
        for i, stride in enumerate((2, 2, 1)):
            kernel, bias, gamma, beta, mean, variance = layers["stem"][6 * i : 6 * i + 6]
            x = convolved(x, kernel, bias, stride)
            x = np.maximum((x - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)
    else:
        kernel, bias = layers["patch_embedding"]
        kernel = kernel.reshape(patch_size, patch_size, -1)
        side = images.shape[1] // patch_size
        cut = images.reshape(len(images), side, patch_size, side, patch_size)
        x = np.einsum("bricj,ijd->brcd", cut, kernel) + bias
    batch, side, _, embed_dim = x.shape
    x = x.reshape(batch, side * side, embed_dim)
    x = np.concatenate([np.repeat(layers["class_token"][0], batch, axis=0), x], axis=1)
    x = x + layers["positions"][0]
    width = embed_dim // num_heads
    maps = []
    for i in range(depth):
        weights = iter(layers[f"block_{i}"])
        normed = layer_normalised(x, next(weights), next(weights))
        query, key, value = (normed @ next(weights) + next(weights) for _ in range(3))
        heads, of_heads = [], []
        for h in range(num_heads):
            part = slice(h * width, (h + 1) * width)
            scores = query[..., part] @ key[..., part].swapaxes(1, 2) / np.sqrt(width)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            of_heads.append(scores / scores.sum(-1, keepdims=True))
            heads.append(of_heads[-1] @ value[..., part])
        maps.append(np.stack(of_heads, axis=1))
        x = x + np.concatenate(heads, axis=-1) @ next(weights) + next(weights)
        if len(layers[f"block_{i}"]) > 10:
            normed = layer_normalised(x, next(weights), next(weights))
            hidden = normed @ next(weights) + next(weights)
            hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
            x = x + hidden @ next(weights) + next(weights)
        assert next(weights, None) is None, "the reference left weights unused"
    x = layer_normalised(x, *layers["norm"]) if "norm" in layers else x
    kernel, bias = layers["head"]
    logits = x[:, 0] @ kernel + bias
    kernel, bias = layers["decoder"]
    rebuilt = np.empty_like(images)
    for token in range(side * side):
        r, c = divmod(token, side)
        p = patch_size
        pixels = (x[:, 1 + token] @ kernel + bias).reshape(batch, p, p, 1)
        rebuilt[:, p * r : p * r + p, p * c : p * c + p] = pixels
    return logits, rebuilt, maps


def randomised(model, seed=0):
    """Give every weight and every running statistic a random value; return them by layer."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed_generator" in variable.path:
            continue
        name = variable.path.rsplit("/", 1)[-1]
        if name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 2.0, variable.shape))
        else:
            fan_in = np.prod(variable.shape[:-1]) if name == "kernel" else 4.0
            variable.assign(rng.normal(0, fan_in**-0.5, variable.shape))
    named = {}
    for layer in model.layers:
        if layer.name == "stem":
            pairs = zip(layer.convolutions, layer.norms, strict=True)
            weights = [w for pair in pairs for part in pair for w in part.get_weights()]
        else:
            weights = layer.get_weights()
        named[layer.name] = [np.asarray(w, np.float64) for w in weights]
    return named


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"depth": 1, "num_heads": 1, "mlp_ratio": 3},
        {"mlp_ratio": None, "depth": 1},
        {"stem_filters": None},
        {"stem_filters": None, "patch_size": 8, "final_norm": False},
    ],
    ids=str,
)
def test_forward_pass_against_numpy(options):
    model = models.build("hybrid_rr_vit_toy", image_size=32, num_labels=5, **options)
    layers = randomised(model)
    images = np.random.default_rng(1).random((2, 32, 32, 1))
    sizes = {name: getattr(model, name) for name in ("depth", "num_heads", "patch_size")}
    logits, rebuilt, maps = reference(images, layers, **sizes)
    out = model(images.astype(np.float32), return_intermediates=True)
    assert 0.1 < logits.std() < 10  # outputs of unit size, or the tolerance means nothing
    np.testing.assert_allclose(ops.convert_to_numpy(out["logits"]), logits, atol=2e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(out["reconstruction"]), rebuilt, atol=2e-5)
    for got, expected in zip(out["attention"].values(), maps, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(got), expected, atol=1e-5)


def test_without_its_parts_it_is_rr_vit():
    """Stem, MLPs, depth and final normalisation lead from RR-ViT to Hybrid RR-ViT, one by one."""
    rr_vit = models.build("rr_vit_toy", image_size=32)
    sizes = {"embed_dim": 32, "depth": 2, "num_heads": 2, "patch_size": 8}
    parts = {"stem_filters": None, "mlp_ratio": None, "final_norm": False}
    model = models.build("hybrid_rr_vit_toy", image_size=32, **sizes, **parts)
    model.set_weights(rr_vit.get_weights())
    images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    outputs = [m(images, return_intermediates=True) for m in (rr_vit, model)]
    for name in ("logits", "reconstruction", "tokens"):
        np.testing.assert_array_equal(*(ops.convert_to_numpy(out[name]) for out in outputs))
    assert model.positions.stddev == rr_vit.positions.stddev
    # Added to RR-ViT instead, the same parts have the same parameters as in Hybrid RR-ViT.
    added = models.build("rr_vit_toy", image_size=32, mlp_ratio=2, final_norm=True, patch_size=4)
    hybrid = models.build("hybrid_rr_vit_toy", image_size=32, stem_filters=None, embed_dim=32)
    assert added.count_params() == hybrid.count_params()


def test_stem_in_training_normalises_by_the_batch():
    """In training every channel has mean β and spread γ over the batch before the ReLU."""
    stem = ConvolutionalStem((4, 4, 6))
    images = np.random.default_rng(0).random((3, 16, 16, 1)).astype(np.float32)
    stem.build(images.shape)
    last = stem.norms[-1]
    last.beta.assign(np.full(6, 50.0))  # so that the ReLU cuts nothing
    last.gamma.assign(np.arange(1.0, 7.0))
    x = ops.convert_to_numpy(stem(images, training=True))
    np.testing.assert_allclose(x.mean(axis=(0, 1, 2)), 50.0, rtol=1e-4)
    np.testing.assert_allclose(x.std(axis=(0, 1, 2)), np.arange(1.0, 7.0), rtol=1e-2)
    assert np.abs(ops.convert_to_numpy(last.moving_mean)).max() > 0


def test_a_token_sees_fifteen_pixels():
    """Change one pixel after another: the token at (8, 8) hears of 15x15 of them."""
    stem = ConvolutionalStem((3, 4, 8))
    stem.build((None, 64, 64, 1))
    # Positive values only, so that no ReLU hides a change.
    for convolution, norm in zip(stem.convolutions, stem.norms, strict=True):
        convolution.kernel.assign(np.ones(convolution.kernel.shape))
        norm.moving_variance.assign(np.full(norm.moving_variance.shape, 1.0))
    image = np.ones((1, 64, 64, 1), np.float32)
    columns = np.repeat(image, 64, axis=0)
    columns[range(64), :, range(64)] = 9.0
    changed = ops.convert_to_numpy(stem(columns))[:, 8, 8, 0]
    plain = ops.convert_to_numpy(stem(image))[0, 8, 8, 0]
    columns = np.flatnonzero(~np.isclose(changed, plain))
    # Its own pixels are 32 to 35: the field reaches 4 further to the left and 7 to the right.
    np.testing.assert_array_equal(columns, np.arange(28, 43))


def test_intermediates():
    model = models.build("hybrid_rr_vit_toy", image_size=32)
    images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    plain, full = model(images), model(images, return_intermediates=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(full["logits"]), ops.convert_to_numpy(plain), atol=1e-6
    )
    assert list(full["attention"]) == ["block_0", "block_1"]
    for weights in full["attention"].values():
        assert tuple(weights.shape) == (2, 2, 65, 65)
        np.testing.assert_allclose(ops.convert_to_numpy(weights).sum(-1), 1.0, atol=1e-5)
    assert tuple(full["tokens"].shape) == (2, 65, 64)
    assert tuple(full["stem_features"].shape) == (2, 8, 8, 64)
    np.testing.assert_allclose(
        ops.convert_to_numpy(full["stem_features"]),
        ops.convert_to_numpy(model.stem(images)),
        atol=1e-6,
    )
    features = ops.convert_to_numpy(full["features"])
    assert features.shape == (2, 8, 8, 64)
    np.testing.assert_array_equal(features[:, 3, 5], full["tokens"][:, 1 + 3 * 8 + 5])


def loss_and_gradients(model, images, labels):
    """One backward pass through a compiled function, as training takes it."""
    import tensorflow as tf

    @tf.function
    def compute():
        with tf.GradientTape() as tape:
            out = model(images, training=True)
            loss = losses.BinaryCrossentropy()(labels, out) + sum(model.losses)
        return loss, tape.gradient(loss, [v.value for v in model.trainable_variables])

    loss, gradients = compute()
    return float(loss), [ops.convert_to_numpy(ops.cast(g, "float32")) for g in gradients]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
@pytest.mark.parametrize(
    ("policy", "tolerance"),
    [("float32", 1e-4), pytest.param("mixed_bfloat16", 0.1, marks=pytest.mark.long)],
)
def test_in_blocks_the_model_trains_the_same(monkeypatch, policy, tolerance):
    """With maps cut into slices of 7 queries, loss and gradients are those of whole maps."""
    rng = np.random.default_rng(2)
    images = rng.random((2, 32, 32, 1)).astype(np.float32)
    labels = (rng.random((2, 14)) < 0.3).astype(np.float32)
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = models.build("hybrid_rr_vit_toy", image_size=32, depth=1, dropout=0.0)
    finally:
        keras.config.set_dtype_policy(former)
    whole_loss, whole = loss_and_gradients(model, images, labels)
    monkeypatch.setattr(attention, "LARGEST_MAP", 2 * 65 * 7)
    loss, gradients = loss_and_gradients(model, images, labels)
    assert loss == pytest.approx(whole_loss, rel=1e-5 if policy == "float32" else 1e-2)
    for variable, got, expected in zip(model.trainable_variables, gradients, whole, strict=True):
        assert np.isfinite(got).all(), variable.path
        # A key's bias moves all scores of a row alike, and the normalisation takes a convolution's
        # bias away: their true gradient is 0, and the computed one is rounding.
        if re.search(r"key/bias|convolution_\d/bias", variable.path):
            continue
        error = np.linalg.norm(got - expected)
        assert error <= tolerance * np.linalg.norm(expected) + 1e-6, variable.path


JAX = """
import keras, numpy as np
from xraylab import losses, models
from xraylab.layers import attention
assert keras.backend.backend() == "jax"
images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
labels = np.zeros((2, 14), np.float32)
weights = []
for largest in (2**20, 2 * 65 * 7):
    attention.LARGEST_MAP = largest
    keras.utils.set_random_seed(0)
    model = models.build("hybrid_rr_vit_toy", image_size=32, depth=1, dropout=0.0)
    model.compile(keras.optimizers.SGD(0.1), losses.BinaryCrossentropy())
    model.train_on_batch(images, labels)
    weights.append(np.concatenate([np.ravel(w) for w in model.get_weights()]))
attention.LARGEST_MAP = 2**20
assert np.isfinite(weights[1]).all()
np.testing.assert_allclose(weights[1], weights[0], atol=1e-5)
"""


@pytest.mark.long
def test_in_blocks_jax_trains_the_same(run_on_jax):
    run_on_jax(JAX)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"image_size": 62},
            r"a multiple of 4 \(whole patches\). Received: image_size=62. "
            "Choose 60 or 64",
        ),
        ({"num_labels": 0}, "num_labels. Expected: an integer of at least 1. Received: 0"),
        ({"num_heads": 3}, "num_heads. Expected: a divisor of 256. Received: 3"),
        ({"num_heads": 0}, "num_heads. Expected: an integer of at least 1. Received: 0"),
        ({"embed_dim": 0}, "embed_dim. Expected: an integer of at least 1. Received: 0"),
        ({"depth": -1}, "depth. Expected: an integer of at least 0. Received: -1"),
        ({"patch_size": 8}, r"Expected: 4, as the stem\. Received: 8\. Pass stem_filters=None"),
        (
            {"stem_filters": (32, 0)},
            r"filters\[1\]. Expected: an integer of at least 1",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build("hybrid_rr_vit", **arguments)
