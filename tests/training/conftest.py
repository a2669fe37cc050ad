"""Runs of the training tests: small, and with something happening to them."""

import contextlib
import functools
import os
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from xraylab import models, training
from xraylab.models.base import ImageModel
from xraylab.training.checkpoint import read_newest_checkpoint
from xraylab.training.loop import Loop

LABELS = ("first", "second", "third")

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="speaks of TensorFlow's own errors"
)


def make_recipe(image_file, **changes):
    defaults = {
        "model": "rr_vit_toy",
        "data": str(image_file),
        "size": 16,
        "num_images": 48,
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "label_names": LABELS,
    }
    return training.Recipe(**(defaults | changes))


def train(recipe, out, **options):
    return training.fit(recipe, out, progress=False, **options)


class TinyModel(ImageModel):
    """A model that takes its steps fast, for what does not depend on the model."""

    def __init__(self, image_size, num_labels, dropout=0.1, **kwargs):
        super().__init__(image_size, num_labels, **kwargs)
        self.dropout = keras.layers.Dropout(dropout)
        self.hidden = keras.layers.Dense(8, activation="relu")
        self.head = keras.layers.Dense(num_labels)

    def forward(self, images, training, return_intermediates, attention_transform):
        x = keras.ops.reshape(images, (-1, self.image_size**2))
        x = self.dropout(self.hidden(x), training=training)
        return {"logits": keras.ops.cast(self.head(x), "float32")}


@contextlib.contextmanager
def tiny_models():
    """Let every model be a tiny one, and run untraced, which is faster for a few steps."""

    def build(name, image_size, num_labels, **options):
        model = TinyModel(image_size, num_labels, **options)
        model(np.zeros((1, image_size, image_size, 1), np.float32))
        return model

    with pytest.MonkeyPatch.context() as patch, step_by_step():
        patch.setattr(models, "build", build)
        yield


@contextlib.contextmanager
def step_by_step():
    """Have TensorFlow trace nothing."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def tiny():
    with tiny_models():
        yield


@pytest.fixture
def untraced():
    with step_by_step():
        yield


@pytest.fixture(scope="session")
def plain(image_file, tmp_path_factory):
    """A run of a tiny model that nothing happened to; to go on, ask for ``tiny`` as well."""
    with tiny_models():
        return train(make_recipe(image_file, ema=0.9), tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture(scope="session")
def traced(image_file, tmp_path_factory):
    """A run of a real model, compiled as always, that nothing happened to."""
    return train(make_recipe(image_file, ema=0.9), tmp_path_factory.mktemp("traced") / "run")


@pytest.fixture(scope="session")
def public_teacher(tmp_path_factory, random_weights):
    """Return a state dict in the names and shapes of TorchXRayVision, its numbers random."""
    root = Path(__file__).resolve().parents[1]
    with np.load(root / "models" / "fixtures" / "xrv_densenet121.npz") as stored:
        shapes = {
            name: tuple(map(int, shape.split()))
            for name, shape in zip(stored["names"], stored["shapes"], strict=True)
        }
    path = tmp_path_factory.mktemp("teacher") / "chex.npz"
    np.savez(path, **random_weights.random_state(shapes, gain=0.5))
    return path


def arrays_of(path):
    """Return all arrays of a weights file, by name."""
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]}) if hasattr(item, "dtype") else None
        )
    return arrays


def assert_same_run(one, other, exact=True):
    """Compare last and best weights, and the history without its seconds."""
    compare = np.testing.assert_array_equal
    if not exact:
        compare = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    for name in ("last", "best"):
        mine, theirs = (arrays_of(run.path / f"{name}.weights.h5") for run in (one, other))
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            compare(value, theirs[key])
    if exact:  # the moments of the optimiser and the averages too
        mine, theirs = (read_newest_checkpoint(run).arrays for run in (one, other))
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            compare(value, theirs[key])
    rows = [[{**row, "seconds": 0} for row in run.history] for run in (one, other)]
    if exact:
        assert rows[0] == rows[1]


def leftovers(folder):
    return sorted(path.name for path in Path(folder).rglob(".*.tmp"))


def after_step(monkeypatch, step, happens):
    """Let something happen right after a step of this and every later run."""
    take_step = Loop._step

    def step_and_more(loop, inputs, targets):
        loss = take_step(loop, inputs, targets)
        if loop.state["step"] == step:
            happens(loop)
        return loss

    monkeypatch.setattr(Loop, "_step", step_and_more)


def stop_after(step, number, recipe, out, **options):
    """Take some steps of a run, send this process a signal, and return what fit then says."""
    with pytest.MonkeyPatch.context() as patch:
        after_step(patch, step, lambda loop: os.kill(os.getpid(), number))
        with pytest.raises(training.TrainingInterrupted) as caught:
            train(recipe, out, **options)
    return caught.value
