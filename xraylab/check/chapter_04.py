"""Exercises of chapter 4, Scores and losses."""

import math

from xraylab.check.answers import number


def _empty(answer):
    return number(
        answer,
        0.46,
        tolerance=1e-3,
        mistakes={
            0.65 * 0.71 * 0.92: "That takes the findings as independent; the table says how they "
            "come together.",
            0.76: "That is the accuracy per label. Here an image counts only if all three are right.",
            0.54: "That is the share of images where “nothing” is wrong.",
            46: "Give it as a share, between 0 and 1.",
        },
        right="An image counts only if its whole vector is 000.",
    )


def _pairs(answer):
    return number(
        answer,
        16 / 20,
        tolerance=1e-4,
        mistakes={
            14 / 20: "Ties count one half, not nothing: four pairs are tied.",
            18 / 20: "Ties count one half, not a whole: four pairs are tied.",
            14 / 16: "That leaves the tied pairs out; they count one half of 20.",
            16: "That is how many pairs are won, ties counted by halves; divide by the number of "
            "pairs.",
        },
        right="14 pairs won and 4 tied make 16 of 20.",
    )


def _interval(answer):
    return number(
        answer,
        1050,
        tolerance=0.5,
        mistakes={
            210: "That would hold if the width fell with the number of images; it falls with its "
            "square root.",
            42 * math.sqrt(5): "The other way round: the width falls with the square root of the "
            "number of images, so the number grows with the square of what is asked.",
            25: "That is the factor; give the number of images.",
        },
        right="A fifth of the width takes 25 times as many.",
    )


def _focal(answer):
    down = -math.log(0.6) + 0.4 / 0.6
    up = -math.log(0.4) + 0.6 / 0.4
    return number(
        answer,
        down / (down + up),
        tolerance=1e-3,
        mistakes={
            0.4: "The cross-entropy would say so. The focal loss asks for answers nearer to one "
            "half than the truth.",
            up / (down + up): "That is the share without the finding.",
            down: "That is the slope where the finding is absent; divide it by the sum of the two.",
        },
        right="The answer was nearer to one half than the truth.",
    )


EXERCISES = {"empty": _empty, "focal": _focal, "interval": _interval, "pairs": _pairs}
"""The exercises by name."""
