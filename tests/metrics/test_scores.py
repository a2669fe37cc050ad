"""Scores against scikit-learn, MedMNIST's evaluator, and numbers computed by hand."""

import itertools

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from xraylab import metrics
from xraylab.evaluation import SCORES, bootstrap
from xraylab.findings import FINDINGS
from xraylab.io import to_plain


def random_predictions(num_images, num_labels, levels, seed):
    """Labels at 20 % and scores with only ``levels`` distinct values, so that ties abound."""
    rng = np.random.default_rng(seed)
    y_true = (rng.random((num_images, num_labels)) < 0.2).astype(np.uint8)
    return y_true, rng.integers(0, levels, y_true.shape) / levels


@pytest.mark.parametrize("levels", [2, 3, 10, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_areas_agree_with_scikit_learn_under_ties(levels, seed):
    y_true, scores = random_predictions(300, 1, levels, seed)
    y_true, scores = y_true[:, 0], scores[:, 0]
    assert metrics.roc_auc(y_true, scores) == pytest.approx(
        sklearn_metrics.roc_auc_score(y_true, scores), abs=1e-12
    )
    assert metrics.average_precision(y_true, scores) == pytest.approx(
        sklearn_metrics.average_precision_score(y_true, scores), abs=1e-12
    )


def test_weighted_areas_agree_with_repeated_images():
    y_true, scores = random_predictions(60, 1, 5, seed=1)
    y_true, scores = y_true[:, 0], scores[:, 0]
    weights = np.random.default_rng(2).integers(0, 4, (7, 60))
    for row, auc, precision in zip(
        weights, *metrics.Ranking(y_true, scores).areas(weights), strict=True
    ):
        y, s = np.repeat(y_true, row), np.repeat(scores, row)
        assert auc == pytest.approx(sklearn_metrics.roc_auc_score(y, s), abs=1e-12)
        assert precision == pytest.approx(sklearn_metrics.average_precision_score(y, s), abs=1e-12)


def test_by_hand():
    # Two images, two labels. Label a: positive above negative. Label b: a tie.
    result = metrics.score([[1, 0], [0, 1]], [[0.9, 0.6], [0.2, 0.6]], label_names=("a", "b"))
    assert result.per_finding[0].roc_auc == 1.0
    assert result.per_finding[1].roc_auc == 0.5
    assert result.macro_auc == 0.75
    # All four pairs: positives 0.9, 0.6; negatives 0.6, 0.2 → (1 + 1 + ½ + 1) / 4.
    assert result.micro_auc == 0.875
    assert result.accuracy == 0.75
    assert result.exact_match == 0.5
    assert result.per_finding[1].average_precision == 0.5


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.float16, np.float64])
def test_scores_of_any_dtype(dtype):
    """Perfect predictions score 1 in unsigned integers too, which have no negatives to sort by."""
    y_true = np.array([[0, 1], [1, 0], [1, 1], [0, 0]], dtype=dtype)
    result = metrics.score(y_true, y_true)
    assert result.macro_auc == result.micro_auc == result.average_precision == 1.0
    assert metrics.roc_auc(y_true[:, 0], 1 - y_true[:, 0].astype(np.uint8)) == 0.0


def test_one_half_is_not_above_one_half():
    result = metrics.score([[0], [1]], [[0.5], [0.5]])
    assert result.accuracy == 0.5


@pytest.fixture
def densenet(real_images):
    with np.load(real_images / "densenet121_test_probabilities.npz") as file:
        return file["labels"], file["probabilities"]


def test_real_probabilities_agree_with_scikit_learn(densenet):
    y_true, probabilities = densenet
    result = metrics.score(y_true, probabilities)
    aucs = sklearn_metrics.roc_auc_score(y_true, probabilities, average=None)
    precisions = sklearn_metrics.average_precision_score(y_true, probabilities, average=None)
    np.testing.assert_allclose([r.roc_auc for r in result.per_finding], aucs, atol=1e-9)
    np.testing.assert_allclose(
        [r.average_precision for r in result.per_finding], precisions, atol=1e-9
    )
    assert result.macro_auc == pytest.approx(aucs.mean(), abs=1e-9)
    assert result.micro_auc == pytest.approx(
        sklearn_metrics.roc_auc_score(y_true, probabilities, average="micro"), abs=1e-9
    )
    assert result.exact_match == pytest.approx(
        sklearn_metrics.accuracy_score(y_true, probabilities > 0.5), abs=1e-9
    )


def assert_agrees_with_medmnist(y_true, probabilities):
    evaluator = pytest.importorskip("medmnist.evaluator", reason="medmnist is not installed")
    result = metrics.score(y_true, probabilities)
    task = "multi-label, binary-class"
    assert result.macro_auc == pytest.approx(
        evaluator.getAUC(y_true, probabilities, task), abs=1e-9
    )
    assert result.accuracy == pytest.approx(evaluator.getACC(y_true, probabilities, task), abs=1e-9)


def test_real_probabilities_agree_with_medmnist(densenet):
    assert_agrees_with_medmnist(*densenet)


@pytest.mark.parametrize("seed", range(3))
def test_random_ties_agree_with_medmnist(seed):
    assert_agrees_with_medmnist(*random_predictions(500, 14, 4, seed))


@pytest.mark.parametrize("seed", range(3))
def test_f1_agrees_with_scikit_learn(seed):
    y_true, probabilities = random_predictions(80, 5, 7, seed)
    y_true[:, 4] = 0  # no positive image: left out of the mean
    result = metrics.score(y_true, probabilities)
    predicted = probabilities > 0.5
    expected = sklearn_metrics.f1_score(y_true[:, :4], predicted[:, :4], average="macro")
    assert result.macro_f1 == pytest.approx(expected, abs=1e-12)
    expected = sklearn_metrics.f1_score(y_true, predicted, average="micro")
    assert result.micro_f1 == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rates", [(0.9, 0.5, 0.1, 0.02), (0.2, 0.2, 0.2, 0.2), (0.6, 0.05)])
def test_no_constant_has_a_higher_f1_than_the_baselines(rates):
    """Of all constant predictions, tried one by one."""
    y_true = np.random.default_rng(0).random((200, len(rates))) < rates
    best = {"macro": 0.0, "micro": 0.0}
    for constant in itertools.product((False, True), repeat=len(rates)):
        predicted = np.broadcast_to(constant, y_true.shape)
        for average, value in best.items():
            found = sklearn_metrics.f1_score(y_true, predicted, average=average, zero_division=0)
            best[average] = max(value, found)
    negative, _, positive, frequent = metrics.score(y_true, np.zeros(y_true.shape)).baselines
    assert negative.macro_f1 == negative.micro_f1 == 0
    assert positive.macro_f1 == pytest.approx(best["macro"], abs=1e-12)
    prevalence = y_true.mean(axis=0)
    assert positive.macro_f1 == pytest.approx(np.mean(2 * prevalence / (1 + prevalence)))
    assert frequent.micro_f1 == pytest.approx(best["micro"], abs=1e-12)


def test_baselines_of_chestmnist(densenet):
    """The all-negative accuracy and exact match of the ChestMNIST test images, and the micro AUC
    of the training prevalence, are known.
    """
    y_true, probabilities = densenet
    train_positives = np.array(
        [7996, 1950, 9261, 13914, 3988, 4375, 978, 3705, 3263, 1690, 1799, 1158, 2279, 144]
    )
    result = metrics.score(y_true, probabilities, prevalence=train_positives / 78468)
    negative, constant, positive, frequent = result.baselines
    assert negative.accuracy == pytest.approx(0.947431, abs=5e-7)
    assert negative.exact_match == pytest.approx(0.531717, abs=5e-7)
    assert negative.macro_auc == negative.micro_auc == 0.5
    assert constant.micro_auc == pytest.approx(0.747, abs=5e-4)
    assert constant.macro_auc == 0.5
    assert frequent.micro_f1 > 2 * positive.micro_f1  # effusion and infiltration are frequent
    assert "the 2 most frequent labels in the training images" in frequent.description
    assert "training images" in constant.description


def test_micro_auc_of_constants_follows_from_the_prevalences():
    y_true, _ = random_predictions(300, 4, 2, seed=3)
    constant = np.array([0.2, 0.1, 0.2, 0.4])
    found = metrics.constant_micro_auc(constant, y_true.mean(axis=0))
    pooled = np.tile(constant, (300, 1)).ravel()
    assert found == pytest.approx(sklearn_metrics.roc_auc_score(y_true.ravel(), pooled), abs=1e-12)


def test_label_with_one_class_is_undefined_and_left_out():
    y_true = np.array([[1, 0], [0, 0], [1, 0]])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.2], [0.3, 0.3]])
    result = metrics.score(y_true, probabilities, label_names=("a", "b"))
    assert result.undefined == ("b",)
    assert result.macro_auc == result.per_finding[0].roc_auc == 0.5
    assert np.isnan(result.per_finding[1].roc_auc)
    assert np.isnan(result.per_finding[1].average_precision)
    assert to_plain(result)["per_finding"][1] == {
        "label": "b",
        "positives": 0,
        "prevalence": 0.0,
        "roc_auc": None,
        "average_precision": None,
        "accuracy": 1.0,
    }


def test_fourteen_labels_are_the_findings():
    result = metrics.score(*random_predictions(50, 14, 50, seed=0))
    assert tuple(row.label for row in result.per_finding) == FINDINGS


@pytest.mark.parametrize(
    ("y_true", "probabilities", "message"),
    [
        ([[0, 1]], [[0.1]], r"Received: \(1, 2\) and \(1, 1\)"),
        ([0, 1], [0.1, 0.2], "num_images, num_labels"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "non-empty"),
        ([[0, 2]], [[0.1, 0.2]], r"Received: also \[2\]"),
        ([[0, -1]], [[0.1, 0.2]], "uncertain"),
        ([[0, 1]], [[0.1, float("nan")]], "Received: values from nan to nan"),
        ([[0, 1]], [[-3.0, 2.0]], "apply a sigmoid first"),
        ([[0, 1]], [[0.0, 1.0000001]], "apply a sigmoid first"),
    ],
)
def test_bad_input(y_true, probabilities, message):
    with pytest.raises(ValueError, match=message):
        metrics.score(y_true, probabilities)


def test_bad_prevalence_and_names():
    with pytest.raises(ValueError, match=r"prevalence\. Expected: 1 numbers"):
        metrics.score([[0], [1]], [[0.1], [0.2]], prevalence=[0.1, 0.2])
    with pytest.raises(ValueError, match=r"Expected: 1 different names\. Received: a, b"):
        metrics.score([[0], [1]], [[0.1], [0.2]], label_names=("a", "b"))


def test_unknown_labels_are_left_out():
    rng = np.random.default_rng(7)
    y_true = (rng.random((60, 4)) < 0.4).astype(np.float64)
    probabilities = rng.random((60, 4))
    unknown = rng.random((60, 4)) < 0.3
    y_true[unknown] = np.nan
    got = metrics.score(y_true, probabilities)
    for k, row in enumerate(got.per_finding):
        rows = ~unknown[:, k]
        assert row.positives == np.nansum(y_true[:, k])
        assert row.prevalence == pytest.approx(y_true[rows, k].mean())
        assert row.roc_auc == pytest.approx(
            sklearn_metrics.roc_auc_score(y_true[rows, k], probabilities[rows, k])
        )
        assert row.accuracy == pytest.approx(
            np.mean((probabilities[rows, k] > 0.5) == y_true[rows, k])
        )
    known = ~unknown
    assert got.micro_auc == pytest.approx(
        sklearn_metrics.roc_auc_score(y_true[known], probabilities[known])
    )
    assert got.accuracy == pytest.approx(np.mean((probabilities > 0.5)[known] == y_true[known]))
    whole = known.all(axis=1)
    assert got.exact_match == pytest.approx(
        np.mean(((probabilities > 0.5) == y_true)[whole].all(axis=1))
    )
    predicted = probabilities > 0.5
    found = [
        sklearn_metrics.f1_score(y_true[rows, k], predicted[rows, k])
        for k, rows in enumerate(known.T)
    ]
    assert got.macro_f1 == pytest.approx(np.mean(found))
    assert got.micro_f1 == pytest.approx(sklearn_metrics.f1_score(y_true[known], predicted[known]))
    assert got.baselines[0].accuracy == pytest.approx(np.mean(y_true[known] == 0))
    # The predictions of unknown labels have no influence.
    assert metrics.score(y_true, np.where(unknown, 0.99, probabilities)) == got
    intervals = bootstrap(y_true, probabilities, 20)
    for name in SCORES:
        assert intervals[name].value == pytest.approx(getattr(got, name), abs=1e-12)
        assert intervals[name].low <= intervals[name].value <= intervals[name].high
    with pytest.raises(ValueError, match="Received: all NaN"):
        metrics.score(np.full((3, 2), np.nan), np.zeros((3, 2)))


def test_a_label_that_is_never_known_has_no_area():
    y_true = np.array([[1, np.nan], [0, np.nan]])
    score = metrics.score(y_true, [[0.9, 0.5], [0.1, 0.5]])
    assert np.isnan(score.per_finding[1].roc_auc)
    assert score.undefined == ("label_1",)
    assert score.macro_auc == 1.0


def test_invalid_scores_weights_and_names():
    with pytest.raises(ValueError, match="1 NaN among 2"):
        metrics.roc_auc([0, 1], [np.nan, 0.2])
    with pytest.raises(ValueError, match="Expected: integers"):
        metrics.Ranking([0, 1], [0.1, 0.2]).areas([[0.5, 1.5]])
    with pytest.raises(ValueError, match="2 different names"):
        metrics.score([[0, 1]], [[0.1, 0.2]], label_names=["a", "a"])


@pytest.mark.parametrize("y_true", [[0, 1, np.nan], [0, 1, -1], [0, 1], [[0, 1, 1]]])
def test_areas_of_unknown_labels_or_other_lengths_are_refused(y_true):
    with pytest.raises(ValueError, match=r"y_true|scores"):
        metrics.roc_auc(y_true, [0.1, 0.2, 0.3])


def test_areas_of_several_labels_are_referred_to_score():
    several = np.eye(3)
    message = r"shape \(num_images,\)\. Received: \(3, 3\) and \(3, 3\)\. .*metrics\.score"
    with pytest.raises(ValueError, match=message):
        metrics.roc_auc(several, several)
