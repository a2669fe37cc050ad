"""Exercises of chapter 16, on where a network looks."""

from xraylab.check.answers import number


def _energy(answer):
    return number(
        answer,
        16 / 28,
        tolerance=1e-3,
        mistakes={
            13 / 28: "The three other cells of the mask count too.",
            4 / 16: "That is what a uniform map has.",
            16 / 29: "There are 15 cells of 1 and one of 13.",
            13 / 15: "Divide by the sum over the whole map, the cell of 13 included.",
            1.0: "That is the pointing game: the highest cell lies in the mask.",
        },
        right="More than half of the energy, on a quarter of the image.",
    )


def _rollout(answer):
    return number(
        answer,
        0.55,
        tolerance=1e-3,
        mistakes={
            0.45: "That is what [CLS] has kept of itself.",
            0.9: "That is without what each token keeps: a block passes on half of it as it was.",
            0.425: "The last block comes first: the row of [CLS] in the second, times the first.",
            0.4: "That is the second block alone.",
            0.25: "That is the first block alone.",
        },
        right="More than half of [CLS] is the other token by now.",
    )


EXERCISES = {"energy": _energy, "rollout": _rollout}
"""The exercises by name."""
