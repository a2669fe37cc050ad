"""Exercises of chapter 6, DenseNet121."""

from xraylab.check.answers import number


def _channels(answer):
    return number(
        answer,
        992,
        tolerance=0.5,
        mistakes={
            1024: "That is what there is after the last layer; it reads what was there before.",
            736: "The 256 channels at the start are read too.",
            768: "The 256 channels at the start are read too; and only 23 layers come before it.",
        },
        right="31 times as many as it writes.",
    )


def _copies(answer):
    return number(
        answer,
        15.375,
        tolerance=1e-6,
        mistakes={
            15_744: "That is the number of channels of all maps; divide by the different ones.",
            1024: "That is the number of different channels; it is the divisor.",
            24: "The maps grow: the first has 288 channels, not 1,024.",
            14.625: "Map number l has 256 + 32 l channels, beginning with l = 1.",
        },
        right="Fifteen times as much as needed.",
    )


EXERCISES = {"channels": _channels, "copies": _copies}
"""The exercises by name."""
