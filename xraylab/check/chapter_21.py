"""Exercises of chapter 21, projects."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise

budget = Exercise(20, "Twenty arms are also twenty chances of a lucky result.", tolerance=0.1)
budget.mistake(60, "That is the number of runs; an arm takes three of them.")
budget.mistake(21, "The twenty-first arm would not finish.")
budget.mistake(6 * 3600 / (3 * 100_000 / 280), "Arms are whole: round down.")

_HITS = [
    np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]),
    np.array([[1, 0, 1, 0]] * 4),
    np.array([[0, 1], [1, 0]]),
]


def _gain(hits):
    count, matching = len(hits), np.trace(hits)
    return matching / count - (hits.sum() - matching) / (count * (count - 1))


permutation = CodeExercise(
    _gain, [(hits,) for hits in _HITS], "A constant map gains nothing, wherever it points."
)
permutation.mistake(
    lambda hits: np.trace(hits) / len(hits), "That is the observed rate; subtract the other pairs'."
)
permutation.mistake(
    lambda hits: np.trace(hits) / len(hits) - hits.mean(),
    "The mean over all pairs contains the matching ones; leave them out.",
)
permutation.mistake(lambda hits: -_gain(hits), "The sign is reversed: observed minus baseline.")
