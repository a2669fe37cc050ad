"""Thresholds against an exhaustive search, operating points against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from xraylab import evaluation


def make_images(num_images=80, seed=0):
    rng = np.random.default_rng(seed)
    y_true = (rng.random((num_images, 2)) < [0.2, 0.5]).astype(int)
    return y_true, np.round(np.clip(0.3 + 0.3 * y_true + rng.normal(0, 0.2, y_true.shape), 0, 1), 2)


def objective(truth, call, rule):
    if rule == "f1":
        return f1_score(truth, call, zero_division=0)
    return recall_score(truth, call) + recall_score(truth, call, pos_label=0)


@pytest.mark.parametrize("rule", ["f1", "youden"])
def test_threshold_is_optimal(rule):
    y_true, probabilities = make_images()
    chosen = evaluation.choose_thresholds(y_true, probabilities, rule)
    for truth, chances, threshold in zip(y_true.T, probabilities.T, chosen, strict=True):
        candidates = np.unique(np.append(chances - 1e-9, 1.0))
        objectives = [objective(truth, chances > t, rule) for t in candidates]
        assert objective(truth, chances > threshold, rule) == pytest.approx(
            max(objectives), abs=1e-12
        )


@pytest.mark.parametrize("sensitivity", [0.5, 0.9, 1.0])
def test_highest_threshold_with_the_required_sensitivity(sensitivity):
    y_true, probabilities = make_images()
    chosen = evaluation.choose_thresholds(y_true, probabilities, "sensitivity", sensitivity)
    for truth, chances, threshold in zip(y_true.T, probabilities.T, chosen, strict=True):
        assert recall_score(truth, chances > threshold) >= sensitivity
        next_one = chances[chances > threshold].min()
        assert recall_score(truth, chances > next_one) < sensitivity


def test_adjacent_floats_are_separated():
    below = np.nextafter(1.0, 0.0)
    (chosen,) = evaluation.choose_thresholds([[1], [0]], [[1.0], [below]])
    assert below <= chosen < 1.0


def test_useless_predictions_classify_no_image_as_positive():
    """Sensitivity + specificity is the same for all images positive and for none."""
    (chosen,) = evaluation.choose_thresholds([[1], [0], [0]], [[0.5], [0.5], [0.5]], "youden")
    assert chosen == 1.0


def test_ties_go_to_the_highest_threshold():
    """In integers: one of three positives costs one of three negatives."""
    y_true = np.array([[1], [0], [1], [0], [1], [0]])
    probabilities = np.array([[0.9], [0.8], [0.7], [0.6], [0.5], [0.4]])
    (chosen,) = evaluation.choose_thresholds(y_true, probabilities, "youden")
    assert chosen == pytest.approx(0.85)


def test_thresholds_lie_between_probabilities():
    chosen = evaluation.choose_thresholds([[1], [0], [0]], [[0.8], [0.4], [0.1]])
    assert chosen == pytest.approx([0.6])
    everything = evaluation.choose_thresholds([[1], [1], [0]], [[0.2], [0.4], [0.3]], "f1")
    assert everything == pytest.approx([0.1])


def test_one_class_has_no_threshold_and_nan_labels_are_ignored():
    y_true = np.array([[0, 1], [0, 0], [0, np.nan]])
    chosen = evaluation.choose_thresholds(y_true, [[0.1, 0.9], [0.2, 0.3], [0.3, 0.99]])
    assert np.isnan(chosen[0])
    assert chosen[1] == pytest.approx(0.6)


def test_operating_points_match_scikit_learn():
    y_true, probabilities = make_images()
    thresholds = [0.5, 0.45]
    points = evaluation.operating_points(y_true, probabilities, thresholds)
    for truth, chances, threshold, point in zip(
        y_true.T, probabilities.T, thresholds, points, strict=True
    ):
        call = chances > threshold
        assert point.sensitivity == pytest.approx(recall_score(truth, call))
        assert point.specificity == pytest.approx(recall_score(truth, call, pos_label=0))
        assert point.precision == pytest.approx(precision_score(truth, call))
        assert point.f1 == pytest.approx(f1_score(truth, call))


def test_empty_denominators_give_nan():
    (point,) = evaluation.operating_points([[0], [0]], [[0.1], [0.2]], [np.nan])
    assert np.isnan([point.sensitivity, point.precision, point.f1]).all()
    assert point.specificity == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: evaluation.choose_thresholds(*make_images(), rule="best"),
            "argument rule",
        ),
        (lambda: evaluation.choose_thresholds(*make_images(), "sensitivity", 0), r"in \(0, 1\]"),
        (lambda: evaluation.operating_points(*make_images(), [0.5]), r"Expected: shape \(2,\)"),
        (lambda: evaluation.choose_thresholds([[0], [1]], [[-2.0], [3.0]]), "look like logits"),
        (lambda: evaluation.net_benefit([0, 1], [0.1, 0.9], 0.1), r"in \[0, 1\). Received: 0.1"),
        (lambda: evaluation.net_benefit([0, 1], [0.1, 0.9], [0.5, 1.0]), r"Received: \[0.5, 1.0"),
        (lambda: evaluation.net_benefit([0, 1], [0.1, 0.9], [10, 20]), "argument thresholds"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_net_benefit():
    """By hand: 2 of 5 images have the finding; one false positive costs t / (1 - t)."""
    y_true, probabilities = [1, 1, 0, 0, 0, np.nan], [0.9, 0.3, 0.6, 0.2, 0.1, 0.9]
    found = evaluation.net_benefit(y_true, probabilities, [0.25, 0.5, 0.95])
    assert found == pytest.approx([2 / 5 - 1 / 5 / 3, 1 / 5 - 1 / 5, 0])
    everyone = evaluation.net_benefit(y_true, np.ones(6), [0.25])
    assert everyone == pytest.approx([2 / 5 - 3 / 5 / 3])
