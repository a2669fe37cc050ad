"""Training and validation that do not fit into memory."""

import keras
import pytest

from xraylab import training
from xraylab.models.base import ImageModel

from .conftest import assert_same_run, make_recipe, train


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


def test_validation_uses_smaller_batches_where_memory_ends(
    image_file, tmp_path, monkeypatch, plain, tiny
):
    """With room for 10 of the 40 validation images the scores are the same."""
    predict_on_batch = ImageModel.predict_on_batch

    def limited(model, x):
        if len(x) > 10:
            raise MemoryError
        return predict_on_batch(model, x)

    monkeypatch.setattr(ImageModel, "predict_on_batch", limited)
    assert_same_run(plain, train(plain.recipe, tmp_path / "run"), exact=False)
