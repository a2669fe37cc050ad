"""Bootstrap intervals: how much a score would move had other films been drawn."""

from dataclasses import dataclass

import numpy as np

from xraylab.data.files import progress_bar
from xraylab.metrics import Ranking, check_answers, name_labels

_CHUNK_VALUES = 4_000_000
"""Weights handled at once; keeps the memory flat in the number of replicates."""


@dataclass(frozen=True)
class Interval:
    """A score with the bounds of its percentile interval."""

    value: float
    low: float
    high: float


def bootstrap(
    y_true,
    probabilities,
    replicates=1000,
    *,
    level=0.95,
    seed=0,
    label_names=None,
    progress=False,
):
    """Return percentile bootstrap intervals, resampling films with replacement.

    A replicate in which a label has one class only leaves that label out of its macro means, as
    :func:`xraylab.metrics.score` does. Films of one patient are resampled as if independent: where
    patients have several films, the true intervals are wider.

    Shapes:
        y_true: (num_films, num_labels), 0 or 1, nan where unknown; probabilities: the same shape,
        in [0, 1].

    Args:
        replicates: number of resamples, at least 1.
        level: coverage asked for, in (0, 1).
        seed: seed of the resampling.
        label_names: names of the labels; by default the 14 findings, or ``label_0`` and so on.
        progress: whether to show progress.

    Returns:
        dict from ``"macro_auc"``, ``"micro_auc"``, ``"average_precision"``, ``"accuracy"``,
        ``"exact_match"`` and each label's name (its ROC AUC) to an :class:`Interval`.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, or if an argument is out of range.

    Source: ``efron1993``, Ch. 13.
    """
    if replicates < 1 or not 0 < level < 1:
        raise ValueError(
            f"replicates must be at least 1 and level in (0, 1); {replicates} and {level} came"
        )
    y_true, known, probabilities = check_answers(y_true, probabilities)
    num_films, num_labels = y_true.shape
    label_names = name_labels(label_names, num_labels)

    rankings = [Ranking(y_true[rows, k], probabilities[rows, k]) for k, rows in enumerate(known.T)]
    pooled = Ranking(y_true[known], probabilities[known])
    right = ((probabilities > 0.5) == y_true) & known
    all_known = known.all(axis=1)

    def scores(weights):
        """Return the scores of each row of weights, in the order of ``names`` below."""
        pairs = zip(rankings, known.T, strict=True)
        areas = [ranking.areas(weights[:, rows]) for ranking, rows in pairs]
        aucs, precisions = zip(*areas, strict=True)
        aucs, precisions = np.stack(aucs, axis=1), np.stack(precisions, axis=1)
        micro = pooled.roc_auc(np.repeat(weights, num_labels, axis=1)[:, known.ravel()])
        accuracy = _share(weights @ right.sum(axis=1), weights @ known.sum(axis=1))
        exact_match = _share(weights @ right.all(axis=1), weights @ all_known)
        overall = (_mean(aucs), micro, _mean(precisions), accuracy, exact_match)
        return np.column_stack([*overall, aucs])

    names = ("macro_auc", "micro_auc", "average_precision", "accuracy", "exact_match")
    names += tuple(label_names)
    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_VALUES // (num_films * num_labels))
    # Row 0 holds the films as they are, so that the value comes from the same code.
    rows = [scores(np.ones((1, num_films)))]
    with progress_bar(progress, total=replicates, desc="bootstrap", unit="replicate") as bar:
        for start in range(0, replicates, chunk):
            count = min(chunk, replicates - start)
            rows.append(scores(_resample(rng, count, num_films)))
            bar.update(count)
    table = np.concatenate(rows)
    tail = 50 * (1 - level)
    return {name: _interval(table[:, j], tail) for j, name in enumerate(names)}


def _resample(rng, count, num_films):
    """Return how often each film was drawn: (count, num_films), rows summing to num_films."""
    drawn = rng.integers(0, num_films, (count, num_films))
    drawn += np.arange(count)[:, np.newaxis] * num_films
    return np.bincount(drawn.ravel(), minlength=count * num_films).reshape(count, num_films)


def _share(part, whole):
    """Return part / whole, NaN where there is nothing."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


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
