"""Exercises of chapter 12, the MXA block in EfficientViT."""

from xraylab.check.answers import number


def _parameters(answer):
    return number(
        answer,
        170_982,
        tolerance=0.5,
        mistakes={
            170_982 - 4: "The 1x1 convolution of the box head has a bias for each number.",
            170_982 + 96: "The 3x3 convolution of the box head has no bias.",
            170_982 + 192 + 12: "The perceptron of the channel gate has no biases.",
            170_982 - 98: "The spatial gate has a 7x7 convolution over two maps.",
            170_982 - 49: "The spatial gate looks at two maps, the largest channel and the mean.",
        },
        right="Nearly all of it is the first convolution of the box head.",
    )


def _cells(answer):
    return number(
        answer,
        3,
        tolerance=1e-6,
        mistakes={
            196: "The box is narrow, but not empty: one column of cells is left.",
            4: "The cell at the lower right corner does not count any more: y2 is cut off too.",
            8: "Coordinates are cut down, not rounded, and the last cell is left out.",
            0.0154: "That is the share of the map's area the box covers before it is cut to cells.",
        },
        right="One column of three cells, which is then enlarged to 196.",
    )


EXERCISES = {"cells": _cells, "parameters": _parameters}
"""The exercises by name."""
