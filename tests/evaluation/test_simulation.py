"""Simulated predictions have the requested AUC and are calibrated."""

import numpy as np
import pytest
from scipy.special import expit

from xraylab import evaluation, metrics


def test_simulated_predictions_have_the_auc_and_are_calibrated():
    y_true = np.random.default_rng(0).random((40_000, 2)) < [0.3, 0.1]
    logits = evaluation.simulate_logits(y_true, [0.6, 0.9])
    found = metrics.score(y_true, expit(logits))
    assert [row.roc_auc for row in found.per_finding] == pytest.approx([0.6, 0.9], abs=0.01)
    assert evaluation.calibration_error(y_true, expit(logits)) < 0.01
    assert np.array_equal(logits, evaluation.simulate_logits(y_true, [0.6, 0.9], seed=0))
