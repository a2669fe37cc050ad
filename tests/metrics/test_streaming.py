"""Keras metrics against scikit-learn, in and out of ``fit``."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from xraylab import losses, metrics

REFERENCES = {
    metrics.MacroAUC: (roc_auc_score, "macro"),
    metrics.MicroAUC: (roc_auc_score, "micro"),
    metrics.MacroAveragePrecision: (average_precision_score, "macro"),
}


@pytest.fixture(params=REFERENCES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def realistic(num_images=4000, num_labels=14, spread=1.0, seed=0):
    """Labels as rare as findings are, and logits of a fair classifier."""
    rng = np.random.default_rng(seed)
    prevalence = np.geomspace(0.01, 0.18, num_labels)
    y_true = (rng.random((num_images, num_labels)) < prevalence).astype(np.float32)
    logits = np.log(prevalence / (1 - prevalence)) + y_true + rng.normal(size=y_true.shape)
    return y_true, np.float32(spread * logits)


def rounded(logits):
    return np.floor(np.clip(logits, -16, 16 - 1e-6) * 256) / 256


def accumulate(metric, y_true, logits, sample_weight=None, batches=7):
    for rows in np.array_split(np.arange(len(y_true)), batches):
        weight = None if sample_weight is None else sample_weight[rows]
        metric.update_state(y_true[rows], logits[rows], weight)
    return float(metric.result())


@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0])
def test_close_to_scikit_learn_on_realistic_data(kind, spread):
    y_true, logits = realistic(spread=spread)
    reference, average = REFERENCES[kind]
    got = accumulate(kind(), y_true, logits)
    assert got == pytest.approx(reference(y_true, logits, average=average), abs=1e-3)


def test_equal_to_scikit_learn_on_rounded_logits(kind):
    y_true, logits = realistic(spread=5.0)
    reference, average = REFERENCES[kind]
    expected = reference(y_true, rounded(logits), average=average)
    assert accumulate(kind(), y_true, logits) == pytest.approx(expected, abs=2e-6)


def test_agrees_with_the_exact_score(kind):
    y_true, logits = realistic()
    y_true[np.random.default_rng(1).random(y_true.shape) < 0.3] = np.nan
    score = metrics.score(y_true, 1 / (1 + np.exp(-np.float64(logits))))
    name = {"macro_average_precision": "average_precision"}.get(
        kind.default_name, kind.default_name
    )
    assert accumulate(kind(), y_true, logits) == pytest.approx(getattr(score, name), abs=1e-3)


def test_exact_on_separable_labels(kind):
    y_true = np.float32([[0, 1], [1, 0], [1, 1], [0, 0]])
    assert accumulate(kind(), y_true, y_true - 0.5, batches=2) == 1.0
    if kind is not metrics.MacroAveragePrecision:
        assert accumulate(kind(), y_true, 0.5 - y_true) == 0.0
        assert accumulate(kind(), y_true, 0 * y_true) == 0.5


def test_probabilities_give_the_same_score(kind):
    y_true, logits = realistic()
    expected = accumulate(kind(), y_true, logits)
    got = accumulate(kind(from_logits=False), y_true, 1 / (1 + np.exp(-logits)))
    assert got == pytest.approx(expected, abs=1e-3)


def test_nan_labels_are_ignored(kind):
    y_true, logits = realistic(num_labels=3)
    unknown = np.random.default_rng(1).random(y_true.shape) < 0.3
    y_true[unknown] = np.nan
    expected = accumulate(kind(), y_true, logits)
    assert accumulate(kind(), y_true, np.where(unknown, 9.0, logits)) == expected


def test_labels_with_one_class_are_left_out():
    y_true, logits = realistic(num_labels=3)
    y_true[:, 2] = 0
    for kind in (metrics.MacroAUC, metrics.MacroAveragePrecision):
        expected = accumulate(kind(), y_true[:, :2], logits[:, :2])
        assert accumulate(kind(), y_true, logits) == pytest.approx(expected, abs=1e-7)


def test_nan_predictions_give_nan_under_xla_too(kind):
    metric = kind()
    y_true = np.float32([[0, 1], [1, 0], [1, 1]])
    logits = np.float32([[0, 1], [1, np.nan], [2, 0]])
    assert np.isnan(metric(y_true, logits)), "one is enough"
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        metric.reset_state()
        tf.function(metric.update_state, jit_compile=True)(y_true, logits)
        assert np.isnan(metric.result())


def test_undefined_scores_are_nan(kind):
    metric = kind()
    assert np.isnan(metric.result())
    assert np.isnan(accumulate(metric, np.zeros((4, 2)), np.zeros((4, 2))))


def test_integer_weights_equal_repeated_images(kind):
    y_true, logits = realistic(1000, 4)
    weights = np.random.default_rng(1).integers(0, 4, len(y_true))
    expected = accumulate(kind(), np.repeat(y_true, weights, 0), np.repeat(logits, weights, 0))
    for given in (weights, np.repeat(weights[:, None], 4, axis=1)):
        assert accumulate(kind(), y_true, logits, given) == pytest.approx(expected, abs=1e-6)


def test_mixed_labels_count_as_both_classes():
    mixed = accumulate(metrics.MacroAUC(), np.float32([[0.25], [1.0]]), np.float32([[0.0], [1.0]]))
    pairs = [(0.25 * 0.5 + 1.0) * 0.75, 1.25 * 0.75]  # weighted pairs in order, all pairs
    assert mixed == pytest.approx(pairs[0] / pairs[1])


def test_reset(kind):
    metric = kind()
    y_true, logits = realistic(500, 3)
    first = accumulate(metric, y_true, logits)
    accumulate(metric, y_true, -logits)
    metric.reset_state()
    assert accumulate(metric, y_true, logits) == first


@pytest.fixture(params=["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.long)])
def policy(request):
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(former)


def test_compiled_fit_save_and_load(policy, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 8)).astype(np.float32)
    y = (x[:, :3] + rng.normal(size=(256, 3)) > 1).astype(np.float32)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    compiled = [metrics.MacroAUC(), metrics.MicroAUC(), metrics.MacroAveragePrecision()]
    model.compile(keras.optimizers.Adam(0.05), losses.BinaryCrossentropy(), metrics=compiled)
    history = model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0).history
    assert history["macro_auc"][-1] > 0.5
    found = model.evaluate(x, y, return_dict=True, verbose=0)
    assert found["macro_auc"] == pytest.approx(history["val_macro_auc"][-1], abs=1e-6)
    expected = roc_auc_score(y, model.predict(x, verbose=0).astype("float64"), average="macro")
    assert found["macro_auc"] == pytest.approx(expected, abs=1e-3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, y, return_dict=True, verbose=0) == pytest.approx(found, abs=1e-5)


@pytest.mark.skipif(
    not os.environ.get("XRAYLAB_EVERY_MODEL") or keras.backend.backend() == "jax",
    reason="long; make test-all",
)
def test_metrics_on_jax():
    pytest.importorskip("jax")
    command = [sys.executable, "-m", "pytest", __file__]
    subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "jax"}, check=True)


def test_config_round_trip(kind):
    metric = keras.metrics.deserialize(keras.metrics.serialize(kind(from_logits=False, name="a")))
    assert type(metric) is kind
    assert (metric.from_logits, metric.name) == (False, "a")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs are TensorFlow's")
def test_the_output_of_a_sigmoid_is_refused_in_a_graph():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "sigmoid")])
    model.compile("sgd", losses.BinaryCrossentropy(from_logits=False), metrics=[metrics.MacroAUC()])
    with pytest.raises(ValueError, match="from_logits=False"):
        model.fit(np.zeros((4, 4)), np.zeros((4, 3)), verbose=0)
