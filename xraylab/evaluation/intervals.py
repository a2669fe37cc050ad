"""Bootstrap intervals of scores, and of differences of scores between two models."""

import inspect
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import did_you_mean, require, require_int, require_level
from xraylab.evaluation.weighted_scores import MeanScores
from xraylab.io import progress_bar
from xraylab.workers import in_order

CHUNK = 64
"""Number of resamples that are drawn and scored at a time."""


@dataclass(frozen=True)
class Interval:
    """A score with the bounds of its confidence interval; NaN where undefined.

    Attributes:
        value: the score of the original images.
        low, high: the bounds.
    """

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """Format the three numbers: ``f"{interval:.2f}"`` is ``"0.74 [0.72, 0.76]"``."""
        if not spec:
            return str(self)
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    @classmethod
    def from_replicates(cls, scores: np.ndarray, level: float) -> "Interval":
        """Compute a percentile interval; its bounds are NaN if all replicates are.

        Shapes:
            scores: (1 + replicates,): the score of the original images, then its replicates. NaN
            replicates are left out.

        Args:
            level: nominal coverage, in (0, 1).
        """
        replicates = scores[1:][~np.isnan(scores[1:])]
        if not len(replicates):
            return cls(float(scores[0]), np.nan, np.nan)
        tail = 50 * (1 - level)
        low, high = np.percentile(replicates, [tail, 100 - tail])
        return cls(float(scores[0]), float(low), float(high))


@dataclass(frozen=True)
class Difference(Interval):
    """Second score minus first score, with its interval and two-sided p-value.

    Attributes:
        p_value: p-value of the hypothesis that the difference is 0, in (0, 1].
    """

    p_value: float

    @classmethod
    def from_replicates(cls, scores: np.ndarray, level: float) -> "Difference":
        """Compute a percentile interval and a p-value, as :func:`compare` does.

        Shapes and arguments: as :meth:`Interval.from_replicates`, of differences.
        """
        drawn = scores[1:][~np.isnan(scores[1:])]
        smaller = min((drawn <= 0).sum(), (drawn >= 0).sum())
        p_value = min(1.0, 2 * (smaller + 1) / (len(drawn) + 1)) if len(drawn) else np.nan
        interval = Interval.from_replicates(scores, level)
        return cls(**vars(interval), p_value=float(p_value))


class Resampling(TypedDict, total=False):
    """Options of the resampling, described in :func:`bootstrap`."""

    seed: int
    patients: ArrayLike | None
    progress: bool


def bootstrap(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    replicates: int = 1000,
    *,
    level: float = 0.95,
    label_names: Sequence[str] | None = None,
    scores: Sequence[str] | None = None,
    **options: Unpack[Resampling],
) -> dict[str, Interval]:
    """Compute percentile bootstrap intervals of scores, resampling images or patients.

    A label that has only one class in a replicate is left out of the macro averages of this
    replicate, as by :func:`xraylab.metrics.score`. Without ``patients``, images of one patient are
    treated as independent, which makes intervals too narrow where patients have several images.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        probabilities: (num_images, num_labels), in [0, 1]; or (num_models, num_images, num_labels)
        for the mean score of several models, such as those of several seeds. The interval is
        of images or patients; it does not include the variation between models.
        patients: (num_images,), integers or strings.

    Args:
        replicates: number of resamples, at least 1.
        level: nominal coverage, in (0, 1).
        label_names: names of the labels; by default the 14 findings, or ``label_0``, ``label_1`` ….
        scores: one or several scores to compute, from :data:`SCORES` and the label names; by
            default all.
        seed: seed of the resampling; 0 by default.
        patients: the patient of each image; patients are resampled with all their images.
        progress: whether to show a progress bar.

    Returns:
        dict of :class:`Interval` by score name; a label name stands for the label's ROC AUC.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, or for an argument out of range.

    References: ``efron1993``, Ch. 13; resampling of clusters ``davison1997``, Sect. 3.8.
    """
    scorer = MeanScores(y_true, probabilities, label_names, scores)
    (table,) = score_resamples([scorer], replicates, level, **options)
    return {
        name: Interval.from_replicates(table[:, j], level) for j, name in enumerate(scorer.names)
    }


def compare(
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    replicates: int = 1000,
    *,
    level: float = 0.95,
    label_names: Sequence[str] | None = None,
    scores: Sequence[str] | None = None,
    **options: Unpack[Resampling],
) -> dict[str, Difference]:
    """Compare two models, or two groups of models, on the same images by a paired bootstrap.

    Both models are scored on the same resamples. The p-value is twice the smaller fraction of
    replicates on either side of zero, with one added to the counts, so it is never 0.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        first, second: (num_images, num_labels), probabilities in [0, 1]; or (num_models,
        num_images, num_labels), of which the mean scores are compared.

    Args:
        replicates, level, label_names, scores, seed, patients, progress: as :func:`bootstrap`.

    Returns:
        dict of :class:`Difference` (second minus first) by score name. Correct many p-values with
        :func:`xraylab.evaluation.holm`.

    Raises:
        ValueError: as :func:`bootstrap`.

    References: ``efron1993``, Chs. 13 and 16; the added one ``davison1997``, Sect. 4.2.
    """
    pair = [MeanScores(y_true, model, label_names, scores) for model in (first, second)]
    tables = score_resamples(pair, replicates, level, **options)
    table = tables[1] - tables[0]
    return {
        name: Difference.from_replicates(table[:, j], level) for j, name in enumerate(pair[0].names)
    }


def resamples(
    num_images: int, replicates: int, rng: np.random.Generator, patients: ArrayLike | None = None
) -> Iterator[np.ndarray]:
    """Draw resamples of images or patients with replacement, :data:`CHUNK` at a time.

    Shapes:
        patients: (num_images,), integers or strings.
        yields: (up to :data:`CHUNK`, num_images) int16, how often each image was drawn.

    Args:
        num_images: number of images.
        replicates: number of resamples.
        rng: the generator that draws them.
        patients: the patient of each image; patients are drawn, each with all their images. None
            draws single images.

    Raises:
        ValueError: if ``patients`` has another length, or one of them is missing.
    """
    num_units, unit_of_image = num_images, np.arange(num_images)
    if patients is not None:
        unknown = [i for i, p in enumerate(np.asarray(patients, dtype=object)) if is_unknown(p)]
        received = f"{len(unknown)} images without one, at rows {unknown[:5]}"
        hint = "Leave these images out, or give each a patient of its own."
        require(not unknown, "patients", "a patient for each image", received, hint)
        shape = np.shape(patients)
        require(shape == (num_images,), "patients", f"shape ({num_images},)", f"shape {shape}")
        known, unit_of_image = np.unique(np.asarray(patients), return_inverse=True)
        num_units = len(known)
    for start in range(0, replicates, CHUNK):
        rows = min(CHUNK, replicates - start)
        drawn = rng.integers(0, num_units, (rows, num_units))
        drawn += np.arange(rows)[:, np.newaxis] * num_units
        counts = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        yield counts.astype(np.int16)[:, unit_of_image]


def is_unknown(value: object) -> bool:
    """Return whether a value is missing: None, NaN, ``pandas.NA`` or the empty string."""
    import pandas as pd  # The import takes half a second.

    return bool(pd.isna(value) or value == "")


def score_resamples(
    scorers: Sequence[Any],
    replicates: int,
    level: float,
    *,
    seed: int = 0,
    patients: ArrayLike | None = None,
    progress: bool = False,
    **unknown: Any,
) -> list[np.ndarray]:
    """Score the original images and resamples of them, the same ones with every scorer.

    Shapes:
        returns: for each scorer (1 + replicates, num_scores); row 0 is of the original images.

    Args:
        scorers: objects with ``num_images`` and a method ``score``, which computes scores
            (rows, num_scores) from weights of the images (rows, num_images).
        replicates, level, seed, patients, progress: as :func:`bootstrap`.

    Raises:
        TypeError: for any other argument, which a caller passed on.
        ValueError: if an argument is out of range, or as :func:`resamples`.
    """
    for name in unknown:
        _labels, _probabilities, *own, _options = inspect.signature(bootstrap).parameters
        known = [*own, *Resampling.__annotations__]
        hint = did_you_mean(name, known) or "Choose scores as scores=['macro_auc']."
        error = f"unexpected keyword argument {name!r}. Expected: those of evaluation.bootstrap: "
        raise TypeError(f"{error}{', '.join(known)}. Received: {name}={unknown[name]!r}. {hint}")
    require_int("replicates", replicates, 1)
    require_level(level)
    num_images = scorers[0].num_images
    drawn = resamples(num_images, replicates, np.random.default_rng(seed), patients)
    tables = [[scorer.score(np.ones((1, num_images), dtype=np.int16))] for scorer in scorers]

    def score(weights):
        return [scorer.score(weights) for scorer in scorers]

    with progress_bar(progress, total=replicates, desc="bootstrap", unit="replicate") as bar:
        for scored in in_order(score, drawn, min(8, os.cpu_count() or 1)):
            for table, rows in zip(tables, scored, strict=True):
                table.append(rows)
            bar.update(len(scored[0]))
    return [np.concatenate(table) for table in tables]
