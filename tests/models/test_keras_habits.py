"""What a Keras user expects of every model: compilation checks, weights by path, new heads.

Training, saving, loading in a fresh process and export are in ``tests/test_student.py``.
"""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from xraylab import data, losses, metrics, models

from ..conftest import SHALLOW

SIZE = 16


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((4, SIZE, SIZE, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def labels():
    return (np.random.default_rng(1).random((4, 3)) < 0.5).astype(np.float32)


def make_toy(activation=None, **options):
    return models.build(
        "rr_vit_toy", SIZE, num_labels=3, classifier_activation=activation, **options
    )


PROBABILITIES = {
    "loss_by_name": {"loss": "binary_crossentropy"},
    "loss_object": {"loss": keras.losses.BinaryCrossentropy()},
    "loss_function": {"loss": keras.losses.binary_crossentropy},
    "loss_in_list": {"loss": ["binary_focal_crossentropy"]},
    "auc": {"metrics": [keras.metrics.AUC(multi_label=True)]},
    "auc_by_name": {"metrics": ["AUC"]},
    "weighted_accuracy_by_name": {"weighted_metrics": ["binary_accuracy"]},
    "accuracy": {"metrics": [keras.metrics.BinaryAccuracy(threshold=0.5)]},
    "precision": {"metrics": [keras.metrics.Precision()]},
    "precision_at_recall": {"metrics": [keras.metrics.PrecisionAtRecall(0.5)]},
    "crossentropy": {"metrics": [keras.metrics.BinaryCrossentropy()]},
    "dice_by_name": {"loss": "dice"},
    "divergence": {"loss": keras.losses.KLDivergence()},
    "f1": {"metrics": [keras.metrics.F1Score("macro", threshold=0.5)]},
    "class_of_a_loss": {"loss": keras.losses.BinaryCrossentropy},
}

LOGITS = {
    "loss": {"loss": keras.losses.BinaryCrossentropy(from_logits=True)},
    "auc": {"metrics": [keras.metrics.AUC(multi_label=True, from_logits=True)]},
    "accuracy": {"metrics": [keras.metrics.BinaryAccuracy(threshold=0.0)]},
    "recall": {"metrics": [keras.metrics.Recall(thresholds=0.0)]},
}


@pytest.mark.parametrize("arguments", PROBABILITIES.values(), ids=PROBABILITIES)
def test_losses_and_metrics_of_probabilities_are_refused_on_logits(arguments):
    with pytest.raises(ValueError, match="classifier_activation='sigmoid'"):
        make_toy().compile("sgd", **arguments)
    make_toy("sigmoid").compile("sgd", **arguments)


@pytest.mark.parametrize("arguments", LOGITS.values(), ids=LOGITS)
def test_losses_and_metrics_of_logits_are_refused_on_probabilities(arguments):
    with pytest.raises(ValueError, match="classifier_activation=None"):
        make_toy("sigmoid").compile("sgd", **arguments)
    make_toy().compile("sgd", **arguments)


def test_both_cures_are_named():
    with pytest.raises(ValueError, match="pass from_logits=True to the loss, or build"):
        make_toy().compile("sgd", "binary_crossentropy")
    with pytest.raises(ValueError, match=r"pass threshold=0\.0 to the metric, or build"):
        make_toy().compile("sgd", "mse", metrics=["binary_accuracy"])


def test_accuracy_is_refused_because_keras_takes_an_argmax_of_labels():
    for activation in (None, "sigmoid"):
        with pytest.raises(ValueError, match="resolves the metric 'accuracy' by the shape"):
            make_toy(activation).compile("sgd", "mse", metrics=["accuracy"])


def test_f1_is_refused_where_keras_takes_the_largest_output():
    for activation in (None, "sigmoid"):
        with pytest.raises(ValueError, match="without a threshold"):
            make_toy(activation).compile("sgd", "mse", metrics=[keras.metrics.F1Score()])
        with pytest.raises(ValueError, match="without a threshold"):
            make_toy(activation).compile("sgd", "mse", metrics=["f1_score"])


def test_own_losses_with_names_of_keras_are_accepted():
    def dice(y_true, y_pred):
        return keras.losses.dice(y_true, ops.sigmoid(y_pred))

    make_toy().compile("sgd", dice)


def test_classes_of_losses_and_metrics_are_instantiated(images, labels):
    model = make_toy()
    model.compile("sgd", losses.BinaryCrossentropy, metrics=[metrics.MacroAUC], run_eagerly=True)
    assert np.isfinite(model.evaluate(images, labels, verbose=0)[0])


def test_metrics_may_be_positional():
    with pytest.raises(ValueError, match="classifier_activation='sigmoid'"):
        make_toy().compile("sgd", "mse", None, [keras.metrics.AUC()])


def test_class_weight_is_refused(images, labels):
    model = make_toy()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"sample_weight of shape \(num_images, num_labels\)"):
        model.fit(images, labels, class_weight={0: 1.0, 1: 2.0}, verbose=0)
    with pytest.raises(ValueError, match="would take the argmax"):
        model.train_on_batch(images, labels, class_weight={0: 1.0, 1: 2.0})


def test_validation_labels_are_checked_before_training(images, labels):
    model = make_toy()
    model.compile("sgd", losses.BinaryCrossentropy())
    with pytest.raises(ValueError, match=r"out of range.*Received: -1"):
        model.fit(images, labels, validation_data=(images, -labels), verbose=0)
    assert int(model.optimizer.iterations) == 0


@pytest.mark.parametrize("form", ["weights.h5", "keras", "run"])
def test_weights_are_loaded_by_path(images, tmp_path, form):
    model = make_toy()
    model.label_names = [f"label_{k}" for k in range(model.num_labels)]
    expected = ops.convert_to_numpy(model(images))
    path = tmp_path / (f"m.{form}" if form != "run" else "best.weights.h5")
    model.save(path) if form == "keras" else model.save_weights(path)
    again = make_toy(weights=tmp_path if form == "run" else path)
    np.testing.assert_allclose(again(images), expected, atol=1e-6)
    assert again.label_names == tuple(model.label_names)
    again.label_names = names = tuple(reversed(again.label_names))
    again.load_weights(path)
    assert again.label_names == names  # a model's own names are kept


@pytest.mark.parametrize("name", ["rr_vit_toy", "lt_vit_toy", "densenet121_toy"])
def test_another_number_of_labels_gets_a_new_head(name, tmp_path):
    options = SHALLOW[name]
    first = models.build(name, 32, num_labels=3, **options)
    first.label_names = ("a", "b", "c")
    first.save_weights(tmp_path / "m.weights.h5")
    with pytest.warns(UserWarning, match=r"weights for 3 labels; .* has 5.*head is new"):
        second = models.build(name, 32, 5, weights=tmp_path / "m.weights.h5", **options)
    images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    one, other = (m(images, return_intermediates=True)["features"] for m in (first, second))
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert second(images).shape == (2, 5) and second.label_names is None


def test_weights_that_do_not_exist_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"No pretrained weights .*rr_vit_toy. Shipped: .*rr_vit at 64 px"
    ):
        make_toy(weights="pretrained")
    with pytest.raises(FileNotFoundError, match="Weight file not found"):
        make_toy(weights=tmp_path / "none.weights.h5")
    models.build("dbct_toy", SIZE).save_weights(tmp_path / "dbct.weights.h5")
    with pytest.raises(ValueError, match="does not hold the weights of rr_vit_toy"):
        make_toy(weights=tmp_path / "dbct.weights.h5")


def test_num_classes_is_called_num_labels():
    with pytest.raises(ValueError, match=r"'num_classes'\. Did you mean 'num_labels'"):
        models.build("rr_vit_toy", num_classes=3)


def labels_with(value):
    labels = np.zeros((4, 3), np.float32)
    labels[1, 2] = value
    return labels


@pytest.mark.parametrize("method", ["fit", "evaluate"])
@pytest.mark.parametrize(
    ("labels", "loss", "message"),
    [
        (np.zeros((4, 2)), losses.BinaryCrossentropy, r"Expected: \(num_images, 3\).*\(4, 2\)"),
        (np.zeros(4), losses.BinaryCrossentropy, r"Received: \(4,\)"),
        (labels_with(-1), losses.BinaryCrossentropy, "out of range.*Received: -1"),
        (labels_with(7), losses.BinaryCrossentropy, "out of range.*Received: 7"),
        (labels_with(0).astype(str), losses.BinaryCrossentropy, "not numbers.*Received: dtype <U"),
        (labels_with(np.nan), keras.losses.BinaryCrossentropy, "Expected: those of xraylab"),
    ],
)
def test_labels_that_the_loss_would_misread_are_refused(method, labels, loss, message):
    model = make_toy()
    model.compile("sgd", loss=loss(from_logits=True), run_eagerly=True)
    images = np.zeros((4, model.image_size, model.image_size, 1), np.float32)
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(images, labels)


class OwnLoss(losses.BinaryCrossentropy):
    """A loss that a student derived."""


@pytest.mark.parametrize("loss", [losses.BinaryCrossentropy(), OwnLoss(), [OwnLoss()]])
def test_nan_labels_train_with_a_loss_of_xraylab(loss):
    model = make_toy()
    model.compile("sgd", loss=loss, run_eagerly=True)
    images = np.zeros((4, model.image_size, model.image_size, 1), np.float32)
    history = model.fit(images, labels_with(np.nan), verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_nan_labels_are_refused_with_a_metric_of_keras():
    model = make_toy()
    auc = keras.metrics.AUC(multi_label=True, from_logits=True)
    model.compile("sgd", losses.BinaryCrossentropy(), metrics=[metrics.MacroAUC(), auc])
    images = np.zeros((4, model.image_size, model.image_size, 1), np.float32)
    with pytest.raises(ValueError, match=r"Received: auc.*Compile with"):
        model.evaluate(images, labels_with(np.nan))


@pytest.mark.parametrize("shape", [(None, None, None, 1), None])
def test_data_sets_without_a_static_size_get_the_right_advice(shape):
    images = SimpleNamespace(shape=tf.TensorShape(shape))
    with pytest.raises(ValueError, match=r"tf\.ensure_shape\(x, \(None, 16, 16, 1\)\)"):
        make_toy().check_images(images)


def test_numpy_integers_do_not_prevent_saving(tmp_path):
    options = {"num_heads": np.int64(2)}
    models.build("rr_vit_toy", SIZE, **options).save_weights(tmp_path / "a.weights.h5")
    models.build("rr_vit_toy", SIZE, weights=tmp_path / "a.weights.h5", num_heads=2)


def test_single_images_get_the_right_advice():
    model = make_toy()
    image = np.zeros((model.image_size, model.image_size, 1), np.float32)
    with pytest.raises(ValueError, match=r"images\[np\.newaxis\]"):
        model(image)


def grey(count=4, largest=1.0, side=SIZE):
    """Return images up to a grey level."""
    return np.linspace(0, largest, count * side**2, dtype=np.float32).reshape(-1, side, side, 1)


def test_early_stopping_knows_that_a_higher_auc_is_better():
    model = make_toy()
    model.compile("sgd", losses.BinaryCrossentropy(), metrics=[metrics.MacroAUC()])
    stop = keras.callbacks.EarlyStopping("val_macro_auc", patience=3)
    labels = np.eye(4, 3, dtype=np.float32)
    model.fit(grey(), labels, validation_data=(grey(), labels), callbacks=[stop], verbose=0)
    assert stop.monitor_op(0.6, 0.5)


class Batches(keras.utils.PyDataset):
    """A data set of a student: one batch."""

    def __init__(self, *batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


def tensors(*arrays):
    """Return a tf.data.Dataset."""
    return tf.data.Dataset.from_tensor_slices(arrays).batch(2)


@pytest.mark.parametrize("wrap", [tensors, Batches])
def test_data_sets_of_8_bit_images_are_noticed(wrap):
    model = make_toy()
    model.compile("sgd", losses.BinaryCrossentropy())
    data = wrap(grey(largest=255), np.zeros((4, 3), np.float32))
    for method in (model.fit, model.evaluate, model.predict):
        with pytest.warns(UserWarning, match="Divide 8-bit images by 255"):
            method(data, verbose=0)
    with pytest.warns(UserWarning, match="Divide 8-bit images by 255"):
        model.fit(grey(), np.zeros((4, 3), np.float32), validation_data=data, verbose=0)


@pytest.mark.parametrize("name", ["rr_vit_toy", "hybrid_rr_vit_toy", "lt_vit_toy", "dbct_toy"])
def test_freezing_all_layers_but_the_last_trains_the_head(name):
    model = models.build(name, 32)
    for layer in model.layers[:-1]:
        layer.trainable = False
    assert {weight.path.split("/")[-2] for weight in model.trainable_weights} == {"head"}


def test_arrays_of_another_shape_are_refused_after_an_earlier_call():
    model = make_toy()
    model.predict(grey(), verbose=0)
    for images, advice in (
        (grey(side=24), "image_size=24"),
        (np.repeat(grey(), 3, axis=-1), "the mean of the channels"),
        (grey()[..., 0], "np.newaxis"),
    ):
        with pytest.raises(ValueError, match=advice):
            model.predict(images, verbose=0)


def test_splits_are_trained_on_as_their_data_sets():
    split = data.load("phantom", size=32, split="val").subset(slice(6))
    results = []
    for train, val in ((split, split), (split.to_dataset(4), split.to_dataset(4))):
        keras.utils.set_random_seed(0)
        model = models.build("rr_vit_toy", 32)
        model.compile("sgd", losses.BinaryCrossentropy())
        options = {"batch_size": 4} if train is split else {}
        fitted = model.fit(train, validation_data=val, shuffle=False, verbose=0, **options)
        scores = model.evaluate(val, verbose=0), model.predict(val, verbose=0)
        results.append((fitted.history, *scores))
    (first, loss, logits), (second, expected, others) = results
    assert first == {name: pytest.approx(values, rel=1e-5) for name, values in second.items()}
    assert loss == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(logits, others, atol=1e-5)


def test_the_order_of_a_split_is_that_of_the_random_seed(monkeypatch):
    orders, model = [], make_toy()
    pixels = np.uint8(255 * grey()[..., 0])
    split = data.Split(pixels, np.zeros((4, 3)), label_names=("a", "b", "c"))
    made = data.Split.to_dataset
    keep = lambda *args, **options: orders.append(options) or made(*args, **options)  # noqa: E731
    monkeypatch.setattr(data.Split, "to_dataset", keep)
    model.compile("sgd", losses.BinaryCrossentropy())
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        model.fit(split, epochs=3, initial_epoch=2, verbose=0)
    assert orders[0] == orders[1] != orders[2]
    assert orders[0]["shuffle"] and orders[0]["epoch"] == 2


def test_labels_are_checked_beside_tensors_of_images():
    model = make_toy()
    model.compile("sgd", losses.BinaryCrossentropy())
    with pytest.raises(ValueError, match="out of range"):
        model.fit(tf.constant(grey()), -np.ones((4, 3), np.float32), verbose=0)


@pytest.mark.parametrize(
    "loss",
    ["categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy(from_logits=True)],
)
def test_losses_of_a_single_class_are_refused(loss):
    with pytest.raises(ValueError, match="exactly one label"):
        make_toy().compile("sgd", loss)
