"""DeLong's test against its definition by pairs, and Holm's correction against a worked example."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from xraylab import evaluation
from xraylab.evaluation.significance import midranks


def make_images(num_images=120, seed=0, levels=12):
    """Return labels and the answers of two models, with many ties."""
    rng = np.random.default_rng(seed)
    y_true = (rng.random(num_images) < 0.3).astype(int)
    shared = rng.normal(size=num_images)
    models = [y_true * pull + shared + rng.normal(size=num_images) for pull in (0.6, 1.2)]
    return y_true, *(np.round(model * levels / 6) for model in models)


def by_pairs(y_true, *scores):
    """Return areas and covariance from every pair of images, as DeLong and others define them."""
    of_positives, of_negatives = [], []
    for model in scores:
        positive, negative = model[y_true == 1], model[y_true == 0]
        wins = np.sign(positive[:, np.newaxis] - negative) / 2 + 0.5
        of_positives.append(wins.mean(axis=1))
        of_negatives.append(wins.mean(axis=0))
    areas = np.mean(of_positives, axis=1)
    covariance = np.zeros((len(scores), len(scores)))
    for parts in (np.array(of_positives), np.array(of_negatives)):
        away = parts - areas[:, np.newaxis]
        covariance += away @ away.T / (parts.shape[1] - 1) / parts.shape[1]
    return areas, covariance


def test_areas_and_covariance_are_those_of_all_pairs():
    y_true, first, second = make_images()
    found = evaluation.delong(y_true, first, second)
    areas, covariance = by_pairs(y_true, first, second)
    np.testing.assert_allclose(found.areas, areas, atol=1e-14)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-15)
    assert found.areas[1] == pytest.approx(roc_auc_score(y_true, second), abs=1e-14)


def test_interval_and_p_value_follow_from_the_normal_distribution():
    y_true, first, second = make_images()
    found = evaluation.delong(y_true, first, second)
    areas, covariance = by_pairs(y_true, first, second)
    low, high = stats.norm.interval(0.9, areas[1], np.sqrt(covariance[1, 1]))
    assert found.interval(1, level=0.9) == pytest.approx((low, high), abs=1e-12)
    contrast = np.array([-1, 1])
    z = (areas[1] - areas[0]) / np.sqrt(contrast @ covariance @ contrast)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-12)


def test_p_values_are_even_where_nothing_differs():
    """Of two equally good models, one in twenty comparisons falls below 0.05."""
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(2000):
        y_true = rng.random(150) < 0.4
        shared = rng.normal(size=150) + y_true
        pair = (shared + rng.normal(size=150) for _ in range(2))
        p_values.append(evaluation.delong(y_true, *pair).p_value)
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.015)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_one_model_has_an_interval_and_a_model_equals_itself():
    y_true, first, _ = make_images()
    low, high = evaluation.delong(y_true, first).interval()
    assert 0 <= low < roc_auc_score(y_true, first) < high <= 1
    assert evaluation.delong(y_true, first, first).p_value == 1.0
    perfect = evaluation.delong(y_true, y_true, -y_true)
    assert perfect.difference == -1.0
    assert np.isnan(perfect.p_value)  # no variance, and no test
    with pytest.raises(ValueError, match="3 were given"):
        evaluation.delong(y_true, first, first, first).p_value  # noqa: B018


def test_midranks():
    values = np.array([3.0, 1.0, 3.0, 2.0, 3.0, 1.0])
    np.testing.assert_array_equal(midranks(values), stats.rankdata(values))


def test_holm_worked_by_hand():
    adjusted = evaluation.holm([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(adjusted, [0.03, 0.06, np.nan, 0.06, 0.02])
    np.testing.assert_allclose(evaluation.holm([0.6, 0.7]), [1.0, 1.0])
    assert evaluation.holm([]).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1, 1], [0.1, 0.2]), r"\(3,\) and \[\(2,\)\] came"),
        (([0, 1, 1],), "scores of each model"),
        (([0, 1, 1, 1], [0.1, 0.2, 0.3, 0.4]), "3 with and 1 without"),
        (([0, 0, 1, 1], [0.1, 0.2, np.nan, 0.4]), "finite numbers"),
        (([0, 0, 1, 2], [0.1, 0.2, 0.3, 0.4]), "0 and 1 only"),
    ],
)
def test_images_that_cannot_be_compared(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluation.delong(*arguments)


def test_p_values_out_of_range():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        evaluation.holm([0.2, 1.2])
