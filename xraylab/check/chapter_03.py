"""Exercises of chapter 3, From file to batch."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise

window = Exercise(
    15.75, "Column 63 comes from 47.25: the middle half of the image fills the new one."
)
window.mistake(16.0, "The centre of 64 pixels is at 31.5, between columns 31 and 32.")
window.mistake(-31.5, "A window below 1 enlarges: multiply by 0.5, do not divide.")
window.mistake(15.5, "The centre of 64 pixels is at 31.5, and 0.5 · 31.5 is 15.75.")
window.mistake(31.5, "That is the centre, the only fixed point.")
window.mistake(0.0, "Only the centre is a fixed point.")
window.mistake(47.25, "That is the source of column 63, at the other end.")

cutmix = Exercise(0.875, "The label is seven eighths of a nodule; the image shows one or none.")
cutmix.mistake(0.125, "That is the partner's fraction; the nodule is on the image itself.")
cutmix.mistake(0.5, "The box is half as high as the image, but a quarter as wide.")
cutmix.mistake(0.75, "The box is a quarter as wide as the image, and half as high.")
cutmix.mistake(1.0, "The label counts pixels, wherever the nodule is.")
cutmix.mistake(0.0, "The label counts pixels, wherever the nodule is.")

_MAPS = np.random.default_rng(3).normal(size=(2, 2, 3, 3))
_MAPS[..., 2, :] = 0, 0, 1

combine = CodeExercise(
    np.matmul, [tuple(pair) for pair in _MAPS], "One interpolation instead of two."
)
combine.mistake(
    lambda first, second: second @ first,
    "The order is reversed. Start from a pixel of the final image: the second map takes it to the "
    "intermediate image, then the first to the original.",
)
combine.mistake(np.multiply, "`*` multiplies element by element; use `@`.")
combine.mistake(np.add, "Maps that follow each other are multiplied.")
