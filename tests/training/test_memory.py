"""A batch that does not fit into memory is processed in micro-batches, with the same step."""

import os
import signal

import keras
import numpy as np
import pytest

from xraylab import training
from xraylab.models.base import ImageModel
from xraylab.training.checkpoint import read_newest_checkpoint
from xraylab.training.fit import equal_parts

from .conftest import (
    after_step,
    arrays_of,
    assert_same_run,
    make_recipe,
    on_tensorflow,
    train,
)


def out_of_memory():
    """Return what the back end raises when memory ends."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    return RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes.")


def room_for(monkeypatch, images, from_call=0, error=None):
    """Let forward passes of more images in training run out of memory; return their sizes."""
    call, sizes, error = ImageModel.call, [], error or out_of_memory()

    def limited(model, inputs, training=None, **kwargs):
        if training:
            sizes.append(inputs.shape[0])
            if inputs.shape[0] > images and len(sizes) > from_call:
                for variable in model.trainable_variables * (keras.backend.backend() != "jax"):
                    variable.assign(variable * 0 - 1.0)  # as a step that fails half-way may do
                raise error
        return call(model, inputs, training=training, **kwargs)

    monkeypatch.setattr(ImageModel, "call", limited)
    return sizes


@on_tensorflow
def test_a_batch_that_does_not_fit_is_divided(image_file, tmp_path, monkeypatch, tiny, capsys):
    """Without dropout, which draws other numbers for micro-batches, the step is the same."""
    options = {"model_options": {"dropout": 0.0}, "ema": 0.9, "epochs": 1}
    whole = train(make_recipe(image_file, **options), tmp_path / "whole")
    divided = train(make_recipe(image_file, accumulation=4, **options), tmp_path / "divided")
    recipe, out = make_recipe(image_file, **options), tmp_path / "limited"
    with monkeypatch.context() as patch:
        # From the second step on: another program takes the memory. Training returns to step 0.
        sizes = room_for(patch, images=4, from_call=1)
        after_step(patch, 2, lambda recorder: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(training.TrainingInterrupted):
            train(recipe, out, checkpoint_seconds=1e9)
    assert sizes == [16, 16, 8, *2 * 4 * [4]]
    printed = capsys.readouterr().out
    assert "in 2 micro-batches of 8" in printed
    assert "in 4 micro-batches of 4" in printed
    # A resumed run starts with the micro-batches that fit.
    with monkeypatch.context() as patch:
        sizes = room_for(patch, images=4)
        limited = train(recipe, out, resume=True)
    assert sizes == 4 * [4]
    assert limited.report["micro_batches"] == 4
    assert_same_run(divided, limited)
    assert_same_run(whole, limited, exact=False)


@on_tensorflow
def test_a_checkpoint_is_continued_with_other_micro_batches(
    image_file, tmp_path, monkeypatch, tiny
):
    """In float16 too, where Keras has two iteration counters; 3 whole steps, 3 divided ones."""
    options = {"model_options": {"dropout": 0.0}, "precision": "mixed_float16", "warmup": 0.5}
    recipe = make_recipe(image_file, **options)
    whole = train(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        room_for(patch, images=8, from_call=4)
        limited = train(recipe, tmp_path / "limited", checkpoint_seconds=0.0)
    assert limited.report["micro_batches"] == 2
    for one, two in zip(
        arrays_of(whole.path / "last.weights.h5").values(),
        arrays_of(limited.path / "last.weights.h5").values(),
        strict=True,
    ):
        np.testing.assert_allclose(one, two, atol=2e-3)  # half precision: rates of up to 3e-3
    rows = [[row["loss"] for row in run.history] for run in (whole, limited)]
    np.testing.assert_allclose(*rows, rtol=2e-3)
    counts = [
        [int(a) for a in read_newest_checkpoint(run).arrays.values() if a.shape == () and a > 0]
        for run in (whole, limited)
    ]
    assert 6 in counts[0]
    assert 12 in counts[1]


def test_a_step_that_fails_after_consuming_the_weights(image_file, tmp_path, monkeypatch, tiny):
    """As a JAX program that runs out of memory does; training returns to the checkpoint."""
    make_train_function, calls = keras.Model.make_train_function, []

    def limited(model, force=False):
        make_train_function(model, force)
        step = model.train_function

        def train_function(*arguments):
            calls.append(len(calls) + 1)
            if calls[-1] == 5:
                if keras.backend.backend() == "jax":
                    for array in keras.tree.flatten(arguments[0]):
                        array.delete()
                raise out_of_memory()
            return step(*arguments)

        model.train_function = train_function

    recipe = make_recipe(image_file, model_options={"dropout": 0.0})
    whole = train(recipe, tmp_path / "whole")
    monkeypatch.setattr(ImageModel, "make_train_function", limited)
    run = train(recipe, tmp_path / "run", checkpoint_seconds=0.0)
    assert run.report["micro_batches"] == 2
    assert len(calls) == 5 + 2 * 2  # steps 1 to 4, the failed one, then steps 5 and 6 divided
    assert_same_run(whole, run, exact=False)


@pytest.mark.parametrize("message", [None, "RESOURCE_EXHAUSTED: Out of memory while trying"])
def test_a_single_image_that_does_not_fit(image_file, tmp_path, monkeypatch, tiny, message):
    room_for(monkeypatch, images=0, error=message and RuntimeError(message))
    with pytest.raises(training.OutOfMemory, match=r"rr_vit_toy at 16 px .* with 1 images per"):
        train(make_recipe(image_file), tmp_path / "run")
    # The weights before the failed step are still there.
    saved = read_newest_checkpoint(training.Run(tmp_path / "run"))
    assert saved.state["step"] == 0
    assert all((array != -1).any() for array in saved.arrays.values())


def test_other_errors_are_passed_on(image_file, tmp_path, monkeypatch, tiny):
    error = RuntimeError("a bug of mine")
    sizes = room_for(monkeypatch, images=0, error=error)
    with pytest.raises(RuntimeError, match="a bug of mine"):
        train(make_recipe(image_file), tmp_path / "run")
    assert sizes == [16]


def test_parts_are_equal():
    assert [equal_parts(12, minimum) for minimum in (1, 2, 5, 7, 12, 99)] == [1, 2, 6, 12, 12, 12]


def test_validation_uses_smaller_batches_where_memory_ends(
    image_file, tmp_path, monkeypatch, plain, tiny
):
    """With room for 10 of the 40 validation images the scores are the same."""
    predict_on_batch = ImageModel.predict_on_batch

    def limited(model, x):
        if len(x) > room:
            raise MemoryError
        return predict_on_batch(model, x)

    monkeypatch.setattr(ImageModel, "predict_on_batch", limited)
    room = 10
    assert_same_run(plain, train(plain.recipe, tmp_path / "run"), exact=False)
    room = 0
    with pytest.raises(training.OutOfMemory, match="but validation does not"):
        train(plain.recipe, tmp_path / "none")
