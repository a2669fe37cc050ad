"""What does not fit into memory goes through in parts, with the same step."""

import os
import signal

import keras
import numpy as np
import pytest

from xraylab import training
from xraylab.models.base import ImageModel
from xraylab.training import memory
from xraylab.training.checkpoint import read_newest_checkpoint

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


def leave_half_done(model):
    """Leave the weights as a step may that breaks off: changed, or on JAX given away."""
    for variable in model.trainable_variables:
        if keras.backend.backend() == "jax":
            variable.value.delete()
        else:
            variable.assign(variable * 0 - 1.0)


def room_for(monkeypatch, images, from_step=0, error=None):
    """Let batches of more than some images run out of memory; return the sizes that came."""
    train_on_batch = ImageModel.train_on_batch
    error = error or out_of_memory()
    seen = []

    def limited(model, x, *args, **kwargs):
        seen.append(len(x))
        if len(x) > images and len(seen) > from_step:
            leave_half_done(model)
            raise error
        return train_on_batch(model, x, *args, **kwargs)

    monkeypatch.setattr(ImageModel, "train_on_batch", limited)
    return seen


def test_what_does_not_fit_goes_through_in_parts(
    image_file, tmp_path, monkeypatch, untraced, capsys
):
    """Without dropout, which draws other numbers for parts, the parts make the same step."""
    options = {"model_options": {"dropout": 0.0, "depth": 1}, "ema": 0.9, "epochs": 1}
    whole = train(make_recipe(image_file, **options), tmp_path / "whole")
    parted = train(make_recipe(image_file, accumulation=4, **options), tmp_path / "parted")
    recipe, out = make_recipe(image_file, **options), tmp_path / "limited"
    with monkeypatch.context() as patch:
        # From the second step on; whoever shared the memory came then. It goes back to step 0.
        seen = room_for(patch, images=4, from_step=1)
        after_step(patch, 2, lambda loop: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(training.TrainingInterrupted):
            train(recipe, out, checkpoint_seconds=1e9)
    assert seen == [16, 16, 8, *2 * 4 * [4]]
    told = capsys.readouterr().out
    assert "in 2 parts of 8" in told
    assert "in 4 parts of 4" in told
    # Resumed, it knows what fits.
    with monkeypatch.context() as patch:
        seen = room_for(patch, images=4)
        limited = train(recipe, out, resume=True)
    assert seen == 4 * [4]
    assert limited.report["parts_of_a_batch"] == 4
    assert_same_run(parted, limited)
    assert_same_run(whole, limited, exact=False)


@on_tensorflow
def test_a_checkpoint_in_other_parts_goes_on(image_file, tmp_path, monkeypatch, tiny):
    """In float16 too, where Keras keeps two sets of counts; 3 steps whole, 3 steps in parts."""
    options = {"model_options": {"dropout": 0.0}, "precision": "mixed_float16", "warmup": 0.5}
    recipe = make_recipe(image_file, **options)
    whole = train(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        room_for(patch, images=8, from_step=4)
        limited = train(recipe, tmp_path / "limited", checkpoint_seconds=0.0)
    assert limited.report["parts_of_a_batch"] == 2
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


@pytest.mark.parametrize("message", [None, "RESOURCE_EXHAUSTED: Out of memory while trying"])
def test_not_even_one_image(image_file, tmp_path, monkeypatch, tiny, message):
    room_for(monkeypatch, images=0, error=message and RuntimeError(message))
    with pytest.raises(training.OutOfMemory, match=r"rr_vit_toy at 16 px .* one image at a time"):
        train(make_recipe(image_file), tmp_path / "run")
    # Nor is anything lost: what was there before the step is still there.
    saved = read_newest_checkpoint(training.Run(tmp_path / "run"))
    assert saved.state["step"] == 0
    assert all((array != -1).any() for array in saved.arrays.values())


def test_an_error_that_is_not_about_memory_passes(image_file, tmp_path, monkeypatch, tiny):
    error = RuntimeError("a bug of mine")
    seen = room_for(monkeypatch, images=0, error=error)
    with pytest.raises(RuntimeError) as caught:
        train(make_recipe(image_file), tmp_path / "run")
    assert caught.value is error
    assert seen == [16]


def test_parts_are_equal():
    assert [memory.whole_parts(12, least) for least in (1, 2, 5, 7, 12, 99)] == [
        1,
        2,
        6,
        12,
        12,
        12,
    ]


def test_judging_takes_fewer_images_where_memory_ends(
    image_file, tmp_path, monkeypatch, plain, tiny
):
    """With room for 10 of the 40 validation images the scores stay; with room for none, words."""
    predict_on_batch = ImageModel.predict_on_batch

    def limited(model, x):
        if len(x) > room:
            raise MemoryError
        return predict_on_batch(model, x)

    monkeypatch.setattr(ImageModel, "predict_on_batch", limited)
    room = 10
    assert_same_run(plain, train(plain.recipe, tmp_path / "run"), exact=False)
    room = 0
    with pytest.raises(training.OutOfMemory, match="judging the validation images does not"):
        train(plain.recipe, tmp_path / "none")
