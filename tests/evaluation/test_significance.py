"""DeLong's test against its definition by pairs, and Holm's correction against an example."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from xraylab import evaluation


def make_images(num_images=120, seed=0, levels=12):
    """Draw labels and the predictions of two models, with many ties."""
    rng = np.random.default_rng(seed)
    y_true = (rng.random(num_images) < 0.3).astype(int)
    shared = rng.normal(size=num_images)
    models = [y_true * pull + shared + rng.normal(size=num_images) for pull in (0.6, 1.2)]
    return y_true, *(np.round(model * levels / 6) for model in models)


def by_pairs(y_true, *scores):
    """Compute areas and covariance from all pairs of images, as DeLong et al. 1988 define them."""
    of_positives, of_negatives = [], []
    for model in scores:
        positive, negative = model[y_true == 1], model[y_true == 0]
        wins = np.sign(positive[:, np.newaxis] - negative) / 2 + 0.5
        of_positives.append(wins.mean(axis=1))
        of_negatives.append(wins.mean(axis=0))
    areas = np.mean(of_positives, axis=1)
    covariance = np.zeros((len(scores), len(scores)))
    for values in (np.array(of_positives), np.array(of_negatives)):
        centred = values - areas[:, np.newaxis]
        covariance += centred @ centred.T / (values.shape[1] - 1) / values.shape[1]
    return areas, covariance


def test_areas_and_covariance_match_all_pairs():
    y_true, first, second = make_images()
    found = evaluation.delong(y_true, first, second)
    areas, covariance = by_pairs(y_true, first, second)
    np.testing.assert_allclose(found.areas, areas, atol=1e-14)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-15)
    assert found.areas[1] == pytest.approx(roc_auc_score(y_true, second), abs=1e-14)


def test_interval_and_p_value_match_the_normal_distribution():
    y_true, first, second = make_images()
    found = evaluation.delong(y_true, first, second)
    areas, covariance = by_pairs(y_true, first, second)
    low, high = stats.norm.interval(0.9, areas[1], np.sqrt(covariance[1, 1]))
    assert found.interval(1, level=0.9) == pytest.approx((low, high), abs=1e-12)
    contrast = np.array([-1, 1])
    z = (areas[1] - areas[0]) / np.sqrt(contrast @ covariance @ contrast)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-12)


def test_p_values_are_uniform_under_the_null_hypothesis():
    """Of equally good models, 5 % of the comparisons have p < 0.05."""
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(2000):
        y_true = rng.random(150) < 0.4
        shared = rng.normal(size=150) + y_true
        pair = (shared + rng.normal(size=150) for _ in range(2))
        p_values.append(evaluation.delong(y_true, *pair).p_value)
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.015)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_one_model_and_identical_models():
    y_true, first, _ = make_images()
    low, high = evaluation.delong(y_true, first).interval()
    assert 0 <= low < roc_auc_score(y_true, first) < high <= 1
    assert evaluation.delong(y_true, first, first).p_value == 1.0
    perfect = evaluation.delong(y_true, y_true, -y_true)
    assert perfect.areas.tolist() == [1, 0]
    assert np.isnan(perfect.p_value)  # no variance, and no test
    assert np.isnan(perfect.interval()).all()
    with pytest.raises(ValueError, match=r"level. Expected: in "):
        evaluation.delong(y_true, first).interval(level=95)
    with pytest.raises(ValueError, match=r"Expected: those of two models. Received: 3 models"):
        evaluation.delong(y_true, first, first, first).p_value  # noqa: B018


def test_holm_matches_an_example():
    adjusted = evaluation.holm([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(adjusted, [0.03, 0.06, np.nan, 0.06, 0.02])
    np.testing.assert_allclose(evaluation.holm([0.6, 0.7]), [1.0, 1.0])
    assert evaluation.holm([]).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1, 1], [0.1, 0.2]), r"Received: \(3,\) and \[\(2,\)\]"),
        (([0, 1, 1],), "scores of each model"),
        (([0, 1, 1, 1], [0.1, 0.2, 0.3, 0.4]), "3 positive and 1 negative"),
        (([0, 0, 1, 1], [0.1, 0.2, np.nan, 0.4]), "finite scores"),
        (([0, 0, 1, 2], [0.1, 0.2, 0.3, 0.4]), "0 and 1 only"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluation.delong(*arguments)
