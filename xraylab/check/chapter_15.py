"""Exercises of chapter 15, results."""

from statistics import mean, stdev

from xraylab.check.answers import number

_RUNS = (0.731, 0.742, 0.736)
_GAP = 0.747 - mean(_RUNS)


def _spread(answer):
    return number(
        answer,
        _GAP / (2**0.5 * stdev(_RUNS)),
        tolerance=0.01,
        mistakes={
            _GAP
            / stdev(_RUNS): "That counts the chance of one run; a difference has that of both.",
            _GAP / (2**0.5 * stdev(_RUNS) * (2 / 3) ** 0.5): "Divide the squares by n - 1.",
            _GAP / (stdev(_RUNS) * (4 / 3) ** 0.5): "That is right for a mean of three runs; the "
            "question is about two single ones.",
            _GAP: "That is the difference; how many standard deviations is it?",
        },
        right="Less than two: not news.",
    )


def _front(answer):
    return number(
        answer,
        1 + 5,
        tolerance=1e-6,
        mistakes={
            1 + 2 + 5: "B costs more than A and scores less, so A beats it.",
            1 + 5 + 9: "D scores what C does, but costs more.",
            1 + 2 + 5 + 9: "Not all four: A beats B, and C beats D.",
            5: "A is on the front too: nothing is as good for less.",
            1: "C is on the front too: nothing is better for as little.",
        },
        right="A and C: nothing is as good for less, or better for as little.",
    )


EXERCISES = {"front": _front, "spread": _spread}
"""The exercises by name."""
