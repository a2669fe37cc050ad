"""Bootstrap intervals: how much a score, or a difference of scores, would move with other images."""

import os
from dataclasses import dataclass

import numpy as np

from xraylab.evaluation.resampling import resamples
from xraylab.io import progress_bar
from xraylab.metrics import Ranking, check_predictions, name_labels
from xraylab.workers import in_order

SCORES = ("macro_auc", "micro_auc", "average_precision", "accuracy", "exact_match")
"""The scores over all labels that have intervals."""


@dataclass(frozen=True)
class Interval:
    """A score with the bounds of its interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, column, level):
        """Return the interval of a score: its value first, then replicates; NaN where undefined."""
        return cls(*_bounds(column, level))


@dataclass(frozen=True)
class Difference:
    """How far a second score lies above a first, with its interval and p-value (two-sided)."""

    value: float
    low: float
    high: float
    p_value: float


def bootstrap(
    y_true,
    probabilities,
    replicates=1000,
    *,
    level=0.95,
    seed=0,
    label_names=None,
    scores=None,
    patients=None,
    strata=None,
    progress=False,
):
    """Return percentile bootstrap intervals, resampling images, or patients, with replacement.

    A replicate in which a label has one class only leaves that label out of its macro means, as
    :func:`xraylab.metrics.score` does. Without ``patients``, images of one patient are resampled as
    if independent: where patients have several images, the true intervals are wider.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, nan where unknown; probabilities: the same shape,
        in [0, 1]. patients, strata: (num_images,), anything that can be sorted.

    Args:
        replicates: number of resamples, at least 1.
        level: coverage asked for, in (0, 1).
        seed: seed of the resampling.
        label_names: names of the labels; by default the 14 findings, or ``label_0`` and so on.
        scores: which to return, of :data:`SCORES` and the labels' names; by default all.
        patients: whose image each is; a patient is drawn with all images.
        strata: parts that keep their sizes, as the images with and without a rare finding.
        progress: whether to show progress.

    Returns:
        dict from the names of the scores to :class:`Interval`; a label's name stands for its ROC
        AUC.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, if an argument is out of range, or if a
            patient lies in two strata.

    Source: ``efron1993``, Ch. 13; resampling of clusters ``davison1997``, Sect. 3.8.
    """
    answers = _Answers(y_true, probabilities, label_names, scores)
    table = replicate([answers], replicates, level, seed, patients, strata, progress)[0]
    return {name: Interval.of(table[:, j], level) for j, name in enumerate(answers.names)}


def compare(
    y_true,
    first,
    second,
    replicates=1000,
    *,
    level=0.95,
    seed=0,
    label_names=None,
    scores=None,
    patients=None,
    strata=None,
    progress=False,
):
    """Return how much better a second model is than a first on the same images, by paired bootstrap.

    Both models are scored on the same resamples, so what they share cancels. The p-value is twice
    the smaller share of replicates on either side of no difference, counting one more on either
    side, so that it is never zero.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, nan where unknown; first, second: the same shape,
        in [0, 1].

    Args:
        replicates, level, seed, label_names, scores, patients, strata, progress: as
            :func:`bootstrap`.

    Returns:
        dict from the names of the scores to :class:`Difference`. Of many p-values, some are small
        by chance: see :func:`xraylab.evaluation.holm`.

    Raises:
        ValueError: as :func:`bootstrap`.

    Source: ``efron1993``, Chs. 13 and 16; counting one more ``davison1997``, Sect. 4.2.
    """
    pair = [_Answers(y_true, answers, label_names, scores) for answers in (first, second)]
    tables = replicate(pair, replicates, level, seed, patients, strata, progress)
    table = tables[1] - tables[0]
    differences = {}
    for j, name in enumerate(pair[0].names):
        drawn = table[1:, j]
        drawn = drawn[~np.isnan(drawn)]
        smaller = min((drawn <= 0).sum(), (drawn >= 0).sum())
        p_value = min(1.0, 2 * (smaller + 1) / (len(drawn) + 1)) if len(drawn) else np.nan
        differences[name] = Difference(*_bounds(table[:, j], level), float(p_value))
    return differences


class _Answers:
    """The answers of one model, sorted once, to be scored under many weights."""

    def __init__(self, y_true, probabilities, label_names, scores):
        y_true, known, probabilities = check_predictions(y_true, probabilities)
        self.num_images, num_labels = y_true.shape
        labels = name_labels(label_names, num_labels)
        taken = sorted(set(labels) & set(SCORES))
        if taken:
            raise ValueError(f"label_names: {taken[0]!r} is the name of a score; rename the label")
        self.names = (*SCORES, *labels) if scores is None else tuple(scores)
        unknown = [name for name in self.names if name not in (*SCORES, *labels)]
        if unknown or not self.names:
            raise ValueError(
                f"scores must be among {', '.join((*SCORES, *labels))}; {list(self.names)} came"
            )
        every = {"macro_auc", "average_precision"} & set(self.names)
        self._rankings = {}  # of the labels that are needed: their images, and these sorted
        for k, name in enumerate(labels):
            if every or name in self.names:
                rows = np.flatnonzero(known[:, k])
                self._rankings[name] = rows, Ranking(y_true[rows, k], probabilities[rows, k])
        self._pooled = None
        if "micro_auc" in self.names:
            self._pooled = Ranking(y_true[known], probabilities[known])
            self._image_of_pair = np.nonzero(known)[0]
        right = ((probabilities > 0.5) == y_true) & known
        self._right, self._known = right.sum(axis=1), known.sum(axis=1)
        self._all_right, self._all_known = right.all(axis=1), known.all(axis=1)

    def score(self, weights):
        """Return the scores under each row of weights: (rows, scores)."""
        precise = "average_precision" in self.names
        found, precisions = {}, []
        for name, (rows, ranking) in self._rankings.items():
            mine = weights if len(rows) == self.num_images else weights[:, rows]
            if precise:
                found[name], precision = ranking.areas(mine)
                precisions.append(precision)
            else:
                found[name] = ranking.roc_auc(mine)
        if "macro_auc" in self.names:
            found["macro_auc"] = mean_of_defined(list(found.values()))
        if precise:
            found["average_precision"] = mean_of_defined(precisions)
        if self._pooled is not None:
            found["micro_auc"] = self._pooled.roc_auc(weights[:, self._image_of_pair])
        found["accuracy"] = share(weights @ self._right, weights @ self._known)
        found["exact_match"] = share(weights @ self._all_right, weights @ self._all_known)
        return np.stack([found[name] for name in self.names], axis=1)


def replicate(models, replicates, level, seed, patients, strata, progress):
    """Return the scores of models on the images as they are (row 0) and on the same resamples."""
    if replicates < 1 or not 0 < level < 1:
        raise ValueError(
            f"replicates must be at least 1 and level in (0, 1); {replicates} and {level} came"
        )
    num_images = models[0].num_images
    rng = np.random.default_rng(seed)
    drawn = resamples(num_images, replicates, rng, patients=patients, strata=strata)
    as_they_are = np.ones((1, num_images), dtype=np.int16)
    tables = [[model.score(as_they_are)] for model in models]

    def score(weights):
        return [model.score(weights) for model in models]

    with progress_bar(progress, total=replicates, desc="bootstrap", unit="replicate") as bar:
        for scored in in_order(score, drawn, min(8, os.cpu_count() or 1)):
            for table, part in zip(tables, scored, strict=True):
                table.append(part)
            bar.update(len(scored[0]))
    return [np.concatenate(table) for table in tables]


def share(part, whole):
    """Return part / whole, NaN where there is nothing."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def mean_of_defined(columns):
    """Return the mean over the defined values of each replicate; NaN where there is none."""
    values = np.stack(columns, axis=1)
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _bounds(column, level):
    """Return value, low and high of one score; NaN bounds where no replicate defines it."""
    replicates = column[1:][~np.isnan(column[1:])]
    if not len(replicates):
        return float(column[0]), float("nan"), float("nan")
    tail = 50 * (1 - level)
    low, high = np.percentile(replicates, [tail, 100 - tail])
    return float(column[0]), float(low), float(high)
