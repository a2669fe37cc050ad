"""GMML against a float64 decoder, the LT-ViT whose encoder it trains, and itself from a file."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import erf

from xraylab import explain, models
from xraylab.models.gmml import GMML, load_encoder
from xraylab.models.lt_vit import LTViT

SMALL = {"image_size": 16, "patch_size": 4, "embed_dim": 12, "depth": 4, "num_heads": 3}
SMALL |= {"mlp_ratio": 2}

needs_tape = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="reads gradients off a tape"
)


def randomised(model, seed=0):
    """Build a model and give every weight a random value."""
    rng = np.random.default_rng(seed)
    model.build((None, model.image_size, model.image_size, 1))
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def small(seed=0, **options):
    return randomised(GMML(**SMALL | options), seed)


def make_images(size=16, seed=1):
    return np.random.default_rng(seed).random((3, size, size, 1)).astype(np.float32)


# -- The forward pass --


def decoded(encoded, weights, side, patch_size):
    """The decoder on plain arrays: each patch is decoded by itself."""
    x = encoded
    for _ in range(3):
        x = x @ next(weights) + next(weights)
        x = x * (1 + erf(x / np.sqrt(2))) / 2
    kernel, bias = weights  # (patch_size, patch_size, 1, embed_dim) and (1,)
    image = np.empty((len(x), side * patch_size, side * patch_size, 1))
    for token in range(side**2):
        for row in range(patch_size):
            for column in range(patch_size):
                pixel = x[:, token] @ kernel[row, column, 0] + bias[0]
                r, c = token // side * patch_size + row, token % side * patch_size + column
                image[:, r, c, 0] = pixel
    return image


@pytest.mark.parametrize("options", [{}, {"patch_size": 8, "embed_dim": 6}], ids=str)
def test_the_decoder_against_numpy(options):
    model = small(**options)
    out = model(make_images(), return_intermediates=True)
    weights = (np.asarray(w, np.float64) for w in model.decoder.get_weights())
    encoded = np.asarray(ops.convert_to_numpy(out["encoded"]), np.float64)
    expected = decoded(encoded, weights, 16 // model.encoder.patch_size, model.encoder.patch_size)
    assert expected.std() > 0.03  # else the tolerance would be meaningless
    np.testing.assert_allclose(ops.convert_to_numpy(out["reconstruction"]), expected, atol=2e-5)


def test_what_is_decoded_is_what_lt_vit_encodes():
    model = small()
    out = model(make_images(), return_intermediates=True)
    encoded = ops.convert_to_numpy(model.encoder.encode(make_images()))
    np.testing.assert_array_equal(ops.convert_to_numpy(out["encoded"]), encoded)


def test_intermediates():
    model = small()
    plain, full = model(make_images()), model(make_images(), return_intermediates=True)
    assert set(full) == {"reconstruction", "encoded"}
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (full["reconstruction"], plain)))
    assert tuple(full["encoded"].shape) == (3, 16, 12)
    spec = model.compute_output_spec(keras.KerasTensor((None, 16, 16, 1)))
    assert spec.shape == (None, 16, 16, 1)


def test_attention_is_that_of_the_encoder():
    model = small()
    with pytest.raises(ValueError, match=r"Received: gmml.*\. Pass its encoder\."):
        explain.attention(model, make_images())
    maps = explain.attention(model.encoder, make_images(), "block_3")
    assert maps["block_3"].shape == (3, 3, 16, 16)


def test_size_and_initial_output():
    """An LT-ViT without labels, three D x D layers and a patch of pixels; at first all is grey."""
    model = models.build_gmml("lt_vit_toy")
    width, labels = 48, 14 * (2 * 48 + 1)
    decoder = 3 * (width + 1) * width + 8 * 8 * width + 1
    trained = sum(np.prod(v.shape) for v in model.trainable_variables)
    assert trained == models.build("lt_vit_toy").count_params() - labels + decoder
    first = ops.convert_to_numpy(model(make_images(64)))
    assert abs(first.mean() - 0.5) < 0.1


# -- Training --


def loss_and_gradients(model, images, mask):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        out = model(np.where(mask, 0.5, images).astype(np.float32), training=True)
        loss = ops.sum(ops.abs(images - out) * mask) / mask.sum()
    return loss, tape.gradient(loss, [v.value for v in model.trainable_variables])


@needs_tape
def test_every_trained_weight_gets_a_gradient_and_labels_are_not_among_them():
    model, images = small(), make_images()
    mask = np.random.default_rng(2).random(images.shape) < 0.6
    _, gradients = loss_and_gradients(model, images, mask)
    trained = {v.path: g for v, g in zip(model.trainable_variables, gradients, strict=True)}
    for path, gradient in trained.items():
        assert np.isfinite(gradient).all(), path
        # All keys' scores move alike with their bias.
        assert np.abs(gradient).max() > 0 or path.endswith("key/bias"), path
    left = {v.path for v in model.variables} - trained.keys()
    assert {path.split("/")[-2] for path in left} == {"label_tokens", "head"}


def masked_objective(target, reconstruction):
    """The loss for Keras's own step, with images and mask side by side as the target."""
    mask = target[..., 1:]
    return ops.sum(ops.abs(target[..., :1] - reconstruction) * mask) / ops.sum(mask)


def test_steps_lower_the_loss_and_leave_labels_alone():
    keras.utils.set_random_seed(0)
    model = GMML(**SMALL | {"depth": 2})
    model.build((None, 16, 16, 1))
    slope = np.linspace(0, 1, 16, dtype=np.float32)[:, np.newaxis]
    images = np.stack([slope + 0 * slope.T, 1 - slope.T + 0 * slope])[..., np.newaxis]
    mask = np.random.default_rng(2).random(images.shape) < 0.6
    model.compile(keras.optimizers.AdamW(1e-2), masked_objective, run_eagerly=True)
    target = np.concatenate([images, mask], axis=-1)
    unused = [model.encoder.label_tokens.tokens, *model.encoder.head.weights]
    before = [ops.convert_to_numpy(v).copy() for v in unused]
    history = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # as that some gradients do not exist
        for _ in range(20):
            model.reset_metrics()
            damaged = np.where(mask, np.float32(0.5), images)
            history.append(float(model.train_on_batch(damaged, target)))
    assert history[1] < history[0]
    assert history[-1] < 0.8 * history[0]
    for former, variable in zip(before, unused, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), former)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    model = GMML(**SMALL, dtype=policy)
    model.build((None, 16, 16, 1))
    half = policy.removeprefix("mixed_")
    out = model(make_images(), training=True, return_intermediates=True)
    assert keras.backend.standardize_dtype(out["reconstruction"].dtype) == "float32"
    assert keras.backend.standardize_dtype(out["encoded"].dtype) == half
    assert np.isfinite(ops.convert_to_numpy(out["reconstruction"])).all()
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    exact = GMML(**SMALL)
    exact.build((None, 16, 16, 1))
    exact.set_weights(model.get_weights())
    np.testing.assert_allclose(
        ops.convert_to_numpy(out["reconstruction"]),
        ops.convert_to_numpy(exact(make_images())),
        atol=0.05,
    )


JAX = """
import sys
import jax, keras, numpy as np
from xraylab.models import gmml  # registers what the file is made of
from xraylab import losses
assert keras.backend.backend() == "jax"
folder = sys.argv[1]
with np.load(f"{folder}/known.npz") as file:
    known = dict(file)
model = keras.saving.load_model(f"{folder}/model.keras")
reconstruction = model(known["images"])
np.testing.assert_allclose(reconstruction, known["reconstruction"], atol=2e-5)
def mean_error(images, reconstruction, mask):
    return (abs(images - reconstruction) * mask).sum() / mask.sum()
loss, gradient = jax.value_and_grad(mean_error, argnums=1)(
    known["images"], reconstruction, known["mask"])
np.testing.assert_allclose(loss, known["loss"], rtol=1e-5)
np.testing.assert_allclose(gradient, known["gradient"], rtol=1e-6)
"""


@pytest.mark.long
@needs_tape
def test_jax_agrees(tmp_path, run_on_jax):
    """The same image, loss and gradient of the loss."""
    model, images = small(depth=2), make_images()
    mask = np.random.default_rng(2).random(images.shape) < 0.6
    model.save(tmp_path / "model.keras")
    reconstruction = ops.convert_to_numpy(model(images))
    known = {"images": images, "mask": mask, "reconstruction": reconstruction}
    known["loss"] = np.abs(reconstruction - images)[mask].mean(dtype=np.float64)
    known["gradient"] = np.where(mask, np.sign(reconstruction - images), 0) / mask.sum()
    np.savez(tmp_path / "known.npz", **known)
    run_on_jax(JAX, tmp_path)


# -- Files and arguments --


@pytest.mark.parametrize("form", ["keras", "weights.h5"])
def test_saved_model_reconstructs_the_same_after_loading(form, tmp_path):
    model, path = small(), tmp_path / f"model.{form}"
    if form == "keras":
        model.save(path)
        again = keras.saving.load_model(path)
    else:
        model.save_weights(path)
        again = small(seed=5)
        again.load_weights(path)
    assert again.get_config() | {"name": ""} == model.get_config() | {"name": ""}
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m(make_images())) for m in (model, again)))
    assert len(again.trainable_variables) == len(model.trainable_variables)


def test_weights_of_another_size_change_nothing(tmp_path):
    model = small()
    small(mlp_ratio=3).save_weights(tmp_path / "other.weights.h5")
    before = model.get_weights()
    with pytest.raises(
        ValueError, match=r"does not hold the weights of gmml.* for 16 px: mlp_ratio"
    ):
        model.load_weights(tmp_path / "other.weights.h5")
    for former, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(former, now)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 30}, r"a multiple of 4 \(whole patches\). Received: image_size=30"),
        ({"image_size": 0}, "image_size. Expected: an integer of at least 1. Received: 0"),
        ({"num_heads": 5}, "num_heads. Expected: a divisor of 192. Received: 5"),
        ({"depth": 0}, "depth. Expected: an integer of at least 1. Received: 0"),
        ({"patch_size": 0}, "patch_size. Expected: an integer of at least 1. Received: 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build_gmml("lt_vit_tiny", **arguments)


def test_it_is_built_for_an_lt_vit_by_name():
    model = models.build_gmml("lt_vit_toy", image_size=32, depth=3)
    assert (model.name, model.image_size, model.num_labels) == ("gmml_lt_vit_toy", 32, None)
    assert (model.encoder.embed_dim, model.encoder.depth, model.encoder.patch_size) == (48, 3, 4)
    with pytest.raises(ValueError, match=r"one of lt_vit_base.* Received: 'rr_vit'"):
        models.build_gmml("rr_vit")
    with pytest.raises(ValueError, match=r"Received: 'lt_vit_toi'\. Did you mean 'lt_vit_toy"):
        models.build_gmml("lt_vit_toi")


# -- The encoder's way into an LT-ViT --


def labelled(seed=7, **options):
    """An LT-ViT of the same sizes, with random weights and other labels."""
    return randomised(LTViT(**SMALL | {"num_labels": 5, "num_label_blocks": 2} | options), seed)


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("model", {}),
        ("weights.h5", {"num_labels": 1, "num_label_blocks": 3}),
        ("keras", {"label_self_attention": False, "first_label_block": 0}),
        ("compiled", {}),
    ],
    ids=str,
)
def test_the_encoder_moves_over_bit_for_bit(source, options, tmp_path):
    pretrained, model, images = small(), labelled(**options), make_images()
    of_labels = [model.label_tokens.tokens, *model.head.weights]
    fresh = [ops.convert_to_numpy(v).copy() for v in of_labels]
    expected = ops.convert_to_numpy(pretrained.encoder.encode(images))
    assert (ops.convert_to_numpy(model.encode(images)) != expected).any()
    given = pretrained
    if source == "compiled":  # what an optimiser adds to a file does no harm
        pretrained.compile("adam", "mae")
        pretrained.optimizer.build(pretrained.trainable_variables)
    if source == "keras":
        given = tmp_path / "pretrained.keras"
        pretrained.save(given)
    elif source != "model":
        given = tmp_path / "pretrained.weights.h5"
        pretrained.save_weights(given)
    assert load_encoder(model, given) is model
    np.testing.assert_array_equal(ops.convert_to_numpy(model.encode(images)), expected)
    for former, variable in zip(fresh, of_labels, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), former)
    # The two share values, not variables.
    pretrained.set_weights([w + 1 for w in pretrained.get_weights()])
    np.testing.assert_array_equal(ops.convert_to_numpy(model.encode(images)), expected)


def wrong_sources(folder):
    """Sources that hold no matching encoder, and their errors."""
    small(depth=3, mlp_ratio=4).save_weights(folder / "other.weights.h5")
    labelled().save_weights(folder / "lt_vit.weights.h5")
    (folder / "broken.weights.h5").write_bytes(b"not an HDF5 file")
    cut = folder / "cut.weights.h5"
    small().save_weights(cut)
    cut.write_bytes(cut.read_bytes()[:5000])
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(folder / "plain.keras")
    differ = "depth is 3, not 4; mlp_ratio is 4, not 2"
    return [
        (small(depth=3, mlp_ratio=4), f"does not fit into lt_vit.*: {differ}"),
        (small(num_heads=4), "num_heads is 4, not 3"),
        (folder / "other.weights.h5", f"other.weights.h5 does not hold the weights of.*: {differ}"),
        (folder / "lt_vit.weights.h5", "architecture is 'LTViT', not 'GMML'"),
        (folder / "broken.weights.h5", "does not record of which model"),
        (cut, "cut.weights.h5 does not"),
        (folder / "plain.keras", "does not record of which model"),
        (labelled(), "a model of class GMML. Received: LTViT"),
    ]


def test_what_does_not_fit_changes_nothing(tmp_path):
    model = labelled(name="lt_vit")
    before = model.get_weights()
    for source, message in wrong_sources(tmp_path):
        with pytest.raises(ValueError, match=message):
            load_encoder(model, source)
    with pytest.raises(FileNotFoundError, match="Weight file not found"):
        load_encoder(model, tmp_path / "none.weights.h5")
    for former, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(former, now)
    with pytest.raises(ValueError, match=r"a model of class LTViT\. Received: GMML"):
        load_encoder(small(), small())
