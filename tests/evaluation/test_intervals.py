"""Bootstrap intervals against a plain loop, theory, and wrong arguments."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

from xraylab import evaluation, metrics


def answers(num_films, seed=0, levels=50):
    rng = np.random.default_rng(seed)
    y_true = rng.random((num_films, 2)) < [0.3, 0.5]
    scores = np.clip(0.5 + 0.2 * (y_true - 0.5) + rng.normal(0, 0.2, y_true.shape), 0, 1)
    return y_true.astype(int), np.round(scores * levels) / levels


def test_values_are_the_scores():
    y_true, probabilities = answers(120)
    score = metrics.score(y_true, probabilities)
    intervals = evaluation.bootstrap(y_true, probabilities, 50)
    assert intervals["macro_auc"].value == pytest.approx(score.macro_auc, abs=1e-12)
    assert intervals["micro_auc"].value == pytest.approx(score.micro_auc, abs=1e-12)
    assert intervals["average_precision"].value == pytest.approx(score.average_precision, abs=1e-12)
    assert intervals["label_1"].value == pytest.approx(score.per_finding[1].roc_auc, abs=1e-12)


def test_replicates_are_those_of_a_plain_loop():
    """The same draws, scored film by film with scikit-learn, give the same percentiles."""
    y_true, probabilities = answers(60)
    rng = np.random.default_rng(3)
    drawn = rng.integers(0, 60, (40, 60))
    rows = []
    for films in drawn:
        y, p = y_true[films], probabilities[films]
        rows.append(
            [
                roc_auc_score(y, p, average="macro"),
                roc_auc_score(y, p, average="micro"),
                average_precision_score(y, p, average="macro"),
                ((p > 0.5) == y).mean(),
                accuracy_score(y, p > 0.5),
            ]
        )
    expected = np.percentile(rows, [5, 95], axis=0).T
    intervals = evaluation.bootstrap(y_true, probabilities, 40, level=0.9, seed=3)
    for name, (low, high) in zip(
        ("macro_auc", "micro_auc", "average_precision", "accuracy", "exact_match"),
        expected,
        strict=True,
    ):
        assert (intervals[name].low, intervals[name].high) == pytest.approx((low, high), abs=1e-12)


def test_width_follows_hanley_and_mcneil():
    """The standard error of an AUC is known in closed form (Hanley and McNeil 1982, Eq. 2)."""
    y_true, probabilities = answers(800, levels=10_000)
    interval = evaluation.bootstrap(y_true, probabilities, 2000)["label_1"]
    area, positives = interval.value, y_true[:, 1].sum()
    negatives = len(y_true) - positives
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (positives - 1) * (q1 - area**2)
    variance += (negatives - 1) * (q2 - area**2)
    expected = 2 * 1.96 * np.sqrt(variance / positives / negatives)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.1)


def test_label_with_one_class():
    intervals = evaluation.bootstrap([[0, 1], [0, 0], [0, 1]], np.full((3, 2), 0.5), 20)
    assert np.isnan(intervals["label_0"].low)
    assert intervals["label_1"].value == 0.5


def test_bad_arguments():
    with pytest.raises(ValueError, match="replicates must be at least 1"):
        evaluation.bootstrap([[0], [1]], [[0.1], [0.2]], 0)
    with pytest.raises(ValueError, match="level in"):
        evaluation.bootstrap([[0], [1]], [[0.1], [0.2]], level=95)
    with pytest.raises(ValueError, match="look like logits"):
        evaluation.bootstrap([[0], [1]], [[-1.0], [0.2]])
