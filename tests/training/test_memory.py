"""Training and validation that do not fit into memory."""

import keras
import pytest

from xraylab import data, training
from xraylab.models.base import ImageModel
from xraylab.training.objectives import Classification

from .conftest import make_recipe, train


def out_of_memory():
    """Return what the backend raises when memory ends."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    return RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes.")


def room_for(monkeypatch, images, error=None):
    """Let forward passes of more images in training run out of memory."""
    call = ImageModel.call

    def limited(model, inputs, training=None, **kwargs):
        if training and inputs.shape[0] > images:
            raise error or out_of_memory()
        return call(model, inputs, training=training, **kwargs)

    monkeypatch.setattr(ImageModel, "call", limited)


def test_a_batch_that_does_not_fit_is_reported(image_file, tmp_path, monkeypatch, tiny):
    room_for(monkeypatch, images=4)
    message = r"rr_vit_toy at 16 px .* with 8 images at once. .*accumulation=4"
    with pytest.raises(training.OutOfMemory, match=message):
        train(make_recipe(image_file, accumulation=2), tmp_path / "run")
    assert train(make_recipe(image_file, accumulation=4), tmp_path / "divided").report


def test_other_errors_are_passed_on(image_file, tmp_path, monkeypatch, tiny):
    room_for(monkeypatch, images=0, error=RuntimeError("a bug of mine"))
    with pytest.raises(RuntimeError, match="a bug of mine"):
        train(make_recipe(image_file), tmp_path / "run")


def test_validation_takes_no_more_images_than_a_training_step(
    image_file, tmp_path, monkeypatch, tiny
):
    predict_on_batch, sizes = ImageModel.predict_on_batch, []

    def recorded(model, x):
        sizes.append(len(x))
        return predict_on_batch(model, x)

    monkeypatch.setattr(ImageModel, "predict_on_batch", recorded)
    recipe = make_recipe(image_file, accumulation=4)
    run = train(recipe, tmp_path / "run")
    sizes.clear()
    split = data.load(image_file, split="val", label_names=recipe.labels)
    Classification(recipe).validate(run.load_model(), split)
    assert set(sizes) == {4}
