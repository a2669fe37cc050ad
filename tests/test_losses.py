"""Losses against plain float64 NumPy, scikit-learn and hand-worked numbers."""

import keras
import numpy as np
import pytest
from sklearn.metrics import log_loss

from xraylab import losses


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    return (rng.random((6, 14)) < 0.3).astype(np.float32), rng.normal(0, 3, (6, 14))


def test_binary_cross_entropy_is_scikit_learns_log_loss(answers):
    y_true, logits = answers
    probabilities = 1 / (1 + np.exp(-logits))
    expected = np.mean(
        [log_loss(y_true[:, k], probabilities[:, k], labels=[0, 1]) for k in range(14)]
    )
    got = float(losses.binary_cross_entropy(y_true, logits.astype(np.float32)))
    assert got == pytest.approx(expected, rel=1e-6)


def test_binary_cross_entropy_by_hand():
    # At logit 0 every answer costs ln 2; at ±1000 a wrong one costs 1000 and does not overflow.
    assert float(losses.binary_cross_entropy([[1.0]], np.float32([[0.0]]))) == pytest.approx(
        np.log(2)
    )
    assert float(losses.binary_cross_entropy([[0.0]], np.float32([[1000.0]]))) == 1000.0
    assert float(losses.binary_cross_entropy([[1.0]], np.float32([[1000.0]]))) == 0.0


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
def test_the_gradient_of_binary_cross_entropy_is_the_error_of_the_probability():
    """At logit 0 too, where heads that start at zero begin."""
    import tensorflow as tf

    logits = tf.constant([[0.0, 0.0, 2.0, -60.0, 60.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.binary_cross_entropy([[1.0, 0.0, 1.0, 1.0, 1.0]], logits)
    expected = (np.array([[0.5, 0.5, 1 / (1 + np.exp(-2)), 0, 1]]) - [[1, 0, 1, 1, 1]]) / 5
    np.testing.assert_allclose(tape.gradient(loss, logits), expected, atol=1e-7)


def plain_focal(y_true, logits, alpha, gamma):
    """The equation as it is meant, on probabilities, where those are not yet 0 or 1."""
    p = 1 / (1 + np.exp(-logits))
    present = alpha * (1 - p) ** gamma * y_true * np.log(p)
    absent = (1 - alpha) * p**gamma * (1 - y_true) * np.log(1 - p)
    return np.mean(-np.sum(present + absent, axis=1))


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.9, 0.5), (0.0, 1.0), (1.0, 5.0)])
@pytest.mark.parametrize(("dtype", "rel"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_binary_focal_is_its_equation(answers, alpha, gamma, dtype, rel):
    y_true, logits = answers
    got = float(losses.binary_focal(y_true, logits.astype(dtype), alpha, gamma))
    assert got == pytest.approx(plain_focal(y_true, logits, alpha, gamma), rel=rel)


def test_binary_focal_without_focus_is_half_the_cross_entropy(answers):
    """At γ = 0 and α = 1/2, summed over the 14 labels instead of averaged."""
    y_true, logits = answers
    got = float(losses.binary_focal(y_true, logits, alpha=0.5, gamma=0.0))
    assert got == pytest.approx(14 / 2 * float(losses.binary_cross_entropy(y_true, logits)))


def test_binary_focal_by_hand():
    # At logit 0, (1 - p)² = 1/4: a finding costs a quarter of that quarter of ln 2, its absence
    # three times as much; two labels are summed, two films averaged.
    got = losses.binary_focal([[1.0, 0.0], [1.0, 1.0]], np.zeros((2, 2), np.float32))
    assert float(got) == pytest.approx((4 + 2) / 2 * np.log(2) / 16)


@pytest.mark.parametrize(
    ("y_true", "logit", "expected"),
    [(1.0, 1e4, 0.0), (1.0, -1e4, 2500.0), (0.0, 1e4, 7500.0), (0.0, -1e4, 0.0)],
)
def test_binary_focal_does_not_overflow(y_true, logit, expected):
    for gamma in (0.0, 0.5, 2.0):
        got = losses.binary_focal([[y_true]], np.float32([[logit]]), gamma=gamma)
        assert float(got) == expected


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_gradient_of_binary_focal(gamma):
    import tensorflow as tf

    logits = np.array([[-1e4, -30.0, -1.0, 0.0, 1.0, 30.0, 1e4]])
    for y_true in (np.zeros((1, 7)), np.ones((1, 7))):
        variable = tf.Variable(logits)
        with tf.GradientTape() as tape:
            loss = losses.binary_focal(y_true, variable, gamma=gamma)
        gradient = tape.gradient(loss, variable).numpy()
        assert np.isfinite(gradient).all()
        inner = slice(2, 5)  # where a difference of the plain equation is exact enough
        for k in range(7)[inner]:
            step = np.eye(7)[[k]] * 1e-5
            part = [plain_focal(y_true[:, [k]], (logits + s)[:, [k]], 0.25, gamma)
                    for s in (-step, step)]  # fmt: skip
            assert gradient[0, k] == pytest.approx((part[1] - part[0]) / 2e-5, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -0.1}, r"alpha must lie in \[0, 1\].*; -0.1 came"),
        ({"alpha": 1.5}, r"alpha must lie in \[0, 1\].*; 1.5 came"),
        ({"alpha": float("nan")}, "nan came"),
        ({"gamma": -1.0}, "gamma must be 0 or above and finite; -1.0 came"),
        ({"gamma": float("inf")}, "inf came"),
    ],
)
def test_binary_focal_refuses_what_is_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        losses.binary_focal(np.zeros((1, 1)), np.zeros((1, 1), np.float32), **arguments)


def test_reconstruction_error_by_hand():
    images = np.zeros((1, 2, 2, 1), np.float32)
    rebuilt = np.float32([0.0, 1.0, 2.0, 3.0]).reshape(1, 2, 2, 1)
    assert float(losses.reconstruction_error(images, rebuilt)) == pytest.approx(14 / 4)


@pytest.mark.parametrize("weight", [0.0, 0.5, 10.0])
def test_joint_loss_is_the_weighted_sum(answers, weight):
    y_true, logits = answers
    rng = np.random.default_rng(1)
    images, rebuilt = rng.random((2, 6, 8, 8, 1))
    stable = np.mean(np.logaddexp(0, logits) - logits * y_true)
    expected = stable + weight * np.mean((images - rebuilt) ** 2)
    got = losses.joint(
        y_true, logits.astype(np.float32), images, rebuilt.astype(np.float32), weight
    )
    assert float(got) == pytest.approx(expected, rel=1e-5)
