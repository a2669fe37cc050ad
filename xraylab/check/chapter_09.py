"""Exercises of chapter 9, DBCT."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise
from xraylab.layers.tokens import sinusoidal_positions

_RNG = np.random.default_rng(9)


def _positions(rows, columns, dim, swapped=False, halves=slice(None)):
    row, column = (sinusoidal_positions(n, dim // 2) for n in (rows, columns))
    if swapped:
        parts = [np.tile(row, (columns, 1)), np.repeat(column, rows, axis=0)]
    else:
        parts = [np.repeat(row, columns, axis=0), np.tile(column, (rows, 1))]
    return np.concatenate(parts[halves], axis=1)


positions = CodeExercise(
    _positions,
    [(8, 8, 16), (3, 5, 8)],
    "A patch is now as similar to the patch above as to the one beside it.",
)
positions.mistake(
    lambda rows, columns, dim: sinusoidal_positions(rows * columns, dim),
    "That is the one-dimensional embedding.",
)
positions.mistake(
    lambda *sizes: _positions(*sizes, swapped=True),
    "In raster order the row of a patch changes after `columns` patches.",
)
positions.mistake(
    lambda *sizes: _positions(*sizes, halves=slice(None, None, -1)),
    "Encode the row in the first half of the width, the column in the second.",
)

width = Exercise(256, "192 · 256 = 49,152. The neighbouring powers of two do not fit.")
width.mistake(128, "192 · 128 = 24,576, less than the smallest possible increase of 0.03 M.")
width.mistake(512, "192 · 512 = 98,304, more than the largest possible increase of 0.05 M.")
width.mistake(192, "192 · 192 = 36,864 would fit, but 192 is not a power of two.")

one_more_norm = Exercise(2_455_246, "With two decimals that is 2.46 M; the slides print 2.45.")
one_more_norm.mistake(2_454_734 + 256, "Each channel has a scale and a shift.")
one_more_norm.mistake(2_454_734, "That is the count without the layer normalization.")
one_more_norm.mistake(2_405_582 + 512, "That is the count at 64 pixels.")


def _focal(y, p, alpha, gamma, sign=1, weight=None):
    negative = 1 - alpha if weight is None else weight
    cost = alpha * (1 - p) ** gamma * y * np.log(p)
    return -(cost + sign * negative * p**gamma * (1 - y) * np.log(1 - p))


_labels = _RNG.integers(0, 2, (2, 6, 3))
_predicted = _RNG.uniform(0.05, 0.95, (2, 6, 3))
focal = CodeExercise(
    _focal,
    [(_labels[0], _predicted[0], 0.25, 2.0), (_labels[1], _predicted[1], 0.6, 1.0)],
    "It is positive for both labels, and small for good predictions.",
)
focal.mistake(
    lambda *a: _focal(*a, sign=-1), "With y = 0, your loss falls as the prediction gets worse."
)
focal.mistake(lambda *a: -_focal(*a), "The sign is wrong: a loss of probabilities is positive.")
focal.mistake(lambda y, p, alpha, gamma: _focal(y, p, alpha, 0), "γ has no effect on your loss.")
focal.mistake(
    lambda y, p, alpha, gamma: _focal(y, p, alpha, gamma, weight=alpha),
    "Negative labels have the weight 1 - α.",
)
focal.mistake(
    lambda y, p, alpha, gamma: _focal(y, p, 1 - alpha, gamma), "α weights the positive labels."
)
focal.mistake(lambda *a: _focal(*a).sum(axis=-1), "Return one value per label, without the sum.")

constant = Exercise(0.226589, "More than twice the prevalence: this is not a probability.")
constant.mistake(0.1, "That is the prevalence, the minimum of the cross-entropy.")
constant.mistake(0.305787, "That is the minimum for α = 1/2; weight the positives with α = 1/4.")
constant.mistake(0.398824, "α and 1 - α are swapped.")
constant.mistake(0.035714, "That is the minimum for γ = 0.")
