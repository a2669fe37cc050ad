"""Reliability curves, calibration error and Brier score, with bootstrap intervals."""

from dataclasses import dataclass
from typing import Unpack

import numpy as np
import scipy
from numpy.typing import ArrayLike

from xraylab.arguments import require_choice, require_int
from xraylab.evaluation.intervals import Interval, Resampling, score_resamples
from xraylab.metrics import check_predictions
from xraylab.metrics.ranking import divide, mean_of_defined


@dataclass(frozen=True)
class Reliability:
    """A reliability curve: mean predicted probability and observed frequency in each bin.

    Attributes:
        mean_predicted: (num_bins,) mean predicted probability, for each bin that is not empty.
        observed_frequency: (num_bins,) fraction of positive images.
        count: (num_bins,) number of images.
        low, high: (num_bins,) 95 % Wilson bounds of ``observed_frequency``.
    """

    mean_predicted: np.ndarray
    observed_frequency: np.ndarray
    count: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __post_init__(self):
        for name, values in vars(self).items():  # lists, where a curve was stored as JSON
            object.__setattr__(self, name, np.asarray(values))

    @property
    def positives(self) -> np.ndarray:
        """Number of positive images in each bin, (num_bins,) int."""
        return np.rint(self.count * self.observed_frequency).astype(int)

    @property
    def error(self) -> float:
        """Expected calibration error: mean absolute gap, weighted by the number of images."""
        gaps = np.abs(self.mean_predicted - self.observed_frequency)
        return float(np.average(gaps, weights=self.count))

    def to_images(self) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and probabilities of images that have this curve.

        Each image has the mean probability of its bin, so that images of a bin are tied. Scores
        such as the ROC curve follow from a curve alone, where predictions are not available.

        Shapes:
            returns: (num_images,) int labels, (num_images,) float probabilities.
        """
        positive_then_negative = np.stack([self.positives, self.count - self.positives], axis=1)
        labels = np.tile([1, 0], len(positive_then_negative))
        repeated = np.repeat(labels, positive_then_negative.ravel())
        return repeated, np.repeat(self.mean_predicted, self.count)


def reliability(
    y_true: ArrayLike, probabilities: ArrayLike, bins: int = 15, strategy: str = "quantile"
) -> Reliability:
    """Compute the reliability curve of one label.

    Shapes:
        y_true: (num_images,), 0 or 1, NaN where unknown.
        probabilities: (num_images,), in [0, 1].

    Args:
        bins: number of bins, at least 1. Tied probabilities share a bin, so there can be fewer.
        strategy: ``"quantile"`` for bins with equally many images, ``"uniform"`` for bins of equal
            width, as in scikit-learn. Findings are rare, so most images share the first uniform
            bin.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, or for an argument out of range.

    References: ``guo2017``, Sect. 2; quantile bins ``nixon2019``; bounds ``wilson1927``.
    """
    y_true, known, probabilities = check_predictions(
        np.reshape(y_true, (-1, 1)), np.reshape(probabilities, (-1, 1))
    )
    y_true, probabilities = y_true[known], probabilities[known]
    bin_index = _bin_index(probabilities, bins, strategy)
    _, bin_index, count = np.unique(bin_index, return_inverse=True, return_counts=True)
    positives = np.bincount(bin_index, y_true)
    bounds = [
        scipy.stats.binomtest(int(k), n).proportion_ci(method="wilson")
        for k, n in zip(positives, count.tolist(), strict=True)
    ]
    mean_predicted = np.bincount(bin_index, probabilities) / count
    return Reliability(mean_predicted, positives / count, count, *np.transpose(bounds))


def calibration_error(y_true: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> float:
    """Compute the expected calibration error, averaged over the labels with known images.

    A perfectly calibrated model scores above 0 too, because frequencies are counted on finitely
    many images; :func:`null_calibration_error` estimates by how much.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        probabilities: (num_images, num_labels), in [0, 1].

    Args:
        bins: number of quantile bins, as :func:`reliability`.

    Returns:
        The error, in [0, 1].

    Raises:
        ValueError: as :func:`reliability`.

    References: ``guo2017``, Sect. 2.
    """
    scorer = _CalibrationByWeight(y_true, probabilities, bins)
    return float(scorer.score(np.ones((1, scorer.num_images)))[0, 0])


def null_calibration_error(
    probabilities: ArrayLike, known: ArrayLike | None = None, bins: int = 15, draws: int = 20
) -> float:
    """Estimate the calibration error that a perfectly calibrated model would have.

    Labels are drawn from the probabilities themselves, so the error is counting noise alone.

    Shapes:
        probabilities: (num_images, num_labels), in [0, 1].
        known: (num_images, num_labels) bool, whether a label is known; None if all are.

    Args:
        bins: number of quantile bins, as :func:`reliability`.
        draws: number of label draws, from a generator with seed 0; the mean error is returned.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(draws):
        drawn = (rng.random(probabilities.shape) < probabilities).astype(np.float64)
        if known is not None:
            drawn[~np.asarray(known, dtype=bool)] = np.nan
        errors.append(calibration_error(drawn, probabilities, bins))
    return float(np.mean(errors))


def brier(y_true: ArrayLike, probabilities: ArrayLike) -> float:
    """Compute the Brier score: the mean squared difference of probabilities and known labels.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        probabilities: (num_images, num_labels), in [0, 1].

    Returns:
        The score, in [0, 1]; lower is better.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`.

    References: ``brier1950``, halved as is usual for two classes.
    """
    y_true, known, probabilities = check_predictions(y_true, probabilities)
    return float(np.mean((probabilities - y_true)[known] ** 2))


def calibration_intervals(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    replicates: int = 1000,
    *,
    bins: int = 15,
    level: float = 0.95,
    **options: Unpack[Resampling],
) -> dict[str, Interval]:
    """Compute bootstrap intervals of the calibration error and of the Brier score.

    A resample repeats images, which adds counting noise: its calibration error nearly always lies
    above that of the original images, and percentile intervals hardly ever cover the true error.
    The interval is therefore the basic one, which subtracts what resampling has added; it may
    exclude the error of the original images, itself inflated by noise. Where the true error is
    small the correction is insufficient: with 2,000 images and 14 labels the interval covered a
    true error of 0.038 in 27 of 30 trials, one of 0.009 in 5, and one of 0.004 in none. Do not use
    it where the error is below three times :func:`null_calibration_error`. Bins are those of the
    original images.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        probabilities: (num_images, num_labels), in [0, 1].

    Args:
        bins: number of quantile bins, as :func:`reliability`.
        replicates, level, seed, patients, progress: as
            :func:`xraylab.evaluation.bootstrap`.

    Returns:
        dict of :class:`Interval`: ``"calibration_error"`` (basic) and ``"brier"`` (percentile).

    Raises:
        ValueError: as :func:`xraylab.evaluation.bootstrap`, or if ``bins`` is below 1.

    References: basic intervals ``davison1997``, Sect. 5.2.
    """
    scorer = _CalibrationByWeight(y_true, probabilities, bins)
    (table,) = score_resamples([scorer], replicates, level, **options)
    error = Interval.from_replicates(table[:, 0], level)
    reflected = (max(0.0, 2 * error.value - bound) for bound in (error.high, error.low))
    return {
        "calibration_error": Interval(error.value, *reflected),
        "brier": Interval.from_replicates(table[:, 1], level),
    }


class _CalibrationByWeight:
    """Gaps between probabilities and labels, to be summed under many weights of the images."""

    def __init__(self, y_true, probabilities, bins):
        y_true, known, probabilities = check_predictions(y_true, probabilities)
        self.num_images = len(y_true)
        self._known = known.astype(np.float64)
        gaps = np.where(known, probabilities - y_true, 0.0)
        self._squares = (gaps**2).sum(axis=1)
        self._labels = np.flatnonzero(known.any(axis=0))
        self._gaps_by_bin = np.zeros((self.num_images, len(self._labels), bins))
        for j, k in enumerate(self._labels):
            rows = np.flatnonzero(known[:, k])
            bin_index = _bin_index(probabilities[rows, k], bins, "quantile")
            self._gaps_by_bin[rows, j, bin_index] = gaps[rows, k]

    def score(self, weights):
        """Compute calibration error and Brier score under each row of weights: (rows, 2)."""
        weights = weights.astype(np.float64)
        known = weights @ self._known
        sums = np.tensordot(weights, self._gaps_by_bin, axes=1)  # (rows, labels, bins)
        errors = divide(np.abs(sums).sum(axis=2), known[:, self._labels])
        brier = divide(weights @ self._squares, known.sum(axis=1))
        return np.stack([mean_of_defined(errors, axis=1), brier], axis=1)


def _bin_index(probabilities, bins, strategy):
    """Assign each probability to a bin."""
    require_int("bins", bins, 1)
    if require_choice("strategy", strategy, ("quantile", "uniform")) == "uniform":
        return np.maximum(np.ceil(probabilities * bins).astype(int) - 1, 0)
    # The rank of the first of tied probabilities decides the bin of all of them.
    first_rank = np.searchsorted(np.sort(probabilities), probabilities, side="left")
    return first_rank * bins // len(probabilities)
