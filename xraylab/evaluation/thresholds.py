"""Operating points: from which probability on a finding is called, chosen on validation images."""

from dataclasses import dataclass

import numpy as np

from xraylab.metrics import check_predictions

RULES = ("f1", "youden", "sensitivity")
"""How a threshold may be chosen."""

CALLS_ALL = -1.0
"""The threshold that calls a finding even where its probability is 0."""

CALLS_NONE = 1.0
"""The threshold that calls a finding nowhere: no probability lies above it."""


@dataclass(frozen=True)
class OperatingPoint:
    """What one threshold does to one label. Shares are NaN where nothing is there to count."""

    threshold: float
    sensitivity: float
    specificity: float
    precision: float
    f1: float


def choose_thresholds(y_true, probabilities, rule="f1", sensitivity=0.9):
    """Return a threshold for each label; a finding is called where its probability lies above it.

    Thresholds lie half-way between neighbouring probabilities of these images. Among equally good
    ones the highest is taken, which calls the fewest images. Choose on validation images: a
    threshold chosen on test images flatters every score that is taken at it.
    :data:`CALLS_ALL` is chosen where even images with probability 0 must be called,
    :data:`CALLS_NONE` where calling no image is as good as anything.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, nan where unknown; probabilities: the same shape,
        in [0, 1]. returns: (num_labels,) float64; nan where a label has one class only.

    Args:
        rule: ``"f1"`` for the highest F1, ``"youden"`` for the highest sensitivity + specificity,
            ``"sensitivity"`` for the highest threshold at which at least ``sensitivity`` of the
            positives are called.
        sensitivity: in (0, 1], for that rule.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, or if an argument is out of range.

    Source: ``youden1950``.
    """
    if rule not in RULES or not 0 < sensitivity <= 1:
        raise ValueError(
            f"rule must be one of {', '.join(RULES)} and sensitivity in (0, 1]; {rule!r} and "
            f"{sensitivity} came"
        )
    y_true, known, probabilities = check_predictions(y_true, probabilities)
    return np.array(
        [
            _choose(truth[rows], chances[rows], rule, sensitivity)
            for truth, chances, rows in zip(y_true.T, probabilities.T, known.T, strict=True)
        ]
    )


def operating_points(y_true, probabilities, thresholds):
    """Return what thresholds do on these images, one :class:`OperatingPoint` a label.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, nan where unknown; probabilities: the same shape,
        in [0, 1]. thresholds: (num_labels,); nan calls nothing.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, or for another number of thresholds.
    """
    y_true, known, probabilities = check_predictions(y_true, probabilities)
    thresholds = np.asarray(thresholds, dtype=np.float64)
    if thresholds.shape != y_true.shape[1:]:
        raise ValueError(
            f"thresholds: expected {y_true.shape[1]}, one a label; got shape {thresholds.shape}"
        )
    called = probabilities > thresholds  # never above nan
    points = []
    for k, threshold in enumerate(thresholds):
        rows = known[:, k]
        truth, call = y_true[rows, k], called[rows, k]
        hits, calls, positives = (truth & call).sum(), call.sum(), truth.sum()
        points.append(
            OperatingPoint(
                threshold=float(threshold),
                sensitivity=_share(hits, positives),
                specificity=_share((~truth & ~call).sum(), (~truth).sum()),
                precision=_share(hits, calls),
                f1=_share(2 * hits, calls + positives),
            )
        )
    return points


def _choose(truth, chances, rule, sensitivity):
    """Return the threshold of one label."""
    positives, negatives = truth.sum(), (~truth).sum()
    if not positives or not negatives:
        return np.nan
    order = np.argsort(-chances, kind="stable")
    ordered, there = chances[order], truth[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # of tied groups
    # The first calls nothing, each next one more group of tied images, the last all images.
    hits = np.append(0, np.cumsum(there)[ends])
    calls = np.append(0, ends + 1)
    upper, lower = ordered[ends][:-1], ordered[ends][1:]
    between = (upper + lower) / 2
    between = np.where(between < upper, between, lower)  # neighbouring numbers have no middle
    lowest = ordered[-1] / 2 if ordered[-1] > 0 else CALLS_ALL
    thresholds = np.concatenate([[CALLS_NONE], between, [lowest]])
    if rule == "sensitivity":
        return thresholds[np.argmax(hits >= sensitivity * positives - 1e-9)]
    if rule == "f1":
        merit = 2 * hits / (calls + positives)
    else:
        merit = hits * negatives - (calls - hits) * positives  # whole numbers, so ties are ties
    return thresholds[np.argmax(merit)]


def _share(part, whole):
    return float(part / whole) if whole else float("nan")
