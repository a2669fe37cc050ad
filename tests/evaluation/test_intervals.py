"""Bootstrap intervals against a plain loop over resamples, and against theory."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score

from xraylab import evaluation, metrics
from xraylab.evaluation.intervals import resamples


def make_images(num_images, seed=0, levels=50):
    rng = np.random.default_rng(seed)
    y_true = rng.random((num_images, 2)) < [0.3, 0.5]
    scores = np.clip(0.5 + 0.2 * (y_true - 0.5) + rng.normal(0, 0.2, y_true.shape), 0, 1)
    return y_true.astype(int), np.round(scores * levels) / levels


def test_an_interval_is_formatted_with_its_bounds():
    interval = evaluation.Interval(0.7351, 0.701, 0.77)
    assert f"{interval:.2f}" == "0.74 [0.70, 0.77]"
    assert f"{evaluation.Difference(0.01, -0.02, 0.04, 0.3):+.2f}" == "+0.01 [-0.02, +0.04]"
    assert f"{interval}" == str(interval)


def test_values_match_the_scores():
    y_true, probabilities = make_images(120)
    score = metrics.score(y_true, probabilities)
    intervals = evaluation.bootstrap(y_true, probabilities, 50)
    assert intervals["macro_auc"].value == pytest.approx(score.macro_auc, abs=1e-12)
    assert intervals["micro_auc"].value == pytest.approx(score.micro_auc, abs=1e-12)
    assert intervals["average_precision"].value == pytest.approx(score.average_precision, abs=1e-12)
    assert intervals["label_1"].value == pytest.approx(score.per_finding[1].roc_auc, abs=1e-12)


def test_exact_match_of_many_images_does_not_overflow():
    y_true = np.zeros((40_000, 1), np.uint8)  # more than an int16 can count
    y_true[:10_000] = 1
    found = evaluation.bootstrap(y_true, np.zeros_like(y_true), 2, scores=["exact_match"])
    assert found["exact_match"].value == 0.75
    assert found["exact_match"].low == pytest.approx(0.75, abs=0.02)


def test_bounds_match_a_plain_loop():
    """The same resamples, scored with scikit-learn, have the same percentiles."""
    y_true, probabilities = make_images(60)
    rng = np.random.default_rng(3)
    drawn = rng.integers(0, 60, (40, 60))
    rows = []
    for images in drawn:
        y, p = y_true[images], probabilities[images]
        rows.append(
            [
                roc_auc_score(y, p, average="macro"),
                roc_auc_score(y, p, average="micro"),
                average_precision_score(y, p, average="macro"),
                ((p > 0.5) == y).mean(),
                accuracy_score(y, p > 0.5),
                f1_score(y, p > 0.5, average="macro"),
                f1_score(y, p > 0.5, average="micro"),
            ]
        )
    expected = np.percentile(rows, [5, 95], axis=0).T
    intervals = evaluation.bootstrap(y_true, probabilities, 40, level=0.9, seed=3)
    for name, (low, high) in zip(evaluation.SCORES, expected, strict=True):
        assert (intervals[name].low, intervals[name].high) == pytest.approx((low, high), abs=1e-12)


def test_width_matches_hanley_and_mcneil():
    """The standard error of an AUC is known in closed form (Hanley and McNeil 1982, Eq. 2)."""
    y_true, probabilities = make_images(800, levels=10_000)
    interval = evaluation.bootstrap(y_true, probabilities, 2000)["label_1"]
    area, positives = interval.value, y_true[:, 1].sum()
    negatives = len(y_true) - positives
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (positives - 1) * (q1 - area**2)
    variance += (negatives - 1) * (q2 - area**2)
    expected = 2 * 1.96 * np.sqrt(variance / positives / negatives)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.1)


def test_label_with_one_class_is_undefined():
    intervals = evaluation.bootstrap([[0, 1], [0, 0], [0, 1]], np.full((3, 2), 0.5), 20)
    assert np.isnan(intervals["label_0"].low)
    assert intervals["label_1"].value == 0.5


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match="argument replicates"):
        evaluation.bootstrap([[0], [1]], [[0.1], [0.2]], 0)
    with pytest.raises(ValueError, match="argument level"):
        evaluation.bootstrap([[0], [1]], [[0.1], [0.2]], level=95)
    with pytest.raises(ValueError, match="look like logits"):
        evaluation.bootstrap([[0], [1]], [[-1.0], [0.2]])


def test_patients_are_resampled_whole():
    """Patients resampled and scored by a plain loop have the same percentiles."""
    y_true, probabilities = make_images(60)
    patients = np.repeat([f"p{k}" for k in range(20)], [1, 2, 3, 6] * 5)
    rng = np.random.default_rng(5)
    rows = []
    for drawn in rng.integers(0, 20, (30, 20)):
        names = np.unique(patients)[drawn]
        images = np.concatenate([np.flatnonzero(patients == name) for name in names])
        rows.append(roc_auc_score(y_true[images], probabilities[images], average="macro"))
    interval = evaluation.bootstrap(y_true, probabilities, 30, seed=5, patients=patients)[
        "macro_auc"
    ]
    expected = np.percentile(rows, [2.5, 97.5])
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=1e-12)


def test_resampling_patients_widens_the_interval():
    y_true, probabilities = make_images(100, levels=1000)
    y_true, probabilities = np.tile(y_true, (4, 1)), np.tile(probabilities, (4, 1))
    patients = np.tile(np.arange(100), 4)
    alone, together = (
        evaluation.bootstrap(y_true, probabilities, 500, patients=p)["macro_auc"]
        for p in (None, patients)
    )
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(2.0, rel=0.15)  # four copies have the information of one


def test_every_resample_has_the_size_of_the_original():
    for weights in resamples(40, 200, np.random.default_rng(0)):
        assert (weights.sum(axis=1) == 40).all()
    patients = np.repeat(np.arange(10), 3)
    for weights in resamples(30, 50, np.random.default_rng(0), patients=patients):
        by_patient = weights.reshape(-1, 10, 3)
        assert (by_patient == by_patient[..., :1]).all()
        assert (by_patient[..., 0].sum(axis=1) == 10).all()


def test_selected_scores_match_all_scores():
    y_true, probabilities = make_images(60)
    everything = evaluation.bootstrap(y_true, probabilities, 30)
    some = evaluation.bootstrap(y_true, probabilities, 30, scores=["label_1", "accuracy"])
    assert some == {name: everything[name] for name in ("label_1", "accuracy")}
    one = evaluation.bootstrap(y_true, probabilities, 30, scores="label_1")
    assert one == {"label_1": everything["label_1"]}


def test_nan_labels_are_ignored():
    y_true, probabilities = make_images(60)
    y_true = y_true.astype(float)
    y_true[:10, 0] = np.nan
    value = evaluation.bootstrap(y_true, probabilities, 5)["label_0"].value
    assert value == pytest.approx(roc_auc_score(y_true[10:, 0], probabilities[10:, 0]), abs=1e-12)


# Differences


def test_difference_matches_a_plain_loop_over_pairs():
    y_true, first = make_images(60)
    second = make_images(60, seed=1)[1] * 0.5 + 0.5 * y_true
    rng = np.random.default_rng(7)
    rows = []
    for images in rng.integers(0, 60, (50, 60)):
        scores = [
            roc_auc_score(y_true[images], p[images], average="macro") for p in (first, second)
        ]
        rows.append(scores[1] - scores[0])
    found = evaluation.compare(y_true, first, second, 50, seed=7)["macro_auc"]
    low, high = np.percentile(rows, [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
    smaller = min(np.sum(np.array(rows) <= 0), np.sum(np.array(rows) >= 0))
    assert found.p_value == pytest.approx(min(1, 2 * (smaller + 1) / 51))


def test_several_models_are_scored_by_their_mean():
    y_true, first = make_images(80)
    second, third = (make_images(80, seed)[1] for seed in (1, 2))
    options = {"replicates": 40, "scores": ["macro_auc"]}
    (mean,) = evaluation.bootstrap(y_true, [first, second], **options).values()
    (change,) = evaluation.compare(y_true, [first, second], [third], **options).values()
    drawn = [w for chunk in resamples(80, 40, np.random.default_rng(0)) for w in chunk]

    def macro(model, weights):
        aucs = [
            roc_auc_score(y_true[:, k], model[:, k], sample_weight=weights)
            for k in range(y_true.shape[1])
        ]
        return np.mean(aucs)

    means = np.array([(macro(first, w) + macro(second, w)) / 2 for w in drawn])
    others = np.array([macro(third, w) for w in drawn])
    whole = np.ones(80)
    assert mean.value == pytest.approx((macro(first, whole) + macro(second, whole)) / 2)
    assert [mean.low, mean.high] == pytest.approx([*np.percentile(means, [2.5, 97.5])])
    bounds = np.percentile(others - means, [2.5, 97.5])
    assert [change.low, change.high] == pytest.approx([*bounds])


def test_identical_models_do_not_differ():
    y_true, first = make_images(60)
    found = evaluation.compare(y_true, first, first, 30)
    assert {(d.value, d.low, d.high, d.p_value) for d in found.values()} == {(0, 0, 0, 1)}


def test_width_of_a_difference_matches_delong():
    """Resampling and the covariance of the areas estimate the same standard error."""
    rng = np.random.default_rng(2)
    y_true = (rng.random((600, 1)) < 0.3).astype(int)
    shared = rng.normal(size=(600, 1))
    first, second = (
        1 / (1 + np.exp(-(pull * y_true + shared + rng.normal(size=(600, 1)))))
        for pull in (0.8, 1.1)
    )
    found = evaluation.compare(y_true, first, second, 2000)["label_0"]
    exact = evaluation.delong(y_true[:, 0], first[:, 0], second[:, 0])
    assert found.value == pytest.approx(np.diff(exact.areas)[0], abs=1e-12)
    contrast = np.array([-1, 1])
    error = np.sqrt(contrast @ exact.covariance @ contrast)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.08)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patients": [1]}, r"patients\. Expected: shape \(3,\)"),
        ({"patients": [1, np.nan, 2]}, r"1 images without one, at rows \[1\]"),
        ({"patients": ["a", "b", ""]}, r"at rows \[2\]"),
        ({"patients": pd.Series([1, None, 2], dtype="Int64")}, r"at rows \[1\]"),
        (
            {"label_names": ["accuracy"]},
            r"label_names\. Expected: names other than .* Received: accuracy",
        ),
        ({"scores": ["auc"]}, r"scores\. Expected: names from macro_auc.*mean .*'macro_auc'"),
        ({"scores": "auc"}, r"Received: \['auc'\]\. Did you mean"),
        ({"scores": []}, r"scores\. Expected"),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        evaluation.bootstrap([[0], [1], [1]], [[0.1], [0.2], [0.3]], 5, **options)


@pytest.mark.parametrize(
    "function",
    [
        evaluation.bootstrap,
        evaluation.calibration_intervals,
        lambda y, p, **options: evaluation.compare(y, p, p, **options),
        lambda y, p, **options: evaluation.by_group(y, p, ["a", "a", "a"], **options),
    ],
)
def test_misspelt_options_are_refused(function):
    """``patient=`` must not silently resample images."""
    known = "replicates, level, label_names, scores, seed, patients, progress"
    message = f"unexpected keyword argument 'patient'.*: {known}. .* Did you mean 'patients'?"
    with pytest.raises(TypeError, match=message):
        function([[0], [1], [1]], [[0.1], [0.2], [0.3]], patient=[1, 2, 3])
    with pytest.raises(TypeError, match=r"'metric'.*scores=\['macro_auc'\]"):
        function([[0], [1], [1]], [[0.1], [0.2], [0.3]], metric="macro_auc")
