"""Exercises of chapter 8, MedViT."""

from xraylab.check.answers import number


def _grouped(answer):
    return number(
        answer,
        258_816,
        tolerance=0.5,
        mistakes={
            9 * 384**2 + 384**2: "That is a convolution without groups: each output reads 32 "
            "channels, not 384.",
            9 * 32 * 384: "That is the grouped convolution; its normalisation and the 1x1 "
            "projection are missing.",
            9 * 32 * 384 + 384**2: "γ and β of the normalisation are missing.",
            9 * 32 * 384
            + 384**2
            + 4 * 384: "The running mean and variance are not trained; leave them out.",
        },
        right="The projection has more parameters than the convolution that finds the neighbours.",
    )


def _keys(answer):
    return number(
        answer,
        16,
        tolerance=1e-9,
        mistakes={
            4: "That is at 64 pixels; the map has four times as many places at 128.",
            49: "That is at 224 pixels.",
            256: "That is the number of queries; each key is the mean of 16 tokens.",
            64: "With sr = 4 a key takes sr² = 16 tokens, not 4.",
        },
        right="Each key is one whole row of the map, from the left edge of the image to the right.",
    )


EXERCISES = {"grouped": _grouped, "keys": _keys}
"""The exercises by name."""
