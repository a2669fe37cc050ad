"""What every model says when it gets the wrong thing."""

import keras
import numpy as np
import pytest
from keras import ops

from xraylab import models


@pytest.fixture(scope="module")
def toy():
    return models.build("rr_vit_toy", image_size=16, num_labels=3)


def make_images(*shape, scale=1.0):
    return (np.random.default_rng(0).random(shape) * scale).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 16, 16, 3), r"one grey channel; \(2, 16, 16, 3\) came"),
        ((2, 16, 16), r"\(2, 16, 16\) came. Add axes"),
        ((2, 32, 32, 1), r"\(2, 32, 32, 1\) came. Build it with image_size=32"),
    ],
)
def test_images_of_another_shape(toy, shape, message):
    with pytest.raises(ValueError, match=message):
        toy(make_images(*shape))
    with pytest.raises(ValueError, match=message):
        toy.predict(make_images(*shape), verbose=0)


def test_images_up_to_255_give_a_warning_that_says_so(toy):
    bright = make_images(2, 16, 16, 1, scale=255)
    with pytest.warns(UserWarning, match=r"in \[0, 1\]; these run from 0\.\d+ to 25\d.*Divide"):
        toy(bright)
    with pytest.warns(UserWarning, match="Divide 8-bit images by 255"):
        toy.predict(bright, verbose=0)
    toy.compile("sgd", {"logits": "mse", "reconstruction": "mse"})
    targets = {"logits": np.zeros((2, 3)), "reconstruction": bright}
    for method in (toy.fit, toy.evaluate):
        with pytest.warns(UserWarning, match="Divide 8-bit images by 255"):
            method(bright, targets, verbose=0)
    with pytest.warns(UserWarning, match="Divide 8-bit images by 255"):
        toy.train_on_batch(bright, targets)
    with pytest.warns(UserWarning, match="Divide 8-bit images by 255") as told:
        toy.predict_on_batch(bright)
        toy(bright)
    assert {warning.filename for warning in told} == {__file__}


def test_good_images_give_none(toy, recwarn):
    toy(make_images(2, 16, 16, 1))
    toy.predict(make_images(2, 16, 16, 1), verbose=0)
    assert not [w for w in recwarn if "grey levels" in str(w.message)]


@pytest.mark.parametrize("value", [0, -1, 2.5, "many"])
@pytest.mark.parametrize("argument", ["image_size", "num_labels"])
def test_sizes_that_are_none(argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be a whole number of at least 1"):
        models.build("rr_vit_toy", **{argument: value})


def test_an_image_size_that_does_not_fit_names_those_that_do():
    with pytest.raises(ValueError, match=r"image_size=60 came\. Choose 56 or 64"):
        models.build("rr_vit_toy", image_size=60)
    with pytest.raises(ValueError, match=r"image_size=5 came\. Choose 8"):
        models.build("rr_vit_toy", image_size=5)


@pytest.mark.parametrize("form", ["weights.h5", "keras"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rr_vit_toy", {"num_labels": 4}),
        ("rr_vit_toy", {"image_size": 32}),
        ("rr_vit_toy", {"depth": 3}),  # more weights than this model has places for
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
    with pytest.raises(ValueError, match="residual is True there and False here"):
        without.load_weights(tmp_path / "with.weights.h5")
    # What acts in training only may differ.
    other = models.build("rr_vit_toy", image_size=32, dropout=0.5)
    other.save_weights(tmp_path / "dropout.weights.h5")
    plain = models.build("rr_vit_toy", image_size=32)
    plain.load_weights(tmp_path / "dropout.weights.h5")
    np.testing.assert_array_equal(*(m(images)["logits"] for m in (other, plain)))


def test_weights_that_are_no_weights(toy, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no weights file"):
        toy.load_weights(tmp_path / "none.weights.h5")
    (tmp_path / "broken.weights.h5").write_bytes(b"not an HDF5 file")
    with pytest.raises(ValueError, match="does not hold the weights"):
        toy.load_weights(tmp_path / "broken.weights.h5")


def test_compiled_models_load_each_others_weights(tmp_path):
    """What an optimiser adds to a file is no weight of the model."""
    first, second = (models.build("rr_vit_toy", image_size=16) for _ in range(2))
    images = make_images(2, 16, 16, 1)
    first.compile("adam", {"logits": "mse", "reconstruction": "mse"})
    first.train_on_batch(images, {"logits": np.zeros((2, 14)), "reconstruction": images})
    first.save_weights(tmp_path / "first.weights.h5")
    second.load_weights(tmp_path / "first.weights.h5")
    np.testing.assert_array_equal(
        *(ops.convert_to_numpy(model(images)["logits"]) for model in (first, second))
    )
    assert keras.backend.standardize_dtype(second(images)["logits"].dtype) == "float32"


@pytest.mark.parametrize("name", models.list_models("*_toy"))
def test_images_of_whole_numbers_are_warned_of_and_taken(name):
    model = models.build(name, image_size=64)
    grey = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1), dtype=np.uint8)
    with pytest.warns(UserWarning, match="Divide 8-bit images by 255"):
        whole = model(grey)["logits"]
    with pytest.warns(UserWarning, match="Divide 8-bit images by 255"):
        np.testing.assert_allclose(whole, model(np.float32(grey))["logits"], rtol=1e-4, atol=1e-4)


def test_images_that_are_no_numbers_are_refused():
    grey = np.full((1, 64, 64, 1), np.nan, np.float32)
    with pytest.raises(ValueError, match="some of these are NaN or infinite"):
        models.build("rr_vit_toy")(grey)


def test_an_argument_that_an_architecture_does_not_take_is_named_with_those_it_does():
    with pytest.raises(ValueError, match=r"no argument 'embed_dims'. Did you mean 'embed_dim'\?"):
        models.build("rr_vit", embed_dims=32)
    with pytest.raises(ValueError, match=r"It takes .*arrangement.*distillation"):
        models.build("efficientvit_m0_mxa", width=3)


def test_predictions_are_asked_of_splits():
    with pytest.raises(ValueError, match=r"ndarray came.*use model\.predict"):
        models.predict_logits(models.build("rr_vit_toy"), np.zeros((1, 64, 64, 1)))
