"""Small runs for the training tests, and helpers that interrupt and compare runs."""

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
from xraylab.training.callbacks import Checkpointer
from xraylab.training.checkpoint import read_newest_checkpoint

from ..conftest import eager_execution

LABELS = ("first", "second", "third")

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="specific to TensorFlow"
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
        "xla": False,
    }
    return training.Recipe(**(defaults | changes))


def train(recipe, out, **options):
    return training.fit(recipe, out, progress=False, **options)


class TinyModel(ImageModel):
    """A model with fast training steps, for tests that do not depend on the model."""

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
def tiny_models(eager=True):
    """Replace every model by a tiny one, which is faster eagerly for a few steps."""

    def build(name, image_size, num_labels, depth=None, **options):
        model = TinyModel(image_size, num_labels, **options)
        model(np.zeros((1, image_size, image_size, 1), np.float32))
        return model

    execution = eager_execution() if eager else contextlib.nullcontext()
    with pytest.MonkeyPatch.context() as patch, execution:
        patch.setattr(models, "build", build)
        yield


@pytest.fixture
def tiny():
    with tiny_models():
        yield


@pytest.fixture
def tiny_compiled():
    with tiny_models(eager=False):
        yield


@pytest.fixture(scope="session")
def plain(image_file, tmp_path_factory):
    """An uninterrupted run of a tiny model; to continue it, request ``tiny`` as well."""
    with tiny_models():
        return train(make_recipe(image_file, ema=0.9), tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture(scope="session")
def traced(image_file, tmp_path_factory):
    """The same with a graph, as usual; to continue or load it, request ``tiny_compiled``, too."""
    with tiny_models(eager=False):
        return train(make_recipe(image_file, ema=0.9), tmp_path_factory.mktemp("traced") / "run")


@pytest.fixture(scope="session")
def public_teacher(tmp_path_factory, random_weights):
    """A state dict with the names and shapes of TorchXRayVision, and random numbers."""
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
    """Return all arrays of a weights file by name."""
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]}) if hasattr(item, "dtype") else None
        )
    return arrays


def assert_same_run(one, other, exact=True):
    """Compare last and best weights, the newest checkpoint, and the history without seconds."""
    compare = np.testing.assert_array_equal
    if not exact:
        compare = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    for name in ("last", "best"):
        mine, theirs = (arrays_of(run.path / f"{name}.weights.h5") for run in (one, other))
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            compare(value, theirs[key])
    if exact:  # optimizer moments, metrics and averages too
        mine, theirs = (read_newest_checkpoint(run).arrays for run in (one, other))
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            compare(value, theirs[key])
        rows = [[{**row, "seconds": 0} for row in run.history] for run in (one, other)]
        assert rows[0] == rows[1]


def leftovers(folder):
    """Return the names of temporary files below a folder."""
    return sorted(path.name for path in Path(folder).rglob(".*.tmp"))


def after_step(monkeypatch, step, action):
    """Call ``action(checkpointer)`` right after a step of this and every later run."""
    on_train_batch_end = Checkpointer.on_train_batch_end

    def step_and_more(recorder, batch, logs=None):
        last_part = (batch + 1) % recorder.batches.micro_batches == 0
        if last_part and recorder.state["step"] + 1 == step:
            action(recorder)
        on_train_batch_end(recorder, batch, logs)

    monkeypatch.setattr(Checkpointer, "on_train_batch_end", step_and_more)


def stop_after(step, number, recipe, out, **options):
    """Send this process a signal after a step, and return the exception of ``fit``."""
    with pytest.MonkeyPatch.context() as patch:
        after_step(patch, step, lambda recorder: os.kill(os.getpid(), number))
        with pytest.raises(training.TrainingInterrupted) as caught:
            train(recipe, out, **options)
    return caught.value
