"""Tests of differences of ROC AUCs: DeLong's method, and Holm's correction for many tests."""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from xraylab.arguments import require, require_level


@dataclass(frozen=True)
class DeLong:
    """ROC AUCs of models on the same images, with their covariance by DeLong's method.

    Attributes:
        areas: (num_models,) ROC AUCs.
        covariance: (num_models, num_models) covariance of the AUCs.
    """

    areas: np.ndarray
    covariance: np.ndarray

    def interval(self, model: int = 0, level: float = 0.95) -> tuple[float, float]:
        """Compute the normal confidence interval of one AUC, clipped to [0, 1].

        NaN if the estimated variance is 0, as for a perfect ranking, where the normal approximation
        fails, and the bootstrap as well; report the number of images of each class.
        """
        require_level(level)
        variance = self.covariance[model, model]
        if variance <= 1e-18:  # rounding
            return math.nan, math.nan
        low, high = scipy.stats.norm.interval(level, self.areas[model], math.sqrt(variance))
        return max(0.0, float(low)), min(1.0, float(high))

    @property
    def p_value(self) -> float:
        """Two-sided p-value of equal AUCs of two models; 1 if both models rank all images alike.

        NaN if the AUCs differ and the estimated variance is 0, as for two perfect rankings of few
        images, where the normal approximation fails; use :func:`xraylab.evaluation.compare`.
        Raises a ValueError unless there are two models.
        """
        require(len(self.areas) == 2, "scores", "those of two models", f"{len(self.areas)} models")
        first, second = self.areas
        variance = self.covariance[0, 0] + self.covariance[1, 1] - 2 * self.covariance[0, 1]
        if variance <= 1e-18:  # rounding
            return 1.0 if abs(second - first) < 1e-12 else math.nan
        return float(2 * scipy.stats.norm.sf(abs(second - first) / math.sqrt(variance)))


def delong(y_true: ArrayLike, *scores: ArrayLike) -> DeLong:
    """Compute the ROC AUCs of one or more models for one label, with their covariance.

    Images are assumed independent. If patients have several images, use
    :func:`xraylab.evaluation.compare` with ``patients``.

    Shapes:
        y_true: (num_images,), 0 or 1.
        scores: each (num_images,), real numbers; only their order matters.

    Raises:
        ValueError: if shapes differ, a value is not finite, or a class has fewer than two images.

    References: ``delong1988``, with midranks as in ``sun2014``.
    """
    y_true = np.asarray(y_true)
    models = [np.asarray(model, dtype=np.float64) for model in scores]
    shapes = [model.shape for model in models]
    expected = "y_true and the scores of each model of shape (num_images,)"
    fits = y_true.ndim == 1 and set(shapes) == {y_true.shape}
    require(fits, "y_true or scores", expected, f"{y_true.shape} and {shapes}")
    valid = np.isin(y_true, (0, 1)).all() and np.isfinite(models).all()
    expected, hint = "0 and 1 only, and finite scores", "Leave out images of unknown label."
    require(valid, "y_true or scores", expected, "other values", hint)
    positive = y_true.astype(bool)
    num_positives, num_negatives = positive.sum(), (~positive).sum()
    enough = min(num_positives, num_negatives) >= 2
    received = f"{num_positives} positive and {num_negatives} negative"
    require(enough, "y_true", "at least two images of each class", received)
    # For each positive, the fraction of negatives ranked below it; and the reverse.
    of_positives, of_negatives = [], []
    for model in models:
        rank = scipy.stats.rankdata(model)
        within_positives = scipy.stats.rankdata(model[positive])
        within_negatives = scipy.stats.rankdata(model[~positive])
        of_positives.append((rank[positive] - within_positives) / num_negatives)
        of_negatives.append(1 - (rank[~positive] - within_negatives) / num_positives)
    covariance = np.atleast_2d(np.cov(of_positives)) / num_positives
    covariance += np.atleast_2d(np.cov(of_negatives)) / num_negatives
    return DeLong(np.mean(of_positives, axis=1), covariance)


def holm(p_values: ArrayLike) -> np.ndarray:
    """Adjust p-values for multiple tests, controlling the family-wise error rate.

    Shapes:
        p_values: (k,), in [0, 1]; NaN marks no test and is not counted.
        returns: (k,) adjusted p-values.

    References: ``holm1979``.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    tested = ~np.isnan(p_values)
    adjusted = np.full_like(p_values, np.nan)
    rows = np.flatnonzero(tested)[np.argsort(p_values[tested], kind="stable")]
    factors = np.arange(len(rows), 0, -1)
    adjusted[rows] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[rows]))
    return adjusted
