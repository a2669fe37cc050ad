"""Decision thresholds, and sensitivity, specificity, precision and net benefit at them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import require, require_choice
from xraylab.metrics import check_predictions
from xraylab.metrics.ranking import divide

RULES = ("f1", "youden", "sensitivity")
"""Rules for choosing a threshold."""

ALL_POSITIVE = -1.0
"""Threshold below every probability: all images are classified as positive."""

ALL_NEGATIVE = 1.0
"""Threshold that no probability exceeds: all images are classified as negative."""


@dataclass(frozen=True)
class OperatingPoint:
    """Performance of one label at one threshold; NaN where the denominator is 0."""

    threshold: float
    sensitivity: float
    specificity: float
    precision: float
    f1: float


def choose_thresholds(
    y_true: ArrayLike, probabilities: ArrayLike, rule: str = "f1", sensitivity: float = 0.9
) -> np.ndarray:
    """Choose a threshold for each label; images above it are classified as positive.

    Thresholds lie midway between neighbouring probabilities of these images. Ties go to the
    highest threshold, which has the fewest positive images. Choose on validation images: a
    threshold chosen on test images makes scores at it optimistic. :data:`ALL_POSITIVE` is chosen
    if even images with probability 0 must be positive, :data:`ALL_NEGATIVE` if classifying no image
    as positive is at least as good as any other choice.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        probabilities: (num_images, num_labels), in [0, 1].
        returns: (num_labels,) float64; NaN for labels with one class.

    Args:
        rule: ``"f1"`` maximises F1, ``"youden"`` sensitivity + specificity, ``"sensitivity"``
            takes the highest threshold with at least the given ``sensitivity``.
        sensitivity: in (0, 1].

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, or for an argument out of range.

    References: ``youden1950``.
    """
    require_choice("rule", rule, RULES)
    require(0 < sensitivity <= 1, "sensitivity", "in (0, 1]", sensitivity)
    y_true, known, probabilities = check_predictions(y_true, probabilities)
    chosen = [
        _choose_threshold(y_true[rows, k], probabilities[rows, k], rule, sensitivity)
        for k, rows in enumerate(known.T)
    ]
    return np.array(chosen)


def operating_points(
    y_true: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike | Sequence[float | None]
) -> list[OperatingPoint]:
    """Compute the :class:`OperatingPoint` of each label at its threshold.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        probabilities: (num_images, num_labels), in [0, 1].
        thresholds: (num_labels,); NaN and None classify no image as positive.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, or for another number of thresholds.
    """
    y_true, known, probabilities = check_predictions(y_true, probabilities)
    thresholds = np.asarray(thresholds, dtype=np.float64)
    expected, received = y_true.shape[1:], thresholds.shape
    require(received == expected, "thresholds", f"shape {expected}", f"shape {received}")
    predicted = probabilities > thresholds  # False for NaN
    true_positive = (y_true & predicted & known).sum(axis=0)
    true_negative = (~y_true & ~predicted & known).sum(axis=0)
    positive, negative = (y_true & known).sum(axis=0), (~y_true & known).sum(axis=0)
    called = (predicted & known).sum(axis=0)
    columns = (
        thresholds,
        divide(true_positive, positive),
        divide(true_negative, negative),
        divide(true_positive, called),
        divide(2 * true_positive, called + positive),
    )
    return [OperatingPoint(*row) for row in np.transpose(columns).tolist()]


def net_benefit(y_true: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike) -> np.ndarray:
    """Compute the net benefit of one label at each threshold: a decision curve.

    It is the number of true positives per image, less that of false positives times t / (1 - t).
    Probabilities of 1 give the net benefit of classifying all images as positive.

    Shapes:
        y_true: (num_images,), 0 or 1, NaN where unknown.
        probabilities: (num_images,), in [0, 1].
        thresholds: (num_thresholds,), in [0, 1).
        returns: (num_thresholds,) float64.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, or for other thresholds.

    References: ``vickers2006``.
    """
    y_true, known, probabilities = check_predictions(
        np.reshape(y_true, (-1, 1)), np.reshape(probabilities, (-1, 1))
    )
    thresholds = np.asarray(thresholds, dtype=np.float64)
    valid = thresholds.ndim == 1 and ((thresholds >= 0) & (thresholds < 1)).all()
    require(valid, "thresholds", "a list of numbers in [0, 1)", thresholds.tolist())
    positive, called = y_true[known], probabilities[known] > thresholds[:, np.newaxis]
    weight = thresholds / (1 - thresholds)
    return (called & positive).mean(axis=1) - (called & ~positive).mean(axis=1) * weight


def _choose_threshold(y_true, probabilities, rule, sensitivity):
    """Choose the threshold of one label."""
    from sklearn.metrics import roc_curve  # imports scipy.stats, which takes a second

    positives, negatives = y_true.sum(), (~y_true).sum()
    if not positives or not negatives:
        return np.nan
    # The first threshold has no positive image, each next one adds a group of tied images.
    fpr, tpr, ordered = roc_curve(y_true, probabilities, drop_intermediate=False)
    true_positives, false_positives = np.rint(tpr * positives), np.rint(fpr * negatives)
    upper, lower = ordered[1:-1], ordered[2:]
    middle = (upper + lower) / 2
    middle = np.where(middle < upper, middle, lower)  # adjacent floats have no middle
    lowest = ordered[-1] / 2 if ordered[-1] > 0 else ALL_POSITIVE
    thresholds = np.concatenate([[ALL_NEGATIVE], middle, [lowest]])
    if rule == "sensitivity":
        return thresholds[np.argmax(true_positives >= sensitivity * positives - 1e-9)]
    if rule == "f1":
        objective = 2 * true_positives / (true_positives + false_positives + positives)
    else:  # in integers, so that ties are exact
        objective = true_positives * negatives - false_positives * positives
    return thresholds[np.argmax(objective)]
