"""Is a difference of AUCs more than chance? DeLong's test, and Holm's correction for many tests."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class DeLong:
    """AUCs of one or two models on the same images, with what DeLong's method says of them.

    Attributes:
        areas: (num_models,) ROC AUCs.
        covariance: (num_models, num_models) of the AUCs.
    """

    areas: np.ndarray
    covariance: np.ndarray

    def interval(self, model=0, level=0.95):
        """Return ``(low, high)`` of one AUC by the normal distribution, cut at 0 and 1."""
        half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(self.covariance[model, model])
        return max(0.0, self.areas[model] - half), min(1.0, self.areas[model] + half)

    @property
    def difference(self):
        """AUC of the second model less that of the first."""
        if len(self.areas) != 2:
            raise ValueError(f"a difference is that of two models; {len(self.areas)} were given")
        return float(self.areas[1] - self.areas[0])

    @property
    def p_value(self):
        """Two-sided p-value of no difference; 1 where the two rank all images alike.

        NaN where they differ and the images show no variance, as two perfect rankings of few images:
        the normal distribution says nothing then, see :func:`xraylab.evaluation.compare`.
        """
        difference = self.difference
        variance = self.covariance[0, 0] + self.covariance[1, 1] - 2 * self.covariance[0, 1]
        if variance <= 1e-18:  # rounding
            return 1.0 if abs(difference) < 1e-12 else math.nan
        return 2 * NormalDist().cdf(-abs(self.difference) / math.sqrt(variance))


def delong(y_true, *scores):
    """Return the AUCs of one or more models for one label with their covariance.

    Images are taken as independent: where patients have several, compare by
    :func:`xraylab.evaluation.compare` with ``patients``.

    Shapes:
        y_true: (num_images,), 0 or 1; each of scores: (num_images,), any real numbers.

    Returns:
        :class:`DeLong`.

    Raises:
        ValueError: if shapes disagree, a value is not finite, or either class has fewer than two
            images, which leaves no variance to estimate.

    Source: ``delong1988``, with midranks as in ``sun2014``.
    """
    y_true = np.asarray(y_true)
    scores = [np.asarray(model, dtype=np.float64) for model in scores]
    if not scores or y_true.ndim != 1 or any(model.shape != y_true.shape for model in scores):
        raise ValueError(
            "y_true and the scores of each model must all be (num_images,); "
            f"{y_true.shape} and {[model.shape for model in scores]} came"
        )
    if not np.isin(y_true, (0, 1)).all() or not all(np.isfinite(m).all() for m in scores):
        raise ValueError(
            "y_true must hold 0 and 1 only and scores finite numbers; leave out unknown images first"
        )
    positive = y_true.astype(bool)
    counts = positive.sum(), (~positive).sum()
    if min(counts) < 2:
        raise ValueError(
            f"DeLong's variance needs two images of either class; {counts[0]} with and {counts[1]} "
            "without the finding came"
        )
    # For each positive, the share of negatives below it; for each negative, of positives above.
    of_positives, of_negatives = [], []
    for model in scores:
        rank = midranks(model)
        of_positives.append((rank[positive] - midranks(model[positive])) / counts[1])
        of_negatives.append(1 - (rank[~positive] - midranks(model[~positive])) / counts[0])
    areas = np.mean(of_positives, axis=1)
    covariance = np.atleast_2d(np.cov(of_positives)) / counts[0]
    covariance += np.atleast_2d(np.cov(of_negatives)) / counts[1]
    return DeLong(areas, covariance)


def midranks(values):
    """Return ranks from 1, tied values sharing the mean of theirs.

    Shapes:
        values: (n,). returns: (n,) float64.
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def holm(p_values):
    """Return p-values adjusted for their number: reject those below α, and at most α err.

    Shapes:
        p_values: (k,), in [0, 1]; nan where there is no test, which does not count.
        returns: (k,).

    Raises:
        ValueError: if one is out of range.

    Source: ``holm1979``.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    tested = ~np.isnan(p_values)
    if p_values.ndim != 1 or ((p_values[tested] < 0) | (p_values[tested] > 1)).any():
        raise ValueError(f"p_values must be (k,) in [0, 1], or nan; {p_values} came")
    adjusted = np.full_like(p_values, np.nan)
    rows = np.flatnonzero(tested)[np.argsort(p_values[tested], kind="stable")]
    factors = np.arange(len(rows), 0, -1)
    adjusted[rows] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[rows]))
    return adjusted
