"""Areas under curves, exact under ties and with a weight for every image.

All images that share a score pass the threshold together, so a curve has one point for each
*distinct* score. The weights are there for the bootstrap: a resample of the images is a vector of
whole-number weights, and the images need to be sorted only once for all resamples.
"""

import math

import numpy as np


class Ranking:
    """The images of one label sorted by falling score, tied images grouped.

    Shapes:
        y_true: (num_images,), 0 or 1.
        scores: (num_images,), any real numbers; only their order matters.

    Raises:
        ValueError: if a score is NaN; and, when areas are asked for, if weights are no whole
            numbers.
    """

    def __init__(self, y_true, scores):
        scores = np.asarray(scores, dtype=np.float64)  # unsigned numbers have no negative
        if np.isnan(scores).any():
            raise ValueError(f"scores must be numbers; {int(np.isnan(scores).sum())} are NaN")
        order = np.argsort(-scores, kind="stable")
        ordered, positive = scores[order], np.asarray(y_true, dtype=bool)[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(order)])
        ends = np.append(starts[1:], len(order))[: len(starts)]
        # Where a group holds no positive image, neither curve gains anything.
        count = np.diff(np.append(0, np.cumsum(positive)[ends - 1]))
        self._starts, self._ends = starts[count > 0], ends[count > 0]
        self._firsts = np.cumsum(count[count > 0]) - count[count > 0]
        self._order, self._positives = order, order[positive]

    def areas(self, weights=None):
        """Return :meth:`roc_auc` and :meth:`average_precision` together, in one pass."""
        counts = self._counts(weights)
        return _roc_auc(*counts), _average_precision(*counts)

    def roc_auc(self, weights=None):
        """Return the area under the ROC curve: P(positive above negative) + ½ P(tie).

        Shapes:
            weights: (..., num_images), whole numbers, or None for one each.
            returns: (...), NaN where one of the two classes has no weight.

        Source: ``hanley1982``; with ties the trapezoidal rule gives the Mann-Whitney statistic.
        """
        return _roc_auc(*self._counts(weights))

    def average_precision(self, weights=None):
        """Return Σ (recall step) · precision over the distinct scores, without interpolation.

        Shapes:
            weights: (..., num_images), whole numbers, or None for one each.
            returns: (...), NaN where the label has no positive image.
        """
        return _average_precision(*self._counts(weights))

    def _counts(self, weights):
        """Return weights of the groups of tied images that hold a positive one.

        Shapes:
            returns: of the positives in each group, of all images above it, of all in it, each
            (..., num_groups); of all images, (...).
        """
        if weights is None:
            weights = np.ones(len(self._order), dtype=np.int64)
        weights = np.asarray(weights)
        if weights.dtype.kind not in "bui":
            raise ValueError(f"weights must be whole numbers; an array of {weights.dtype} came")
        rows = weights.reshape(math.prod(weights.shape[:-1]), weights.shape[-1])
        shape = (len(rows), len(self._starts))
        positives, above, within = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        whole = np.zeros(len(rows), dtype=np.int64)
        # One row at a time fits into the processor's cache: four times as fast as all at once.
        for i, row in enumerate(rows):
            sums = np.cumsum(row[self._order], dtype=np.int64)
            whole[i] = sums[-1] if len(sums) else 0
            if len(self._starts):
                above[i] = np.where(self._starts > 0, sums[self._starts - 1], 0)
                within[i] = sums[self._ends - 1] - above[i]
                positives[i] = np.add.reduceat(row[self._positives], self._firsts, dtype=np.int64)
        former = weights.shape[:-1]
        parts = (part.reshape(*former, shape[1]) for part in (positives, above, within))
        return *parts, whole.reshape(former)


def _roc_auc(positives, above, within, whole):
    """Return the area: a positive beats the negatives below it, and half of its own group."""
    num_positives = positives.sum(axis=-1)
    num_negatives = whole - num_positives
    negatives_above = above - (np.cumsum(positives, axis=-1) - positives)
    beaten = num_negatives[..., np.newaxis] - negatives_above - 0.5 * (within - positives)
    return _divide(np.sum(positives * beaten, axis=-1), num_positives * num_negatives)


def _average_precision(positives, above, within, whole):
    """Return the mean precision over the steps in recall."""
    precision = _divide(np.cumsum(positives, axis=-1), above + within, empty=0.0)
    return _divide(np.sum(positives * precision, axis=-1), positives.sum(axis=-1))


def roc_auc(y_true, scores):
    """Return the area under the ROC curve of one label; NaN if only one class is there.

    Shapes:
        y_true: (num_images,), 0 or 1; scores: (num_images,), any real numbers.
    """
    return float(Ranking(y_true, scores).roc_auc())


def average_precision(y_true, scores):
    """Return the average precision of one label; NaN if it has no positive image.

    Shapes:
        y_true: (num_images,), 0 or 1; scores: (num_images,), any real numbers.
    """
    return float(Ranking(y_true, scores).average_precision())


def _divide(numerator, denominator, empty=np.nan):
    """Divide, with ``empty`` where the denominator is zero."""
    numerator, denominator = np.asarray(numerator), np.asarray(denominator)
    out = np.full(np.broadcast(numerator, denominator).shape, empty, dtype=np.float64)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)
