"""Exercises of chapter 15, Comparing models fairly."""

from statistics import mean, stdev

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise

_RUNS = (0.731, 0.742, 0.736)
_GAP = 0.747 - mean(_RUNS)
_SIGMA = stdev(_RUNS)

spread = Exercise(_GAP / (2**0.5 * _SIGMA), "Less than two: no evidence of a gain.", tolerance=0.01)
spread.mistake(_GAP / _SIGMA, "That is the spread of one run; a difference has that of both.")
spread.mistake(_GAP / (2**0.5 * _SIGMA * (2 / 3) ** 0.5), "Divide the squares by n - 1.")
spread.mistake(_GAP / (_SIGMA * (4 / 3) ** 0.5), "Compare with a single run, not with the mean.")
spread.mistake(_GAP, "That is the difference; how many standard deviations is it?")

front = Exercise(1 + 5, "A and C: no other model is as good for less, or better for as little.")
front.mistake(1 + 2 + 5, "B costs more than A and scores less: A dominates it.")
front.mistake(1 + 5 + 9, "D has the score of C, but costs more.")
front.mistake(1 + 2 + 5 + 9, "Not all four: A dominates B, and C dominates D.")
front.mistake(5, "A is on the front, too: none is as good for less.")
front.mistake(1, "C is on the front, too: none is better for as little.")

_BOUNDS = (0.025, 0.975)


def _paired_interval(first, second, rows):
    """Compute the percentile interval of a difference of means over the same images."""
    return np.quantile((second - first)[rows].mean(axis=1), _BOUNDS)


def _cases():
    """Draw the scores of two models on the same images, and resamples of the images."""
    rng = np.random.default_rng(15)
    for count, replicates in ((30, 200), (50, 100)):
        images = rng.normal(size=count)
        first, second = (images + 0.3 * rng.normal(size=count) for _ in range(2))
        yield first, second + 0.1, rng.integers(count, size=(replicates, count))


paired = CodeExercise(
    _paired_interval, [*_cases()], "What the images contribute to both scores cancels."
)
paired.mistake(
    lambda a, b, rows: _paired_interval(b, a, rows), "The sign is reversed: second minus first."
)
paired.mistake(
    lambda a, b, rows: (
        np.quantile(b[rows].mean(axis=1), _BOUNDS) - np.quantile(a[rows].mean(axis=1), _BOUNDS)
    ),
    "Subtract in each resample first, then take the quantiles.",
)
paired.mistake(
    lambda a, b, rows: (
        np.quantile(b[rows].mean(axis=1), _BOUNDS)
        - np.quantile(a[rows].mean(axis=1), _BOUNDS)[::-1]
    ),
    "That is an unpaired interval: subtract in each resample first.",
)
paired.mistake(
    lambda a, b, rows: np.quantile((b - a)[rows].mean(axis=1), (0.05, 0.95)),
    "That is an interval of 90 %; cut off 2.5 % on either side.",
)
paired.mistake(
    lambda a, b, rows: np.quantile((b - a)[rows].mean(axis=0), _BOUNDS),
    "Average over the images of each resample, the second axis.",
)
paired.mistake(
    lambda a, b, rows: np.quantile(b - a, _BOUNDS),
    "That is the variation of single images; resample, and average over images.",
)
