"""Exercises of chapter 18, reading papers."""

import numpy as np
from scipy.special import expit

from xraylab.check.grading import CodeExercise, Exercise

_NAN = float("nan")
_RUNS = [
    ([0.60, 0.72, 0.70, 0.69], [0.61, 0.68, 0.71, 0.73]),
    ([0.60, _NAN, 0.66, 0.64], [0.62, 0.90, 0.63, 0.65]),
    ([0.70, 0.70], [0.66, 0.69]),
]

selection = CodeExercise(
    lambda val, test: test[int(np.nanargmax(val))],
    [tuple(map(np.array, run)) for run in _RUNS],
    "The test images had no part in the choice.",
)
selection.mistake(lambda val, test: max(test), "That chooses the checkpoint on the test images.")
selection.mistake(lambda val, test: test[int(np.argmax(val))], "`argmax` returns the first NaN.")
selection.mistake(lambda val, test: test[-1], "That is the score of the last epoch.")
selection.mistake(
    lambda val, test: np.nanmax(val), "That is the validation score; return the test's."
)

excess = Exercise(0.75, "The same gain is 0.09, 14.5 %, or a ratio of 175 %.")
excess.mistake(1.75, "That is the ratio of the two excesses; the gain is one less.")
excess.mistake(0.09 / 0.62, "That is the gain relative to the baseline, not to its excess.")
excess.mistake(0.09, "That is the absolute gain; divide it by the baseline's excess over 0.5.")
excess.mistake(0.09 / 0.21, "Divide by the excess of the baseline, not of the proposed model.")

_LOGITS = np.linspace(-6, 6, 8)
_CASES = [(_LOGITS, np.zeros(8)), (_LOGITS, np.ones(8)), (_LOGITS[::2], np.array([0.0, 1, 1, 0]))]


def _twice(z, y):
    p = expit(z)
    return (expit(p) - y) * p * (1 - p)


gradient = CodeExercise(_twice, _CASES, "It vanishes on both sides, for a miss as well.")
gradient.mistake(lambda z, y: expit(z) - y, "That is the gradient with one sigmoid.")
gradient.mistake(lambda z, y: expit(expit(z)) - y, "The inner sigmoid's derivative is missing.")
gradient.mistake(
    lambda z, y: (expit(z) - y) * expit(z) * (1 - expit(z)),
    "That is the gradient of a squared error; apply the outer sigmoid as well.",
)
gradient.mistake(lambda z, y: -_twice(z, y), "The sign is reversed.")
