"""Losses against plain float64 NumPy, scikit-learn, Keras and numbers computed by hand."""

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.metrics import log_loss

from xraylab import losses

needs_tape = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="computes gradients with a tape"
)
OPTIONS = {"weighted_binary_crossentropy": {"prevalence": [0.3] * 14}}


@pytest.fixture
def predictions():
    """Labels and logits of 6 images."""
    rng = np.random.default_rng(0)
    return (rng.random((6, 14)) < 0.3).astype(np.float64), rng.normal(0, 3, (6, 14))


def sigmoid(logits):
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def crossentropy(targets, logits):
    """The textbook equation on probabilities."""
    p = sigmoid(logits)
    return -(targets * np.log(p) + (1 - targets) * np.log1p(-p))


def focal(y_true, logits, alpha, gamma):
    """The textbook equation on probabilities."""
    p = sigmoid(logits)
    positive = alpha * (1 - p) ** gamma * y_true * np.log(p)
    return -positive - (1 - alpha) * p**gamma * (1 - y_true) * np.log(1 - p)


def gradient(loss, logits):
    """The gradient of the sum of a loss of logits."""
    import tensorflow as tf

    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        total = ops.sum(loss(logits))
    return tape.gradient(total, logits).numpy()


# Each function against its equation


def test_binary_crossentropy_equals_log_loss_of_scikit_learn(predictions):
    y_true, logits = predictions
    expected = [log_loss(y_true[:, k], sigmoid(logits[:, k]), labels=[0, 1]) for k in range(14)]
    got = np.mean(losses.binary_crossentropy(y_true, np.float32(logits)), axis=0)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_binary_crossentropy_by_hand():
    # At logit 0 every label costs ln 2; at ±1000 a wrong one costs 1000 and does not overflow.
    got = losses.binary_crossentropy([[1.0, 0.0, 1.0]], np.float32([[0.0, 1000.0, 1000.0]]))
    np.testing.assert_allclose(got, [[np.log(2), 1000.0, 0.0]], rtol=1e-6)


@needs_tape
def test_gradient_of_binary_crossentropy_is_the_error_of_the_probability():
    y_true, logits = [[1.0, 0.0, 1.0, 1.0, 1.0]], np.array([[0.0, 0.0, 2.0, -60.0, 60.0]])
    got = gradient(lambda z: losses.binary_crossentropy(y_true, z), logits)
    np.testing.assert_allclose(got, sigmoid(logits) - y_true, atol=1e-7)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.9, 0.5), (0.0, 1.0), (1.0, 5.0)])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-4), (np.float64, 1e-12)])
def test_focal_loss_equals_its_equation(predictions, alpha, gamma, dtype, rtol):
    y_true, logits = predictions
    got = losses.binary_focal_crossentropy(y_true, logits.astype(dtype), alpha, gamma)
    np.testing.assert_allclose(got, focal(y_true, logits, alpha, gamma), rtol=rtol, atol=1e-12)


def test_focal_loss_without_focus_is_half_the_crossentropy(predictions):
    got = losses.binary_focal_crossentropy(*predictions, alpha=0.5, gamma=0.0)
    np.testing.assert_allclose(got, losses.binary_crossentropy(*predictions) / 2, rtol=1e-12)


def test_focal_loss_by_hand():
    # At logit 0, (1 - p)² = 1/4: a positive label costs a quarter of that quarter of ln 2, a
    # negative one three times as much; two labels are summed, two images averaged.
    got = losses.BinaryFocalCrossentropy()([[1.0, 0.0], [1.0, 1.0]], np.zeros((2, 2), np.float32))
    assert float(got) == pytest.approx((4 + 2) / 2 * np.log(2) / 16)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_does_not_overflow(gamma):
    y_true, logits = [[1.0, 1.0, 0.0, 0.0]], np.float32([[1e4, -1e4, 1e4, -1e4]])
    got = losses.binary_focal_crossentropy(y_true, logits, gamma=gamma)
    np.testing.assert_array_equal(got, [[0, 2500, 7500, 0]])


@needs_tape
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_gradient_of_focal_loss_is_finite_and_agrees_with_differences(gamma, label):
    logits = np.array([[-1e4, -30.0, -1.0, 0.0, 1.0, 30.0, 1e4]])
    y_true = np.full(logits.shape, label)
    got = gradient(lambda z: losses.binary_focal_crossentropy(y_true, z, gamma=gamma), logits)
    assert np.isfinite(got).all()
    moderate, step = np.s_[:, 2:5], 1e-5
    low, high = (focal(label, logits[moderate] + s, 0.25, gamma) for s in (-step, step))
    np.testing.assert_allclose(got[moderate], (high - low) / (2 * step), rtol=1e-6)


def test_weighted_crossentropy_equals_its_equation(predictions):
    y_true, logits = predictions
    prevalence = np.linspace(0.02, 0.6, 14)
    weights = y_true / (2 * prevalence) + (1 - y_true) / (2 * (1 - prevalence))
    got = losses.weighted_binary_crossentropy(y_true, logits, prevalence)
    np.testing.assert_allclose(got, weights * crossentropy(y_true, logits), rtol=1e-12)


def test_a_prevalence_of_another_length_is_refused(predictions):
    with pytest.raises(ValueError, match=r"prevalence\. Expected: a number per label"):
        losses.WeightedBinaryCrossentropy([0.1])(*predictions)


def test_weighted_crossentropy_gives_both_classes_the_same_weight():
    y_true = np.float64([[1], [0], [0], [0]])
    for logit in (-3.0, 3.0):  # wrong for one class only
        got = losses.weighted_binary_crossentropy(y_true, np.full((4, 1), logit), [0.25])
        expected = 0.5 * (np.logaddexp(0, -logit) + np.logaddexp(0, logit))
        assert np.mean(got) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("positive", "negative", "margin"), [(0.0, 4.0, 0.05), (1.0, 2.5, 0.2), (1.0, 1.0, 0.0)]
)
def test_asymmetric_loss_equals_its_equation(predictions, positive, negative, margin):
    y_true, logits = predictions
    p = sigmoid(logits)
    q = np.maximum(p - margin, 0)
    expected = -y_true * (1 - p) ** positive * np.log(p)
    expected -= (1 - y_true) * q**negative * np.log(1 - q)
    got = losses.asymmetric(y_true, logits, positive, negative, margin)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-15)


def test_asymmetric_loss_without_focus_and_margin_is_the_crossentropy(predictions):
    got = losses.asymmetric(*predictions, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(got, losses.binary_crossentropy(*predictions), rtol=1e-9)


@needs_tape
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_gradient_of_asymmetric_loss_is_finite_and_agrees_with_differences(label):
    logits = np.array([[-200.0, -4.0, -2.944, -1.0, 0.0, 5.0, 200.0]])  # -2.944: the margin
    y_true, step = np.full(logits.shape, label), 1e-5
    got = gradient(lambda z: losses.asymmetric(y_true, z), logits)
    assert np.isfinite(got).all()
    low, high = (np.asarray(losses.asymmetric(y_true, logits + s)) for s in (-step, step))
    np.testing.assert_allclose(got, (high - low) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_distillation_equals_its_equation(predictions, temperature):
    logits = predictions[1]
    p = np.random.default_rng(1).uniform(0.01, 0.99, logits.shape)
    softened = sigmoid(np.log(p / (1 - p)) / temperature)
    expected = (1 - p.mean(axis=0)) * crossentropy(softened, logits / temperature)
    got = losses.distillation(p, logits, temperature)
    np.testing.assert_allclose(got, expected * temperature**2, rtol=1e-9)


def test_soft_distillation_is_the_crossentropy_with_mixed_targets():
    """What chapter 13 says of plain Keras."""
    rng = np.random.default_rng(0)
    logits, teacher = rng.normal(size=(8, 3)), rng.random((8, 3))
    labels, bce = rng.integers(0, 2, (8, 3)).astype(float), losses.BinaryCrossentropy()
    soft = losses.Distillation(weight_labels=False)(teacher, logits)
    expected = 0.7 * bce(labels, logits) + 0.3 * soft
    np.testing.assert_allclose(bce(0.7 * labels + 0.3 * teacher, logits), expected, rtol=1e-6)


def test_distillation_ignores_labels_the_teacher_does_not_know(predictions):
    logits = predictions[1]
    p = np.random.default_rng(1).random(logits.shape)
    p[:, 3] = np.nan
    rest = np.delete(np.arange(14), 3)
    expected = float(losses.Distillation()(p[:, rest], logits[:, rest]))
    assert float(losses.Distillation()(p, logits)) == pytest.approx(expected, rel=1e-6)


def test_double_sigmoid_stays_near_its_start():
    logits = np.array([[-50.0, 0.0, 50.0]])
    got = losses.double_sigmoid_crossentropy(np.zeros((1, 3)), logits)
    np.testing.assert_allclose(got, crossentropy(0.0, sigmoid(logits)), rtol=1e-9)
    assert 0.6 < np.min(got) < np.max(got) < 1.32


def test_reconstruction_error_by_hand():
    images, reconstruction = np.zeros((1, 2, 2, 1), np.float32), np.float32([[0, 1], [2, 3]])
    got = losses.reconstruction_error(images, reconstruction.reshape(1, 2, 2, 1))
    np.testing.assert_array_equal(np.ravel(got), [0, 1, 4, 9])


# All losses of labels


@pytest.fixture(params=losses.LOSSES)
def name(request):
    return request.param


def make(name, **options):
    return losses.get(name, **OPTIONS.get(name, {}), dtype="float64", **options)


def test_the_mean_is_over_known_labels_and_unknown_ones_have_no_influence(name, predictions):
    y_true, logits = predictions
    y_true[2, 5] = y_true[4, 0] = np.nan
    values = make(name).function(y_true, logits, **OPTIONS.get(name, {}))
    values = np.asarray(values)
    assert values[2, 5] == values[4, 0] == 0
    count = 6 if make(name).sums_over_labels else 82
    got = float(make(name)(y_true, logits))
    assert got == pytest.approx(values.sum() / count, rel=1e-12)
    logits[2, 5], logits[4, 0] = 7.0, -7.0
    assert float(make(name)(y_true, logits)) == got
    assert float(make(name)(np.full_like(y_true, np.nan), logits)) == 0.0


def test_sample_weights_are_per_image_or_per_label(name, predictions):
    y_true, logits = predictions
    y_true[2, 5] = np.nan
    weights = np.arange(6.0)
    values = np.asarray(make(name, reduction=None)(y_true, logits))
    assert values.shape == (6, 14)
    for given in (weights, weights[:, None], np.repeat(weights[:, None], 14, axis=1)):
        got = make(name, reduction="sum")(y_true, logits, given)
        assert float(got) == pytest.approx((values * weights[:, None]).sum(), rel=1e-12)
    mean = make(name, reduction="mean_with_sample_weight")(y_true, logits, weights)
    known = weights.sum() * 14 - weights[2]
    assert float(mean) == pytest.approx((values * weights[:, None]).sum() / known, rel=1e-12)


@pytest.mark.parametrize("cuts", [(3,), (1, 2, 5), (1, 2, 3, 4, 5)])
def test_micro_batches_add_up_to_the_whole(name, predictions, cuts):
    """With a sum and the weights that make the sum over the whole batch the mean."""
    y_true, logits = predictions
    y_true[np.random.default_rng(2).random(y_true.shape) < 0.4] = np.nan
    known = ~np.isnan(y_true)
    divisor = 6 if make(name).sums_over_labels else known.sum()
    weights, loss = known / divisor, make(name, reduction="sum")
    arrays = zip(*(np.split(x, cuts) for x in (y_true, logits, weights)), strict=True)
    total = sum(float(loss(*parts)) for parts in arrays)
    assert total == pytest.approx(float(make(name)(y_true, logits)), rel=1e-12)


def test_probabilities_give_the_same_loss(name, predictions):
    y_true, logits = predictions
    got = float(make(name, from_logits=False)(y_true, sigmoid(logits)))
    assert got == pytest.approx(float(make(name)(y_true, logits)), rel=1e-6)
    extreme = make(name, from_logits=False)(np.float64([[0, 1] * 7]), np.float64([[1, 0] * 7]))
    assert np.isfinite(float(extreme))


def test_config_round_trip(name, predictions):
    loss = make(name, from_logits=False, reduction="sum")
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(restored) is type(loss)
    assert restored.get_config() == loss.get_config()


def test_function_round_trip(name):
    function = losses.LOSSES[name].function
    assert keras.losses.deserialize(keras.losses.serialize(function)) is function


@needs_tape
def test_the_output_of_a_sigmoid_is_refused_in_a_graph(name):
    import tensorflow as tf

    @tf.function
    def step(x):
        return make(name)(tf.zeros_like(x), keras.ops.sigmoid(x))

    with pytest.raises(ValueError, match="Received: the output of a sigmoid"):
        step(tf.zeros((2, 14)))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@needs_tape
def test_a_keras_model_that_ends_in_a_sigmoid_is_refused_with_both_cures(policy):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "sigmoid", dtype=policy)])
    x, y = np.zeros((4, 4), np.float32), np.zeros((4, 3), np.float32)
    model.compile("sgd", losses.BinaryCrossentropy())
    with pytest.raises(ValueError, match=r"last activation, or.*from_logits=False"):
        model.fit(x, y, verbose=0)
    model.compile("sgd", losses.BinaryCrossentropy(from_logits=False))
    model.fit(x, y, verbose=0)


def test_one_label_may_have_no_axis(name):
    logits, y_true = np.float64([[0.5], [-1.0], [2.0]]), np.float64([1, 0, np.nan])
    loss = losses.get(name, **({"prevalence": [0.2]} if "weighted" in name else {}))
    assert float(loss(y_true, logits)) == float(loss(y_true[:, None], logits))
    with pytest.raises(ValueError, match=r"Received: y_true \(3, 2\), y_pred \(3, 1\)"):
        loss(np.zeros((3, 2)), logits)


# Names and arguments


@pytest.mark.parametrize(
    ("alias", "kind"),
    [
        ("bce", losses.BinaryCrossentropy),
        ("BCE", losses.BinaryCrossentropy),
        ("focal", losses.BinaryFocalCrossentropy),
        ("asymmetric", losses.AsymmetricLoss),
        ("double_sigmoid", losses.DoubleSigmoidCrossentropy),
    ],
)
def test_short_names(alias, kind):
    assert type(losses.get(alias)) is kind


def test_options_are_passed_on():
    assert losses.get("focal", gamma=1.0).get_config()["gamma"] == 1.0
    assert losses.option_names("focal") == ("alpha", "gamma")
    assert losses.option_names("bce") == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("binary_cros_entropy", {}), "Did you mean 'binary_crossentropy'"),
        (("vocal", {}), "Did you mean 'focal'"),
        (
            ("focal", {"alpha": -0.1}),
            r"argument alpha. Expected: .*\[0, 1\]. Received: -0.1",
        ),
        (("focal", {"alpha": float("nan")}), "Received: nan"),
        (("focal", {"gamma": -1.0}), "argument gamma. Expected: a"),
        (("focal", {"gamma": float("inf")}), "argument gamma. Expected: a"),
        (("focal", {"gamma": "x"}), "argument gamma. Expected: a finite number.* Received: x"),
        (("asymmetric", {"margin": 1.0}), "argument margin. Expected: a"),
        (("asymmetric", {"gamma_negative": -1.0}), "argument gamma_negative. Expected: a"),
        (("asymmetric", {"gamma_positive": float("nan")}), "argument gamma_positive. Expected: a"),
        (("weighted", {"prevalence": [0.5, 0.0]}), r"numbers in \(0, 1\).*Received: \[0.5, 0.0\]"),
    ],
)
def test_invalid_names_and_options(arguments, message):
    name, options = arguments
    with pytest.raises(ValueError, match=message):
        losses.get(name, **options)


@pytest.mark.parametrize(("name", "option"), [("focal", "gama"), ("bce", "alpha")])
def test_unknown_options(name, option):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{option}'"):
        losses.get(name, **{option: 1.0})


def test_invalid_temperature():
    with pytest.raises(ValueError, match="argument temperature"):
        losses.Distillation(0.0)


JAX = """
import sys
import jax, keras, numpy as np
from xraylab import losses
assert keras.backend.backend() == "jax"
known = np.load(sys.argv[1])
for name in losses.LOSSES:
    options = {"prevalence": [0.3] * 14} if name.startswith("weighted") else {}
    loss = losses.get(name, **options)
    value = jax.jit(lambda y, z: loss(y, z))(known["y_true"], known["logits"])
    np.testing.assert_allclose(value, known[name], rtol=1e-5, err_msg=name)
"""


@needs_tape
def test_jax_agrees(predictions, tmp_path, run_on_jax):
    y_true, logits = (x.astype(np.float32) for x in predictions)
    y_true[1, 2] = np.nan
    values = {
        name: losses.get(name, **OPTIONS.get(name, {}))(y_true, logits) for name in losses.LOSSES
    }
    np.savez(tmp_path / "known.npz", y_true=y_true, logits=logits, **values)
    run_on_jax(JAX, tmp_path / "known.npz")
