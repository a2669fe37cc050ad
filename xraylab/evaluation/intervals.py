"""Bootstrap intervals: how much a score would move had other films been drawn."""

from dataclasses import dataclass

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.metrics import Ranking, check_answers

_CHUNK_VALUES = 4_000_000
"""Weights handled at once; keeps the memory flat in the number of replicates."""


@dataclass(frozen=True)
class Interval:
    """A score with the bounds of its percentile interval."""

    value: float
    low: float
    high: float


def bootstrap(y_true, probabilities, replicates=1000, *, level=0.95, seed=0, label_names=None):
    """Return percentile bootstrap intervals, resampling films with replacement.

    A replicate in which a label has one class only leaves that label out of its macro means, as
    :func:`xraylab.metrics.score` does. Films of one patient are resampled as if independent: where
    patients have several films, the true intervals are wider.

    Shapes:
        y_true: (num_films, num_labels), 0 or 1; probabilities: the same shape, in [0, 1].

    Args:
        replicates: number of resamples, at least 1.
        level: coverage asked for, in (0, 1).
        seed: seed of the resampling.
        label_names: names of the labels; by default the 14 findings, or ``label_0`` and so on.

    Returns:
        dict from ``"macro_auc"``, ``"micro_auc"``, ``"average_precision"`` and each label's name
        (its ROC AUC) to an :class:`Interval`.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, or if an argument is out of range.

    Source: ``efron1993``, Ch. 13.
    """
    if replicates < 1 or not 0 < level < 1:
        raise ValueError(
            f"replicates must be at least 1 and level in (0, 1); {replicates} and {level} came"
        )
    y_true, probabilities = check_answers(y_true, probabilities)
    num_films, num_labels = y_true.shape
    if label_names is None:
        numbered = tuple(f"label_{k}" for k in range(num_labels))
        label_names = FINDINGS if num_labels == len(FINDINGS) else numbered

    rankings = [Ranking(y_true[:, k], probabilities[:, k]) for k in range(num_labels)]
    pooled = Ranking(y_true.ravel(), probabilities.ravel())
    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_VALUES // (num_films * num_labels))
    # Row 0 holds the films as they are, so that the value comes from the same code.
    rows = [_scores(np.ones((1, num_films)), rankings, pooled)]
    for start in range(0, replicates, chunk):
        count = min(chunk, replicates - start)
        rows.append(_scores(_resample(rng, count, num_films), rankings, pooled))
    table = np.concatenate(rows)

    tail = 50 * (1 - level)
    names = ("macro_auc", "micro_auc", "average_precision", *label_names)
    return {name: _interval(table[:, j], tail) for j, name in enumerate(names)}


def _resample(rng, count, num_films):
    """Return how often each film was drawn: (count, num_films), rows summing to num_films."""
    drawn = rng.integers(0, num_films, (count, num_films))
    drawn += np.arange(count)[:, np.newaxis] * num_films
    return np.bincount(drawn.ravel(), minlength=count * num_films).reshape(count, num_films)


def _scores(weights, rankings, pooled):
    """Return the scores of each row of weights, in the order of the names in :func:`bootstrap`."""
    aucs = np.stack([ranking.roc_auc(weights) for ranking in rankings], axis=1)
    precisions = np.stack([ranking.average_precision(weights) for ranking in rankings], axis=1)
    micro = pooled.roc_auc(np.repeat(weights, len(rankings), axis=1))
    return np.column_stack([_mean(aucs), micro, _mean(precisions), aucs])


def _mean(values):
    """Return the mean of each row over its defined values; NaN where there is none."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _interval(column, tail):
    """Return the interval of one score; NaN bounds where no replicate defines it."""
    replicates = column[1:][~np.isnan(column[1:])]
    if not len(replicates):
        return Interval(float(column[0]), float("nan"), float("nan"))
    low, high = np.percentile(replicates, [tail, 100 - tail])
    return Interval(float(column[0]), float(low), float(high))
