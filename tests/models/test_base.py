"""The base class: inputs, errors, weight files, attention transforms, activation."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from xraylab import models
from xraylab.models.base import ImageModel

from .conftest import EVERY_MODEL, TESTED


@pytest.fixture(scope="module")
def toy():
    return models.build("rr_vit_toy", image_size=16, num_labels=3)


def make_images(*shape, scale=1.0):
    return (np.random.default_rng(0).random(shape) * scale).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 16, 16, 3), r"Received: \(2, 16, 16, 3\)\. Pass one channel"),
        ((2, 16, 16), r"Received: \(2, 16, 16\)\. Add axes"),
        ((2, 32, 32, 1), r"Received: \(2, 32, 32, 1\)\. Build the model with image_size=32"),
    ],
)
def test_images_of_another_shape(toy, shape, message):
    with pytest.raises(ValueError, match=message):
        toy(make_images(*shape))
    with pytest.raises(ValueError, match=message):
        toy.predict(make_images(*shape), verbose=0)


def test_images_up_to_255_give_a_warning(toy):
    bright = make_images(2, 16, 16, 1, scale=255)
    toy.compile("sgd", "mse", run_eagerly=True)
    calls = [lambda: toy(bright), lambda: toy.predict(bright, verbose=0)]
    for method in (toy.fit, toy.evaluate):
        calls.append(lambda method=method: method(bright, np.zeros((2, 3)), verbose=0))
    match = r"in \[0, 1\]\. Received: 0\.\d+ to 25\d.*Divide 8-bit images by 255"
    for call in calls:
        with pytest.warns(UserWarning, match=match) as caught:
            call()
        assert caught[0].filename == __file__, "the line of the caller, not one of the package"


def test_images_in_range_give_no_warning(toy, recwarn):
    toy(make_images(2, 16, 16, 1))
    toy.predict(make_images(2, 16, 16, 1), verbose=0)
    assert not [w for w in recwarn if "grey levels" in str(w.message)]


@pytest.mark.parametrize("value", [0, -1, 2.5, "many"])
@pytest.mark.parametrize("argument", ["image_size", "num_labels"])
def test_invalid_sizes_are_refused(argument, value):
    with pytest.raises(ValueError, match=f"{argument}. Expected: an integer of at least 1"):
        models.build("rr_vit_toy", **{argument: value})


def test_an_image_size_that_does_not_fit_names_those_that_do():
    with pytest.raises(ValueError, match=r"image_size=60\. Choose 56 or 64"):
        models.build("rr_vit_toy", image_size=60)
    with pytest.raises(ValueError, match=r"image_size=5\. Choose 8"):
        models.build("rr_vit_toy", image_size=5)


@pytest.mark.parametrize("form", ["weights.h5", "keras"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rr_vit_toy", {"num_labels": 4}),
        ("rr_vit_toy", {"image_size": 32}),
        ("rr_vit_toy", {"depth": 3}),  # Keras alone would ignore surplus arrays
        ("rr_vit_toy", {"depth": 1}),
        ("rr_vit", {}),
    ],
)
def test_weights_of_another_model_change_nothing(name, options, form, tmp_path):
    toy = models.build("rr_vit_toy", image_size=16, num_labels=3)
    other = models.build(name, **{"image_size": 16, "num_labels": 3, **options})
    if form == "weights.h5":
        other.save_weights(tmp_path / "other.weights.h5")
    else:
        other.save(tmp_path / "other.keras")
    before = toy.get_weights()
    with pytest.raises(ValueError, match="does not hold the weights of rr_vit_toy for 16 px and 3"):
        toy.load_weights(tmp_path / f"other.{form}")
    for former, now in zip(before, toy.get_weights(), strict=True):
        np.testing.assert_array_equal(former, now)


def test_weights_of_the_same_shapes_but_another_arrangement(tmp_path):
    images = make_images(2, 32, 32, 1)
    with_residual, without = (
        models.build("dbct_toy", image_size=32, residual=residual) for residual in (True, False)
    )
    with_residual.save_weights(tmp_path / "with.weights.h5")
    with pytest.raises(ValueError, match="residual is True, not False"):
        without.load_weights(tmp_path / "with.weights.h5")
    # A file that is older than an argument was saved with its default.
    known = with_residual.architecture()
    with_residual.architecture = lambda: {k: v for k, v in known.items() if k != "fusion"}
    with_residual.save_weights(tmp_path / "older.weights.h5")
    models.build("dbct_toy", image_size=32).load_weights(tmp_path / "older.weights.h5")
    other = models.build("dbct_toy", image_size=32, fusion="concatenation")
    with pytest.raises(ValueError, match="fusion is 'cross_attention', not 'concatenation'"):
        other.load_weights(tmp_path / "older.weights.h5")
    # What acts in training only may differ.
    other = models.build("rr_vit_toy", image_size=32, dropout=0.5)
    other.save_weights(tmp_path / "dropout.weights.h5")
    plain = models.build("rr_vit_toy", image_size=32)
    plain.load_weights(tmp_path / "dropout.weights.h5")
    np.testing.assert_array_equal(*(m(images) for m in (other, plain)))


def test_missing_and_broken_weight_files_are_refused(toy, tmp_path):
    with pytest.raises(FileNotFoundError, match="Weight file not found"):
        toy.load_weights(tmp_path / "none.weights.h5")
    (tmp_path / "broken.weights.h5").write_bytes(b"not an HDF5 file")
    with pytest.raises(ValueError, match="does not hold the weights"):
        toy.load_weights(tmp_path / "broken.weights.h5")


def test_optimizer_state_in_a_file_is_ignored(tmp_path):
    """What an optimiser adds to a file is no weight of the model."""
    first, second = (models.build("rr_vit_toy", image_size=16) for _ in range(2))
    images = make_images(2, 16, 16, 1)
    first.compile("adam", "mse", run_eagerly=True)
    first.train_on_batch(images, np.zeros((2, 14)))
    first.save_weights(tmp_path / "first.weights.h5")
    second.load_weights(tmp_path / "first.weights.h5")
    np.testing.assert_array_equal(
        *(ops.convert_to_numpy(model(images)) for model in (first, second))
    )
    assert keras.backend.standardize_dtype(second(images).dtype) == "float32"


@pytest.mark.parametrize("name", TESTED if EVERY_MODEL else ["rr_vit_toy", "efficientnet_b0_toy"])
def test_integer_images_are_accepted_with_a_warning(name):
    model = models.build(name, image_size=64)
    grey = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1), dtype=np.uint8)
    with pytest.warns(UserWarning, match="Divide 8-bit images by 255"):
        whole = model(grey)
    with pytest.warns(UserWarning, match="Divide 8-bit images by 255"):
        np.testing.assert_allclose(whole, model(np.float32(grey)), rtol=1e-4, atol=1e-4)


def test_nan_images_are_refused():
    grey = np.full((1, 64, 64, 1), np.nan, np.float32)
    with pytest.raises(ValueError, match="grey levels are NaN or infinite"):
        models.build("rr_vit_toy")(grey)


def test_unknown_arguments_are_refused_with_a_suggestion():
    with pytest.raises(ValueError, match=r"no argument 'embed_dims'\. Did you mean 'embed_dim'\?"):
        models.build("rr_vit", embed_dims=32)
    with pytest.raises(ValueError, match=r"Options: arrangement.*distillation"):
        models.build("efficientvit_m0_mxa", width=3)


def test_predict_logits_takes_arrays():
    toy = models.build("rr_vit_toy", image_size=16, num_labels=3)
    images = make_images(5, 16, 16, 1)
    expected = ops.convert_to_numpy(toy(images))
    np.testing.assert_allclose(models.predict_logits(toy, images, 2), expected, atol=1e-5)
    with pytest.raises(ValueError, match="Build the model with image_size=8"):
        models.predict_logits(toy, images[:, :8, :8])
    with pytest.raises(ValueError, match="at least one image"):
        models.predict_logits(toy, images[:0])


@pytest.mark.parametrize("name", ["rr_vit_toy", "hybrid_rr_vit_toy", "dbct_toy", "lt_vit_toy"])
def test_attention_transform_is_applied_to_every_map(name):
    model = models.build(name, image_size=32, num_labels=3)
    images = make_images(2, 32, 32, 1)
    recorded = {}

    def record(layer, attention):
        recorded[layer] = attention
        return attention

    plain = model(images, return_intermediates=True)
    same = model(images, return_intermediates=True, attention_transform=record)
    np.testing.assert_allclose(same["logits"], plain["logits"], atol=1e-5)
    maps = plain["attention"] | plain.get("cross_attention", {})
    maps |= {f"{k}.label_attention": v for k, v in plain.get("label_attention", {}).items()}
    assert recorded.keys() == maps.keys()
    for layer, attention in maps.items():
        np.testing.assert_allclose(recorded[layer], attention, atol=1e-6)

    def clear(layer, attention):
        return attention * 0

    cleared = model(images, return_intermediates=True, attention_transform=clear)
    assert all(np.abs(a).max() == 0 for a in cleared["attention"].values())
    assert np.abs(cleared["logits"] - plain["logits"]).max() > 1e-4
    np.testing.assert_allclose(model(images, attention_transform=clear), cleared["logits"])
    np.testing.assert_allclose(model(images), plain["logits"], atol=1e-5)


@pytest.mark.parametrize(
    "name", ["resnet50_toy", *["medvit_toy", "efficientvit_toy"] * EVERY_MODEL]
)
def test_attention_transform_is_refused_where_it_has_no_effect(name):
    model = models.build(name, image_size=32)
    with pytest.raises(ValueError, match="no attention that can be transformed"):
        model(make_images(1, 32, 32, 1), attention_transform=lambda layer, attention: attention)


class MeanNet(ImageModel):
    """The example of CONTRIBUTING.md, which has no ``build``."""

    def __init__(self, image_size=64, num_labels=14, **kwargs):
        super().__init__(image_size, num_labels, **kwargs)
        self.head = keras.layers.Dense(num_labels, dtype="float32", name="head")

    def forward(self, images, training, return_intermediates, attention_transform):
        return {"logits": self.classify(images), "features": images}

    def classify(self, features, training=None):
        return self.head(ops.mean(features, axis=(1, 2)))


def test_a_model_without_build_is_built_from_its_call(tmp_path):
    model, other = MeanNet(16, 3), MeanNet(16, 3)
    for each in (model, other):
        each.build((None, 16, 16, 1))
        assert [v.path.split("/", 1)[1] for v in each.weights] == ["head/kernel", "head/bias"]
    model.save_weights(tmp_path / "mean.weights.h5")
    other.load_weights(tmp_path / "mean.weights.h5")
    images = make_images(2, 16, 16, 1)
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m(images)) for m in (model, other)))


def test_classifier_activation():
    toy = models.build("rr_vit_toy", image_size=16, num_labels=3)
    model = models.build("rr_vit_toy", image_size=16, num_labels=3, classifier_activation="sigmoid")
    model.set_weights(toy.get_weights())
    images = make_images(2, 16, 16, 1)
    logits = ops.convert_to_numpy(toy(images))
    np.testing.assert_allclose(model(images), 1 / (1 + np.exp(-logits)), atol=1e-6)
    inside = model(images, return_intermediates=True)
    np.testing.assert_allclose(inside["logits"], logits, atol=1e-6)
    np.testing.assert_allclose(models.predict_logits(model, images), logits, atol=1e-5)
    with pytest.raises(ValueError, match=r"one of None, 'sigmoid'\. Received: 'softmax'"):
        models.build("rr_vit_toy", classifier_activation="softmax")


@pytest.mark.parametrize("name", ["rr_vit_toy", "hybrid_rr_vit_toy"])
def test_the_reconstruction_error_is_added_to_the_loss_of_keras(name):
    """Also beside a metric of Keras, which reads the logits alone."""
    images, labels = make_images(4, 16, 16, 1), np.zeros((4, 3), np.float32)
    losses = {}
    for weight in (0.0, 2.0):
        keras.utils.set_random_seed(0)
        model = models.build(
            name, image_size=16, num_labels=3, dropout=0.0, reconstruction_weight=weight
        )
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        auc = keras.metrics.AUC(multi_label=True, from_logits=True)
        model.compile("sgd", loss, metrics=[auc], run_eagerly=True)
        losses[weight] = model.evaluate(images, labels, verbose=0)[0]
        trained = model.fit(images, labels, verbose=0).history["loss"]
        if name == "rr_vit_toy":  # the hybrid's batch normalisation differs in training
            assert trained == pytest.approx([losses[weight]], rel=1e-5)
    keras.utils.set_random_seed(0)
    model = models.build(name, image_size=16, num_labels=3, dropout=0.0)
    error = model(images, return_intermediates=True)["reconstruction"] - images
    expected = 2 * float(ops.mean(ops.square(error)))
    assert losses[2.0] - losses[0.0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("form", ["external link", "soft link", "external data", "virtual data"])
def test_weights_that_lead_out_of_their_file_are_refused(toy, tmp_path, form):
    path, secret = tmp_path / "toy.weights.h5", tmp_path / "secret"
    toy.save_weights(path)
    with h5py.File(secret, "w") as file:
        file["data"] = np.zeros(4, np.float32)
    with h5py.File(path, "r+") as file:
        if form == "external link":
            file["more"] = h5py.ExternalLink(str(secret), "data")
        elif form == "soft link":
            file["more"] = h5py.SoftLink("/vars")
        elif form == "external data":
            file.create_dataset("more", (4,), "f4", external=[(str(secret), 0, 16)])
        else:
            layout = h5py.VirtualLayout((4,), "f4")
            layout[:] = h5py.VirtualSource(str(secret), "data", (4,))
            file.create_virtual_dataset("more", layout)
    with pytest.raises(ValueError, match="more leads out of the file"):
        toy.load_weights(path)


def test_archives_with_code_are_refused(tmp_path):
    """A Lambda layer stores bytecode; safe mode, which nothing here switches off, refuses it."""
    inputs = keras.Input((4,))
    outputs = keras.layers.Lambda(lambda x: x * 2)(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "code.keras")
    with pytest.raises(ValueError, match="unsafe"):
        keras.models.load_model(tmp_path / "code.keras")
    package = Path(models.__file__).parents[1]
    texts = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    assert len(texts) > 50
    assert not any("safe_mode" in text or "unsafe_deserialization" in text for text in texts)
