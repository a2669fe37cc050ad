"""Areas under curves, exact under ties and with a weight for every film.

All films that share a score pass the threshold together, so a curve has one point for each
*distinct* score. The weights are there for the bootstrap: a resample of the films is a vector of
whole-number weights, and the films need to be sorted only once for all resamples.
"""

import numpy as np


class Ranking:
    """The films of one label sorted by falling score, tied films grouped.

    Shapes:
        y_true: (num_films,), 0 or 1.
        scores: (num_films,), any real numbers; only their order matters.
    """

    def __init__(self, y_true, scores):
        scores = np.asarray(scores, dtype=np.float64)  # unsigned numbers have no negative
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        self._order = order
        self._positive = np.asarray(y_true)[order].astype(np.float64)
        self._group_end = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))

    def areas(self, weights=None):
        """Return :meth:`roc_auc` and :meth:`average_precision` together, in one pass."""
        counts = self._counts(weights)
        return _roc_auc(*counts), _average_precision(*counts)

    def roc_auc(self, weights=None):
        """Return the area under the ROC curve: P(positive above negative) + ½ P(tie).

        Shapes:
            weights: (..., num_films) or None for one each.
            returns: (...), NaN where one of the two classes has no weight.

        Source: ``hanley1982``; with ties the trapezoidal rule gives the Mann-Whitney statistic.
        """
        return _roc_auc(*self._counts(weights))

    def average_precision(self, weights=None):
        """Return Σ (recall step) · precision over the distinct scores, without interpolation.

        Shapes:
            weights: (..., num_films) or None for one each.
            returns: (...), NaN where the label has no positive film.
        """
        return _average_precision(*self._counts(weights))

    def _counts(self, weights):
        """Return the weight of positives and negatives at or above each distinct score."""
        weights = np.ones(len(self._order)) if weights is None else np.asarray(weights)
        weights = weights[..., self._order].astype(np.float64)
        true_positives = np.cumsum(weights * self._positive, axis=-1)[..., self._group_end]
        all_called = np.cumsum(weights, axis=-1)[..., self._group_end]
        return true_positives, all_called - true_positives


def _roc_auc(true_positives, false_positives):
    """Return the area under the curve through these counts."""
    height = np.diff(true_positives, axis=-1, prepend=0.0)
    # A positive beats the negatives that have not been called yet, and half of its own group.
    group_negatives = np.diff(false_positives, axis=-1, prepend=0.0)
    negatives_below = false_positives[..., -1:] - false_positives
    area = np.sum(height * (negatives_below + 0.5 * group_negatives), axis=-1)
    return _divide(area, true_positives[..., -1] * false_positives[..., -1])


def _average_precision(true_positives, false_positives):
    """Return the mean precision over the steps in recall."""
    precision = _divide(true_positives, true_positives + false_positives, empty=0.0)
    steps = np.diff(true_positives, axis=-1, prepend=0.0)
    return _divide(np.sum(steps * precision, axis=-1), true_positives[..., -1])


def roc_auc(y_true, scores):
    """Return the area under the ROC curve of one label; NaN if only one class is there.

    Shapes:
        y_true: (num_films,), 0 or 1; scores: (num_films,), any real numbers.
    """
    return float(Ranking(y_true, scores).roc_auc())


def average_precision(y_true, scores):
    """Return the average precision of one label; NaN if it has no positive film.

    Shapes:
        y_true: (num_films,), 0 or 1; scores: (num_films,), any real numbers.
    """
    return float(Ranking(y_true, scores).average_precision())


def _divide(numerator, denominator, empty=np.nan):
    """Divide, with ``empty`` where the denominator is zero."""
    numerator, denominator = np.asarray(numerator), np.asarray(denominator)
    out = np.full(np.broadcast(numerator, denominator).shape, empty, dtype=np.float64)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)
