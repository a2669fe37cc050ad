"""Calibration against scikit-learn, closed forms and simulations with known probabilities."""

import json
import warnings
from dataclasses import asdict, replace

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from xraylab import evaluation
from xraylab.evaluation.calibration import fit_platt, fit_temperature


def make_images(num_images=4000, slope=1.0, offset=0.0, seed=0):
    """Draw labels, and logits that slope and offset would calibrate."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-2, 1.5, (num_images, 2))
    y_true = (rng.random(truth.shape) < expit(truth)).astype(float)
    return y_true, (truth - offset) / slope


def test_uniform_bins_match_scikit_learn():
    y_true, logits = make_images()
    truth, probabilities = y_true[:, 0], np.round(expit(logits[:, 0]), 2)  # many lie on an edge
    found = evaluation.reliability(truth, probabilities, bins=10, strategy="uniform")
    frequency, predicted = calibration_curve(truth, probabilities, n_bins=10, strategy="uniform")
    np.testing.assert_allclose(found.mean_predicted, predicted, atol=1e-12)
    np.testing.assert_allclose(found.observed_frequency, frequency, atol=1e-12)
    assert found.error == pytest.approx(
        (np.abs(predicted - frequency) * found.count).sum() / len(truth), abs=1e-12
    )


def test_quantile_bins_have_equal_counts():
    y_true, logits = make_images(1000)
    found = evaluation.reliability(y_true[:, 0], expit(logits[:, 0]), bins=8)
    assert found.count.tolist() == [125] * 8
    assert (np.diff(found.mean_predicted) > 0).all()


def test_tied_probabilities_share_a_bin():
    found = evaluation.reliability([0, 1, 1, 0, 1], [0.3, 0.3, 0.3, 0.3, 0.9], bins=5)
    assert found.count.tolist() == [4, 1]
    np.testing.assert_allclose(found.mean_predicted, [0.3, 0.9])
    np.testing.assert_allclose(found.observed_frequency, [0.5, 1.0])


def test_bounds_match_wilson_score_interval():
    """Wilson 1927, Eq. 4."""
    found = evaluation.reliability([0, 1, 1, 0, 0], [0.4] * 5, bins=1)
    z, n, fraction = stats.norm.ppf(0.975), 5, 2 / 5
    centre = (fraction + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(fraction * (1 - fraction) / n + z**2 / (4 * n**2))
    assert (found.low[0], found.high[0]) == pytest.approx((centre - half, centre + half))


def test_images_of_a_curve_have_this_curve():
    curve = evaluation.reliability([0, 1, 1, 0, 1], [0.3, 0.3, 0.3, 0.3, 0.9], bins=5)
    labels, probabilities = curve.to_images()
    assert labels.tolist() == [1, 1, 0, 0, 1]
    again = evaluation.reliability(labels, probabilities, bins=5)
    assert np.array_equal(again.observed_frequency, curve.observed_frequency)
    assert np.array_equal(again.count, curve.count)


def test_true_probabilities_have_the_null_calibration_error():
    y_true, logits = make_images()
    probabilities = expit(logits)
    error = evaluation.calibration_error(y_true, probabilities)
    null_error = evaluation.null_calibration_error(probabilities)
    assert error == pytest.approx(null_error, rel=0.35)
    assert evaluation.calibration_error(y_true, expit(2 * logits)) > 2 * null_error


def test_nan_labels_are_ignored():
    y_true, logits = make_images(200)
    probabilities = expit(logits)
    y_true[100:] = np.nan
    assert evaluation.calibration_error(y_true, probabilities) == pytest.approx(
        evaluation.calibration_error(y_true[:100], probabilities[:100])
    )
    assert evaluation.brier(y_true, probabilities) == evaluation.brier(
        y_true[:100], probabilities[:100]
    )
    null_error = evaluation.null_calibration_error(probabilities, known=~np.isnan(y_true))
    assert null_error == pytest.approx(
        evaluation.null_calibration_error(probabilities[:100]), rel=0.1
    )
    y_true[:, 1] = np.nan
    assert evaluation.calibration_error(y_true, probabilities) > 0


def test_brier_matches_scikit_learn():
    y_true, logits = make_images(300)
    probabilities = expit(logits)
    expected = brier_score_loss(y_true.ravel(), probabilities.ravel())
    assert evaluation.brier(y_true, probabilities) == pytest.approx(expected, abs=1e-12)


def test_temperature_is_recovered():
    y_true, logits = make_images(20_000, slope=0.4)
    found = fit_temperature(y_true, logits)
    assert found.method == "temperature"
    assert found.slope[0] == pytest.approx(0.4, rel=0.03)
    assert found.offset == (0.0, 0.0)
    np.testing.assert_allclose(found(logits), expit(found.slope[0] * logits), atol=1e-12)


def test_temperature_maximises_the_likelihood():
    y_true, logits = make_images(500, slope=0.7)
    found = fit_temperature(y_true, logits).slope[0]

    def loss(slope):
        z = slope * logits
        return np.mean(np.logaddexp(0, z) - z * y_true)

    grid = np.linspace(0.05, 3, 2951)
    assert grid[np.argmin([loss(slope) for slope in grid])] == pytest.approx(found, abs=1e-3)


def test_temperature_is_undefined_without_a_likelihood_maximum():
    y_true, logits = make_images(500)
    with pytest.raises(ValueError, match="do not correlate with these labels, or separate them"):
        fit_temperature(y_true, -logits)
    with pytest.raises(ValueError, match="separate them perfectly"):
        fit_temperature(y_true, y_true - 0.5)


def test_platt_matches_logistic_regression_on_softened_targets():
    y_true, logits = make_images(800, slope=0.5, offset=0.8)
    found = fit_platt(y_true, logits)
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


def test_label_with_one_class_is_not_calibrated():
    y_true, logits = make_images(100)
    y_true[:, 1] = 0
    found = fit_platt(y_true, logits)
    assert (found.slope[1], found.offset[1]) == (1.0, 0.0)
    np.testing.assert_allclose(found(logits)[:, 1], expit(logits[:, 1]), atol=1e-12)


def test_calibration_survives_json():
    found = fit_platt(*make_images(100))
    content = json.loads(json.dumps(asdict(found)))
    assert TypeAdapter(evaluation.Calibration).validate_python(content) == found


def test_negative_slopes_are_reported():
    y_true, logits = make_images(500)
    logits[:, 1] *= -1
    with pytest.warns(UserWarning, match=r"negative slope for labels \[1\]"):
        found = fit_platt(y_true, logits)
    assert found.negative_slopes == (1,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evaluation.reliability([0, 1], [0.2, 0.8], bins=0), "argument bins"),
        (
            lambda: evaluation.calibration_intervals([[0], [1]], [[0.2], [0.8]], bins=0),
            "argument bins",
        ),
        (
            lambda: evaluation.reliability([0, 1], [0.2, 0.8], strategy="x"),
            "argument strategy",
        ),
        (lambda: evaluation.reliability([0, 1], [-3.0, 2.0]), "look like logits"),
        (lambda: fit_temperature([[0], [1]], [[1.0]]), "non-empty arrays of shape"),
        (lambda: fit_temperature([[0], [1]], [[1.0], [np.inf]]), "1 NaN or infinite"),
        (lambda: fit_platt([[0], [0]], [[1.0], [2.0]]), "both 0 and 1"),
        (lambda: evaluation.Calibration((1.0,), (0.0,), "platt")([[1.0, 2.0]]), r"\(num_images, 1"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def simulate_miscalibration(num_images, rng, slope=0.6, offset=-0.5, num_labels=14):
    """Draw labels, probabilities distorted by a known logistic map, and true probabilities."""
    z = rng.normal(-2.5, 1.2, (num_images, num_labels))
    true = 1 / (1 + np.exp(-(slope * z + offset)))
    return (rng.random(z.shape) < true).astype(float), 1 / (1 + np.exp(-z)), true


def test_interval_values_match_the_scores():
    y_true, probabilities, _ = simulate_miscalibration(500, np.random.default_rng(0))
    y_true[::7, 2] = np.nan
    y_true[:, 5] = np.nan
    found = evaluation.calibration_intervals(y_true, probabilities, 50)
    expected = evaluation.calibration_error(y_true, probabilities)
    assert found["calibration_error"].value == pytest.approx(expected, abs=1e-12)
    assert found["brier"].value == pytest.approx(evaluation.brier(y_true, probabilities), abs=1e-12)
    assert found["brier"].low < found["brier"].value < found["brier"].high


def test_width_of_brier_interval_matches_its_standard_error():
    y_true, probabilities, _ = simulate_miscalibration(3000, np.random.default_rng(1), num_labels=1)
    found = evaluation.calibration_intervals(y_true, probabilities, 2000)["brier"]
    error = np.std((y_true - probabilities) ** 2) / np.sqrt(3000)
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.07)


def test_resampling_patients_widens_intervals():
    y_true, probabilities, _ = simulate_miscalibration(400, np.random.default_rng(2))
    y_true, probabilities = np.repeat(y_true, 5, axis=0), np.repeat(probabilities, 5, axis=0)
    alone = evaluation.calibration_intervals(y_true, probabilities, 300)["brier"]
    whose = np.repeat(np.arange(400), 5)
    together = evaluation.calibration_intervals(y_true, probabilities, 300, patients=whose)["brier"]
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.2)


def test_interval_covers_the_true_calibration_error():
    """Percentile intervals cover it in none of 100 simulations, because resampling adds noise."""
    rng = np.random.default_rng(3)
    y_true, probabilities, true = simulate_miscalibration(200_000, rng)
    gap = [
        abs(np.mean((q - p)[part]))
        for p, q in zip(probabilities.T, true.T, strict=True)
        for part in np.array_split(np.argsort(p), 15)
    ]
    covered = 0
    for _ in range(25):
        y_true, probabilities, _ = simulate_miscalibration(2000, rng)
        found = evaluation.calibration_intervals(y_true, probabilities, 100)["calibration_error"]
        covered += found.low <= np.mean(gap) <= found.high
    assert covered >= 20  # 93 of 100 in a long simulation


def test_probabilities_in_the_position_of_logits_are_warned_of():
    y_true, logits = make_images(500)
    with pytest.warns(UserWarning, match=r"as probabilities do. Pass models.predict_logits"):
        evaluation.fit_calibration(y_true, expit(logits))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluation.fit_calibration(y_true, logits)


def test_a_calibration_is_shown_in_one_line():
    found = evaluation.fit_calibration(*make_images(500))
    temperature = 1 / found.temperature.slope[0]
    assert f"temperature {temperature:.3f}, platt of 2 labels, thresholds by f1" in repr(found)
    assert "temperature None" in repr(replace(found, temperature=None))
