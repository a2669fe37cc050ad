"""Kinds of models used as a student would who knows plain Keras, on TensorFlow and JAX."""

import csv
import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from xraylab import data, losses, metrics, models

from .conftest import EVERY_MODEL

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX runs in a separate process"
)

HAS_TENSORBOARD = importlib.util.find_spec("tensorboard") is not None  # the callback needs it
NUM_LABELS = 3
KINDS = {  # as shallow and at as few pixels as each kind allows
    "rr_vit_toy": {"image_size": 16, "depth": 1},
    "dbct_toy": {"image_size": 16, "depth": 1},
    "densenet121_toy": {"image_size": 32, "depths": (1, 1, 1)},
    "efficientvit_mxa_toy": {"image_size": 16, "depths": (1, 1, 1)},
    "lt_vit_toy": {"image_size": 16, "depth": 2, "num_label_blocks": 1},
}
MODELS = KINDS if EVERY_MODEL else {k: KINDS[k] for k in ("rr_vit_toy", "densenet121_toy")}
"""A model that adds a loss and one with batch statistics; ``make test-all`` takes every kind."""

EVERY = MODELS if EVERY_MODEL else ["rr_vit_toy"]
"""The models of tests whose subject is the common base class."""

EPOCHS = {name: 2 if name in EVERY else 1 for name in MODELS}

every = pytest.mark.parametrize("trained", EVERY, indirect=True)

LOGITS = r"from_logits=True.*or build the model with classifier_activation='sigmoid'"


def make_data(name, num_images=16):
    """Images, labels and sample weights, each with all classes in every half."""
    rng = np.random.default_rng(0)
    size = MODELS[name]["image_size"]
    x = rng.random((num_images, size, size, 1), dtype=np.float32)
    y = (np.arange(num_images)[:, None] % 4 < [1, 2, 3]).astype(np.float32)
    return x, y, np.linspace(0.5, 1.5, num_images, dtype=np.float32)


def build(name, **changes):
    return models.build(name, **{"num_labels": NUM_LABELS, **MODELS[name], **changes})


def compiled(model, **options):
    """Compile a model, for ``make test`` without XLA, and most of them without a graph."""
    if not EVERY_MODEL:
        eagerly = model.name != "rr_vit_toy"
        options = {"run_eagerly": eagerly, "jit_compile": False} | options
    model.compile(
        keras.optimizers.AdamW(1e-3),
        loss=losses.BinaryCrossentropy(),
        metrics=[
            keras.metrics.AUC(multi_label=True, from_logits=True, name="auc"),
            metrics.MacroAUC(),
        ],
        **options,
    )
    return model


@pytest.fixture(scope="module")
def all_trained(tmp_path_factory):
    """For each model: the model, trained with callbacks and saved, its history, and its folder."""
    root = tmp_path_factory.mktemp("student")
    return {name: train(name, root / name) for name in MODELS}


def train(name, folder):
    """Train a model with callbacks and save it with its evaluation."""
    folder.mkdir()
    keras.utils.set_random_seed(0)
    model, (x, y, weights) = compiled(build(name)), make_data(name)
    history = model.fit(
        x,
        y,
        sample_weight=weights,
        validation_data=(x, y, weights),
        epochs=EPOCHS[name],
        batch_size=8,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping("val_macro_auc", mode="max", patience=5),
            keras.callbacks.ModelCheckpoint(folder / "best.keras", "val_macro_auc", mode="max"),
            keras.callbacks.CSVLogger(folder / "log.csv"),
            *([keras.callbacks.TensorBoard(folder / "board")] if HAS_TENSORBOARD else []),
        ],
    ).history
    model.save(folder / "model.keras")
    scores = model.evaluate(x, y, sample_weight=weights, batch_size=8, verbose=0, return_dict=True)
    (folder / "scores.json").write_text(json.dumps(scores))
    steps = int(model.optimizer.iterations)
    np.savez(folder / "data.npz", x=x, y=y, weights=weights, steps=steps)
    (folder / "options.json").write_text(json.dumps({"name": name, **MODELS[name]}))
    return model, history, folder


@pytest.fixture(params=MODELS)
def trained(request, all_trained):
    return all_trained[request.param]


def test_fit_reports_losses_and_metrics(trained):
    model, history, _ = trained
    assert {"loss", "auc", "macro_auc", "val_loss", "val_auc", "val_macro_auc"} <= history.keys()
    for values in history.values():
        assert len(values) == EPOCHS[model.name] and np.isfinite(values).all()


@every
def test_callbacks_write_their_files(trained):
    model, history, folder = trained
    rows = list(csv.DictReader((folder / "log.csv").read_text().splitlines()))
    assert [float(row["loss"]) for row in rows] == pytest.approx(history["loss"])
    assert bool(list(folder.rglob("events.*"))) == HAS_TENSORBOARD
    best = keras.models.load_model(folder / "best.keras")
    assert best.predict(make_data(model.name)[0], verbose=0).shape == (16, NUM_LABELS)


def test_predictions_are_one_array_of_logits(trained):
    model = trained[0]
    x = make_data(model.name)[0]
    predicted = model.predict(x, verbose=0)
    assert isinstance(predicted, np.ndarray) and predicted.shape == (16, NUM_LABELS)
    inside = model(x, return_intermediates=True)
    np.testing.assert_allclose(inside["logits"], predicted, atol=1e-4)


@every
def test_tf_data_and_validation_split(trained):
    import tensorflow as tf

    model = trained[0]
    x, y, weights = make_data(model.name)
    dataset = tf.data.Dataset.from_tensor_slices((x, y, weights)).shuffle(16).batch(8)
    history = model.fit(dataset, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    history = model.fit(
        x, y, sample_weight=weights, validation_split=0.5, batch_size=8, verbose=0
    ).history
    assert np.isfinite(history["val_loss"]).all() and np.isfinite(history["val_macro_auc"]).all()


def test_freeze_and_fine_tune_with_another_number_of_labels(trained, tmp_path):
    model = trained[0]
    x = make_data(model.name)[0]
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.warns(UserWarning, match="holds weights for 3 labels; .* has 5"):
        tuned = build(model.name, num_labels=5, weights=tmp_path / "model.weights.h5")
    for layer in tuned.layers:
        layer.trainable = layer.name.startswith("head")
    frozen = [np.array(v) for v in tuned.non_trainable_variables]
    tuned.compile("sgd", losses.BinaryFocalCrossentropy(), run_eagerly=True)
    assert np.isfinite(tuned.train_on_batch(x[:4], np.zeros((4, 5), np.float32)))
    assert all("head" in v.path for v in tuned.trainable_variables)
    names = [v.path for v in tuned.non_trainable_variables]
    for name, before, after in zip(names, frozen, tuned.non_trainable_variables, strict=True):
        if "seed" not in name and "head" not in name:  # statistics of the head's normalization
            np.testing.assert_array_equal(np.array(after), before, err_msg=name)


@every
def test_saved_model_export(trained, tmp_path):
    import tensorflow as tf

    model = trained[0]
    x = make_data(model.name, 4)[0]
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(tf.constant(x)), model.predict(x, verbose=0), atol=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_mixed_precision(name):
    x, y, _ = make_data(name, 4)
    model = compiled(build(name, dtype="mixed_bfloat16"), run_eagerly=True)
    logs = model.train_on_batch(x, y, return_dict=True)
    assert np.isfinite(logs["loss"])
    assert all(v.dtype == "float32" for v in model.trainable_variables)


@pytest.mark.parametrize("name", EVERY)
def test_losses_and_metrics_of_probabilities_are_refused_with_both_cures(name):
    model = build(name)
    for loss in ("binary_crossentropy", keras.losses.BinaryCrossentropy()):
        with pytest.raises(ValueError, match=LOGITS):
            model.compile("adam", loss=loss)
    with pytest.raises(ValueError, match=LOGITS):
        model.compile(
            "adam", losses.BinaryCrossentropy(), metrics=[keras.metrics.AUC(multi_label=True)]
        )
    model = build(name, classifier_activation="sigmoid")
    with pytest.raises(ValueError, match="from_logits=False"):
        model.compile("adam", losses.BinaryCrossentropy())
    model.compile("adam", "binary_crossentropy", metrics=[metrics.MacroAUC(from_logits=False)])


def test_class_weight_is_refused_with_several_labels():
    model, (x, y, _) = compiled(build("rr_vit_toy")), make_data("rr_vit_toy")
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(x, y, class_weight={0: 1.0, 1: 2.0}, verbose=0)


def test_split_to_dataset(image_file):
    names = ("first", "second", "third")
    train = data.load(image_file, split="train", label_names=names)
    val = data.load(image_file, split="val", label_names=names)
    model = models.build("rr_vit_toy", image_size=16, num_labels=3, depth=1)
    model = compiled(model, jit_compile="auto")  # XLA
    history = model.fit(
        train.to_dataset(batch_size=32, shuffle=True, seed=0),
        validation_data=val.to_dataset(32),
        verbose=0,
    ).history
    assert np.isfinite(history["val_macro_auc"]).all()
    x, y = val.arrays()
    assert model.evaluate(x, y, batch_size=32, verbose=0)[0] == pytest.approx(
        history["val_loss"][-1], rel=1e-4
    )


FRESH = """
import json, pathlib, sys
import keras, numpy as np
import xraylab
root = pathlib.Path(sys.argv[1])
for folder in map(root.joinpath, sys.argv[2:]):
    model = keras.models.load_model(folder / "model.keras")
    x, y, w, steps = np.load(folder / "data.npz").values()
    options = {"sample_weight": w, "batch_size": 8, "verbose": 0}
    assert model.optimizer.iterations == steps
    got = model.evaluate(x, y, return_dict=True, **options)
    expected = json.loads((folder / "scores.json").read_text())
    assert got.keys() == expected.keys(), (folder, got, expected)
    for key, value in expected.items():
        assert np.isclose(got[key], value, rtol=1e-3, atol=1e-4), (folder, key, got, expected)
    if keras.backend.backend() == "jax":
        callbacks = [keras.callbacks.EarlyStopping("val_macro_auc", mode="max"),
                     keras.callbacks.ModelCheckpoint(folder / "jax.keras"),
                     keras.callbacks.CSVLogger(folder / "jax.csv")]
        history = model.fit(x, y, validation_data=(x, y, w), callbacks=callbacks, **options).history
        assert all(np.isfinite(values).all() for values in history.values()), (folder, history)
"""


def test_a_fresh_process_loads_and_evaluates_models(all_trained):
    """After importing xraylab alone."""
    root, environment = (
        all_trained["rr_vit_toy"][2].parent,
        os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    command = [sys.executable, "-c", FRESH, str(root), *MODELS]
    subprocess.run(command, env=environment, check=True)


def test_jax_loads_evaluates_and_trains_models(all_trained, run_on_jax):
    run_on_jax(FRESH, all_trained["rr_vit_toy"][2].parent, *EVERY)


HABITS = """
import json, pathlib, sys, warnings
import keras, numpy as np
import tensorflow as tf
from xraylab import losses, models
root = pathlib.Path(sys.argv[1])
for folder in map(root.joinpath, sys.argv[2:]):
    model = keras.models.load_model(folder / "model.keras")
    x, y, w, _ = np.load(folder / "data.npz").values()
    dataset = tf.data.Dataset.from_tensor_slices((x, y, w)).batch(8)
    assert np.isfinite(model.fit(dataset, verbose=0).history["loss"]).all(), folder
    board = keras.callbacks.TensorBoard(folder / "jax")
    options = {"validation_split": 0.5, "sample_weight": w, "batch_size": 8, "verbose": 0}
    history = model.fit(x, y, callbacks=[board], **options).history
    assert all(np.isfinite(values).all() for values in history.values()), (folder, history)
    assert list((folder / "jax").rglob("events.*"))
    model.export(folder / "jax_served", verbose=False)
    served = tf.saved_model.load(str(folder / "jax_served"))
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(served.serve(tf.constant(x)), expected, atol=1e-4)

    options = json.loads((folder / "options.json").read_text())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tuned = models.build(num_labels=5, weights=folder / "model.keras", **options)
    assert any("has 5" in str(warning.message) for warning in caught)
    for layer in tuned.layers:
        layer.trainable = layer.name.startswith("head")
    mixed = models.build(num_labels=5, dtype="mixed_bfloat16", **options)
    for other in (tuned, mixed):
        other.compile("sgd", losses.BinaryFocalCrossentropy())
        assert np.isfinite(other.train_on_batch(x, np.zeros((len(x), 5), np.float32))), folder
    assert all("head" in v.path for v in tuned.trainable_variables)
    assert all(v.dtype == "float32" for v in mixed.trainable_variables)
"""


@pytest.mark.long
@pytest.mark.skipif(not HAS_TENSORBOARD, reason="TensorBoard is not installed")
def test_jax_has_the_same_habits(all_trained, run_on_jax):
    """tf.data, validation split, TensorBoard, SavedModel, fine-tuning and mixed precision."""
    run_on_jax(HABITS, all_trained["rr_vit_toy"][2].parent, *EVERY)
