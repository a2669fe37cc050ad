"""Exercises of chapter 17, Calibration, decision thresholds and subgroup performance."""

import math

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise


def _gaps(y, p, bins):
    """Compute mean prediction minus observed frequency in bins of equal mass."""
    groups = np.array_split(np.argsort(p), bins)
    return np.array([p[rows].mean() - y[rows].mean() for rows in groups])


def _error_of_equal_width(y, p, bins):
    """Compute the calibration error with bins of equal width."""
    index = np.minimum((p * bins).astype(int), bins - 1)
    sums = np.bincount(index, p - y, minlength=bins)
    return np.abs(sums).sum() / len(y)


_rng = np.random.default_rng(17)
_P = _rng.beta(0.5, 5, 600)
_Y = (_rng.random(600) < _P**0.8).astype(int)

ece = CodeExercise(
    lambda y, p, bins: np.abs(_gaps(y, p, bins)).mean(),
    [(_Y, _P, 15), (_Y[:200], _P[:200], 10)],
    "Gaps of either sign add up.",
)
ece.mistake(lambda y, p, bins: _gaps(y, p, bins).mean(), "Take the absolute value of each gap.")
ece.mistake(
    lambda y, p, bins: abs(_gaps(y, p, bins).mean()),
    "Take the absolute value of each gap before the mean, not after it.",
)
ece.mistake(lambda y, p, bins: np.abs(_gaps(y, p, bins)).sum(), "Take the mean, not the sum.")
ece.mistake(lambda y, p, bins: np.abs(_gaps(y, p, bins)).max(), "That is the largest gap.")
ece.mistake(lambda y, p, bins: (_gaps(y, p, bins) ** 2).mean(), "Absolute gaps, not squares.")
ece.mistake(lambda y, p, bins: np.abs(p - y).mean(), "Average within each bin first.")
ece.mistake(_error_of_equal_width, "These bins have equal width; sort and use equal mass.")
ece.mistake(
    lambda y, p, bins: np.mean(
        [abs(p[g].mean() - y[g].mean()) for g in np.array_split(range(len(p)), bins)]
    ),
    "Sort the images by prediction before you divide them.",
)

reliability = Exercise(
    0.042,
    "The rest of the Brier score of 0.142 is an uncertainty of 0.160 less a resolution of 0.060.",
    tolerance=1e-4,
)
reliability.mistake(0.18, "That is the calibration error; the Brier score squares the gaps.")
reliability.mistake(0.142, "That is the whole Brier score; give its reliability term.")
reliability.mistake(0.06, "That is the resolution: group frequencies against the base rate.")
reliability.mistake(0.16, "That is the uncertainty: base rate times one minus base rate.")
reliability.mistake(0.05, "Weight each group by its images: four and six.")

precision = Exercise(
    9 / 12,
    "Nine of twelve positive calls are right. Here more than half of the images are positive; at a "
    "prevalence of 1 %, the same sensitivity and specificity give a precision of 2 %.",
)
precision.mistake(0.9, "That is the sensitivity. Divide by the positive calls.")
precision.mistake(8 / 11, "Eight of ten is a sensitivity of 0.8; one more must be found.")
precision.mistake(10 / 17, "That calls all ten. Nine are enough.")
precision.mistake(9 / 14, "Put the threshold at the ninth positive, not at the next image below.")
precision.mistake(3 / 8, "That is the false-positive rate.")

_ODDS_RATIO = 0.02 / 0.98 / (0.10 / 0.90)

offset = Exercise(math.log(_ODDS_RATIO), "Log-odds of 0.02 minus log-odds of 0.10. The slope is 1.")
offset.mistake(-math.log(_ODDS_RATIO), "The finding became rarer, so the offset is negative.")
offset.mistake(math.log(0.02 / 0.10), "That is the ratio of the prevalences; use the odds.")
offset.mistake(_ODDS_RATIO, "That is the odds ratio; take its logarithm.")
offset.mistake(math.log10(_ODDS_RATIO), "Use the natural logarithm.")

worst = Exercise(0.82 - 1.16296 * 0.02, "1.16 standard errors below, although all five are alike.")
worst.mistake(0.82, "That is the expected score of one group. The lowest of five is below it.")
worst.mistake(0.80, "One group in six is below one standard error; there are five.")
worst.mistake(0.82 - 1.95996 * 0.02, "That is the lower bound of one group's 95 % interval.")
worst.mistake(0.82 + 1.16296 * 0.02, "That is the highest of the five.")


def _rates(y, p, threshold):
    """Compute true and false positives per image."""
    positive = p > threshold
    return (positive & (y == 1)).mean(), (positive & (y == 0)).mean()


def _benefit(weight):
    """Return a function that computes the net benefit with the weight of a false positive."""

    def net_benefit(y, p, threshold):
        true, false = _rates(y, p, threshold)
        return true - weight(threshold) * false

    return net_benefit


net_benefit = CodeExercise(
    _benefit(lambda t: t / (1 - t)),
    [(_Y, _P, 0.1), (_Y, _P, 0.3), (_Y[:200], _P[:200], 0.02)],
    "It compares with 0, for no positive image.",
)
net_benefit.mistake(_benefit(lambda t: 1), "Weight false positives by t / (1 - t).")
net_benefit.mistake(_benefit(lambda t: t), "The weight is t / (1 - t), not t.")
net_benefit.mistake(_benefit(lambda t: (1 - t) / t), "The weight is upside down: t / (1 - t).")
net_benefit.mistake(
    lambda y, p, t: _benefit(lambda t: t / (1 - t))(y, p, t) * len(y),
    "Divide by the number of images.",
)
net_benefit.mistake(
    lambda y, p, t: (p > t)[y == 1].mean() - t / (1 - t) * (p > t)[y == 0].mean(),
    "Divide both counts by the number of all images, not by those of their class.",
)
