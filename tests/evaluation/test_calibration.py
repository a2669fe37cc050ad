"""Calibration against scikit-learn, closed forms and images whose probabilities are known."""

import json

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from xraylab import evaluation


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def make_images(num_images=4000, slope=1.0, offset=0.0, seed=0):
    """Return labels, and logits that would have to be taken times slope plus offset."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-2, 1.5, (num_images, 2))
    y_true = (rng.random(truth.shape) < sigmoid(truth)).astype(float)
    return y_true, (truth - offset) / slope


def test_bins_of_equal_width_are_scikit_learns():
    y_true, logits = make_images()
    truth, chances = y_true[:, 0], np.round(sigmoid(logits[:, 0]), 2)  # many lie on an edge
    found = evaluation.reliability(truth, chances, bins=10, equal="width")
    happened, said = calibration_curve(truth, chances, n_bins=10, strategy="uniform")
    np.testing.assert_allclose(found.said, said, atol=1e-12)
    np.testing.assert_allclose(found.happened, happened, atol=1e-12)
    assert found.error == pytest.approx(
        (np.abs(said - happened) * found.count).sum() / len(truth), abs=1e-12
    )


def test_bins_of_equal_mass_hold_equally_many():
    y_true, logits = make_images(1000)
    found = evaluation.reliability(y_true[:, 0], sigmoid(logits[:, 0]), bins=8)
    assert found.count.tolist() == [125] * 8
    assert (np.diff(found.said) > 0).all()


def test_tied_answers_share_a_bin():
    found = evaluation.reliability([0, 1, 1, 0, 1], [0.3, 0.3, 0.3, 0.3, 0.9], bins=5)
    assert found.count.tolist() == [4, 1]
    np.testing.assert_allclose(found.said, [0.3, 0.9])
    np.testing.assert_allclose(found.happened, [0.5, 1.0])


def test_bounds_are_wilsons():
    found = evaluation.reliability([0, 1, 1, 0, 0], [0.4] * 5, bins=1)
    low, high = stats.binomtest(2, 5).proportion_ci(method="wilson")
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=1e-6)


def test_true_probabilities_err_by_counting_alone():
    y_true, logits = make_images()
    chances = sigmoid(logits)
    error = evaluation.calibration_error(y_true, chances)
    floor = evaluation.error_floor(chances)
    assert error == pytest.approx(floor, rel=0.35)
    assert evaluation.calibration_error(y_true, sigmoid(2 * logits)) > 2 * floor


def test_unknown_labels_do_not_count():
    y_true, logits = make_images(200)
    chances = sigmoid(logits)
    y_true[100:] = np.nan
    assert evaluation.calibration_error(y_true, chances) == pytest.approx(
        evaluation.calibration_error(y_true[:100], chances[:100])
    )
    assert evaluation.brier(y_true, chances) == evaluation.brier(y_true[:100], chances[:100])
    floor = evaluation.error_floor(chances, known=~np.isnan(y_true))
    assert floor == pytest.approx(evaluation.error_floor(chances[:100]), rel=0.1)
    y_true[:, 1] = np.nan
    assert evaluation.calibration_error(y_true, chances) > 0


def test_brier_is_scikit_learns():
    y_true, logits = make_images(300)
    chances = sigmoid(logits)
    expected = brier_score_loss(y_true.ravel(), chances.ravel())
    assert evaluation.brier(y_true, chances) == pytest.approx(expected, abs=1e-12)


def test_the_temperature_is_found_again():
    y_true, logits = make_images(20_000, slope=0.4)
    found = evaluation.fit_temperature(y_true, logits)
    assert found.method == "temperature"
    assert found.slope[0] == pytest.approx(0.4, rel=0.03)
    assert found.offset == (0.0, 0.0)
    np.testing.assert_allclose(found(logits), sigmoid(found.slope[0] * logits), atol=1e-12)


def test_no_other_temperature_is_likelier():
    y_true, logits = make_images(500, slope=0.7)
    found = evaluation.fit_temperature(y_true, logits).slope[0]

    def loss(slope):
        z = slope * logits
        return np.mean(np.logaddexp(0, z) - z * y_true)

    grid = np.linspace(0.05, 3, 2951)
    assert grid[np.argmin([loss(slope) for slope in grid])] == pytest.approx(found, abs=1e-3)


def test_no_temperature_turns_a_ranking_round():
    y_true, logits = make_images(500)
    with pytest.raises(ValueError, match="tell nothing of these labels, or separate them"):
        evaluation.fit_temperature(y_true, -logits)
    with pytest.raises(ValueError, match="separate them without an error"):
        evaluation.fit_temperature(y_true, y_true - 0.5)


def test_platt_is_logistic_regression_on_softened_targets():
    y_true, logits = make_images(800, slope=0.5, offset=0.8)
    found = evaluation.fit_platt(y_true, logits)
    positives = y_true[:, 0].sum()
    high, low = (positives + 1) / (positives + 2), 1 / (800 - positives + 2)
    soft = np.where(y_true[:, 0] == 1, high, low)
    # A target between 0 and 1 is a weighted image of either class.
    regression = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(
        np.tile(logits[:, :1], (2, 1)),
        np.repeat([1, 0], 800),
        sample_weight=np.concatenate([soft, 1 - soft]),
    )
    assert found.slope[0] == pytest.approx(regression.coef_[0, 0], rel=1e-4)
    assert found.offset[0] == pytest.approx(regression.intercept_[0], rel=1e-3)


def test_a_label_with_one_class_is_left_as_it_is():
    y_true, logits = make_images(100)
    y_true[:, 1] = 0
    found = evaluation.fit_platt(y_true, logits)
    assert (found.slope[1], found.offset[1]) == (1.0, 0.0)
    np.testing.assert_allclose(found(logits)[:, 1], sigmoid(logits[:, 1]), atol=1e-12)


def test_calibration_goes_through_json():
    found = evaluation.fit_platt(*make_images(100))
    again = evaluation.Calibration.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evaluation.reliability([0, 1], [0.2, 0.8], bins=0), "bins must be at least 1"),
        (
            lambda: evaluation.calibration_intervals([[0], [1]], [[0.2], [0.8]], bins=0),
            "bins must be at least 1",
        ),
        (lambda: evaluation.reliability([0, 1], [0.2, 0.8], equal="x"), "'mass' or 'width'"),
        (lambda: evaluation.reliability([0, 1], [-3.0, 2.0]), "look like logits"),
        (lambda: evaluation.fit_temperature([[0], [1]], [[1.0]]), "must both be"),
        (lambda: evaluation.fit_temperature([[0], [1]], [[1.0], [np.inf]]), "1 are not"),
        (lambda: evaluation.fit_platt([[0], [0]], [[1.0], [2.0]]), "both of them"),
        (lambda: evaluation.Calibration((1.0,), (0.0,), "platt")([[1.0, 2.0]]), r"\(num_images, 1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def logistic_world(num_images, rng, slope=0.6, offset=-0.5, num_labels=14):
    """Return labels and probabilities that are off by a known logistic map, and the true ones."""
    z = rng.normal(-2.5, 1.2, (num_images, num_labels))
    true = 1 / (1 + np.exp(-(slope * z + offset)))
    return (rng.random(z.shape) < true).astype(float), 1 / (1 + np.exp(-z)), true


def test_intervals_are_of_the_scores_themselves():
    y_true, probabilities, _ = logistic_world(500, np.random.default_rng(0))
    y_true[::7, 2] = np.nan
    y_true[:, 5] = np.nan
    found = evaluation.calibration_intervals(y_true, probabilities, 50)
    expected = evaluation.calibration_error(y_true, probabilities)
    assert found["calibration_error"].value == pytest.approx(expected, abs=1e-12)
    assert found["brier"].value == pytest.approx(evaluation.brier(y_true, probabilities), abs=1e-12)
    assert found["brier"].low < found["brier"].value < found["brier"].high


def test_brier_interval_is_as_wide_as_its_standard_error_says():
    y_true, probabilities, _ = logistic_world(3000, np.random.default_rng(1), num_labels=1)
    found = evaluation.calibration_intervals(y_true, probabilities, 2000)["brier"]
    error = np.std((y_true - probabilities) ** 2) / np.sqrt(3000)
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.07)


def test_patients_widen_intervals():
    y_true, probabilities, _ = logistic_world(400, np.random.default_rng(2))
    y_true, probabilities = np.repeat(y_true, 5, axis=0), np.repeat(probabilities, 5, axis=0)
    alone = evaluation.calibration_intervals(y_true, probabilities, 300)["brier"]
    whose = np.repeat(np.arange(400), 5)
    together = evaluation.calibration_intervals(y_true, probabilities, 300, patients=whose)["brier"]
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.2)


def test_interval_of_the_calibration_error_holds_the_true_one():
    """Percentiles would hold it in none of a hundred such worlds, for resamples add noise."""
    rng = np.random.default_rng(3)
    y_true, probabilities, true = logistic_world(200_000, rng)
    gap = [
        abs(np.mean((q - p)[part]))
        for p, q in zip(probabilities.T, true.T, strict=True)
        for part in np.array_split(np.argsort(p), 15)
    ]
    held = 0
    for _ in range(25):
        y_true, probabilities, _ = logistic_world(2000, rng)
        found = evaluation.calibration_intervals(y_true, probabilities, 200)["calibration_error"]
        held += found.low <= np.mean(gap) <= found.high
    assert held >= 20  # 93 of 100 in a long run
