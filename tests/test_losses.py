"""Losses against plain float64 NumPy, scikit-learn and hand-worked numbers."""

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
