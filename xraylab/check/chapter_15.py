"""Exercises of chapter 15, Results."""

from statistics import mean, stdev

from xraylab.check.grading import Exercise

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
