"""Exercises of chapter 10, RR-ViT."""

from xraylab.check.answers import number


def _parameters(answer):
    return number(
        answer,
        384_206,
        tolerance=0.5,
        mistakes={
            292_046: "That is the count at 64 pixels: the position table has to grow.",
            384_206 + 256: "That counts a layer normalisation after the last block; there is none.",
            384_206 - 128: "The [CLS] token needs a row in the position table too.",
            0.38: "Give the whole number, to the last parameter.",
        },
        right="Only the position table grew, by 720 rows of 128.",
    )


def _bottleneck(answer):
    return number(
        answer,
        16,
        tolerance=1e-9,
        mistakes={
            8: "A patch of 8 pixels a side has 64 numbers; they fit into 128.",
            11: "12 would be the first whole number, but the patch size must divide 64.",
            12: "12 squared is above 128, but 64 does not divide into patches of 12.",
            256: "That is the number of pixels of the patch; give its side.",
        },
        right="A patch of 16 pixels a side has 256 numbers, twice what a token holds.",
    )


EXERCISES = {"bottleneck": _bottleneck, "parameters": _parameters}
"""The exercises by name."""
