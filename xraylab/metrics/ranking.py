"""Areas under curves, exact under ties, for many integer weightings of the same images.

Images with the same score pass the threshold together, so a curve has one point for each distinct
score. A bootstrap resample of the images is a vector of integer weights, and all resamples share
one sort; this is some hundred times as fast as scikit-learn in a loop (benchmarks/bootstrap.py).
"""

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import require


class Ranking:
    """Rank the images of one label by falling score, with tied images in one group.

    Shapes:
        y_true: (num_images,), 0 or 1.
        scores: (num_images,), real; only their order matters.

    Raises:
        ValueError: if a score is NaN, a label is not 0 or 1, or the lengths differ.
    """

    def __init__(self, y_true: ArrayLike, scores: ArrayLike):
        scores = np.asarray(scores, dtype=np.float64)  # unsigned integers have no negative
        num_nan = np.isnan(scores).sum()
        require(not num_nan, "scores", "numbers", f"{num_nan} NaN among {len(scores)}")
        y_true = np.asarray(y_true)
        fits = scores.ndim == 1 and scores.shape == y_true.shape
        expected, received = "both of shape (num_images,)", f"{y_true.shape} and {scores.shape}"
        hint = "This is of one label: score several with metrics.score(y_true, probabilities)."
        require(fits, "y_true or scores", expected, received, hint)
        known = np.isin(y_true, (0, 1)).all()
        require(known, "y_true", "0 or 1", "other values", "Leave out images with unknown labels.")
        order = np.argsort(-scores, kind="stable")
        ordered, positive = scores[order], y_true.astype(bool)[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(order)])
        ends = np.append(starts[1:], len(order))[: len(starts)]
        # Groups without a positive image add nothing to either area.
        count = np.diff(np.append(0, np.cumsum(positive)[ends - 1]))
        self._starts, self._ends = starts[count > 0], ends[count > 0]
        self._firsts = np.cumsum(count[count > 0]) - count[count > 0]
        self._order, self._positives = order, order[positive]

    def areas(self, weights: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Compute ROC AUC and average precision under each row of weights.

        The ROC AUC is P(positive above negative) + ½ P(tie), the average precision
        Σ (recall step) · precision over the distinct scores, without interpolation.

        Shapes:
            weights: (rows, num_images), integers: how often each image counts.
            returns: (rows,) ROC AUC, NaN where one of the classes has no weight; (rows,) average
            precision, NaN where no positive image has weight.

        Raises:
            ValueError: if the weights are not integers.

        References: Hanley and McNeil 1982 (``hanley1982``).
        """
        weights = np.asarray(weights)
        require(weights.dtype.kind in "bui", "weights", "integers", weights.dtype)
        shape = (len(weights), len(self._starts))
        # For each group: weight of its positives, of all images above it, and of all in it.
        positives, above, within = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        total = weights.sum(axis=1, dtype=np.int64)
        if len(self._starts):
            # One row at a time fits into the processor's cache: four times as fast as all at once.
            for i, row in enumerate(weights):
                sums = np.cumsum(row[self._order], dtype=np.int64)
                above[i] = np.where(self._starts > 0, sums[self._starts - 1], 0)
                within[i] = sums[self._ends - 1] - above[i]
                positives[i] = np.add.reduceat(row[self._positives], self._firsts, dtype=np.int64)
        areas = _roc_auc(positives, above, within, total)
        return areas, _average_precision(positives, above, within)


def roc_auc(y_true: ArrayLike, scores: ArrayLike) -> float:
    """Compute the area under the ROC curve of one label; NaN if a class is missing.

    Shapes:
        y_true: (num_images,), 0 or 1; scores: (num_images,), real.
    """
    return areas(y_true, scores)[0]


def average_precision(y_true: ArrayLike, scores: ArrayLike) -> float:
    """Compute the average precision of one label; NaN if no image is positive.

    Shapes:
        y_true: (num_images,), 0 or 1; scores: (num_images,), real.
    """
    return areas(y_true, scores)[1]


def constant_micro_auc(constant: ArrayLike, prevalence: ArrayLike) -> float:
    """Compute the micro AUC of predicting the same number for a label on every image.

    It follows from the prevalences, without images: each pair of a positive label j and a negative
    label k is in order if ``constant[j] > constant[k]``, and counts one half if they are equal.

    Shapes:
        constant: (num_labels,), the predictions, such as the prevalences in the training images.
        prevalence: (num_labels,), fractions of positive labels in the images that are scored.
    """
    constant, prevalence = np.asarray(constant), np.asarray(prevalence)
    pairs = np.outer(prevalence, 1 - prevalence)
    wins = np.heaviside(np.subtract.outer(constant, constant), 0.5)
    return float((pairs * wins).sum() / pairs.sum())


def areas(y_true: ArrayLike, scores: ArrayLike) -> tuple[float, float]:
    """Compute :func:`roc_auc` and :func:`average_precision` together."""
    area, precision = Ranking(y_true, scores).areas(np.ones((1, np.size(scores)), dtype=np.int64))
    return float(area[0]), float(precision[0])


def _roc_auc(positives, above, within, total):
    """Compute the area from the negatives below each group and half of those within."""
    num_positives = positives.sum(axis=-1)
    num_negatives = total - num_positives
    negatives_above = above - (np.cumsum(positives, axis=-1) - positives)
    below = num_negatives[..., np.newaxis] - negatives_above - 0.5 * (within - positives)
    return divide(np.sum(positives * below, axis=-1), num_positives * num_negatives)


def _average_precision(positives, above, within):
    """Compute the mean precision over the steps in recall."""
    precision = np.cumsum(positives, axis=-1) / np.maximum(above + within, 1)
    return divide(np.sum(positives * precision, axis=-1), positives.sum(axis=-1))


def divide(numerator: ArrayLike, denominator: ArrayLike) -> np.ndarray:
    """Divide, with NaN where the denominator is zero."""
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator)
    out = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)


def mean_of_defined(values: ArrayLike, axis: int | None = None) -> np.ndarray:
    """Average the values that are not NaN; NaN where none is."""
    values = np.asarray(values, dtype=np.float64)
    return divide(np.nansum(values, axis=axis), (~np.isnan(values)).sum(axis=axis))
