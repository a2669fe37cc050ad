"""Exercises of chapter 12, the MXA block in EfficientViT."""

import numpy as np
from scipy.special import expit

from xraylab.check.grading import CodeExercise, Exercise

parameters = Exercise(170_982, "Nearly all are in the first convolution of the predictor.")
parameters.mistake(170_982 - 4, "The predictor's 1x1 convolution has four biases.")
parameters.mistake(170_982 + 96, "The predictor's 3x3 convolution has no bias.")
parameters.mistake(170_982 + 192 + 12, "The MLP of the channel gate has no biases.")
parameters.mistake(170_982 - 98, "The spatial gate has a 7x7 convolution over two maps.")
parameters.mistake(170_982 - 49, "The spatial gate reads two maps: channel maximum and mean.")

cells = Exercise(3, "One column of three positions, from which 196 are interpolated.")
cells.mistake(196, "The box is narrow, but not empty: one column of positions remains.")
cells.mistake(4, "y2 is rounded down as well, so the position at the lower right is excluded.")
cells.mistake(8, "Coordinates are rounded down, and the last position is excluded.")
cells.mistake(0.0154, "That is the fraction of the map's area before rounding.")


def _gate(x, w1, w2, pools=(np.mean, np.max), relu=True):
    hidden = np.stack([pool(x, axis=(0, 1)) for pool in pools]) @ w1
    return expit(((np.maximum(hidden, 0) if relu else hidden) @ w2).sum(axis=0))


def _cases():
    rng = np.random.default_rng(12)
    for height, width, channels, hidden in ((4, 4, 8, 2), (3, 5, 6, 3)):
        x = rng.normal(size=(height, width, channels)) + 0.5
        yield x, rng.normal(size=(channels, hidden)), rng.normal(size=(hidden, channels))


channel_gate = CodeExercise(_gate, tuple(_cases()), "One weight in (0, 1) for each channel.")
channel_gate.mistake(
    lambda x, w1, w2: _gate(x, w1, w2, pools=(np.mean,)),
    "The maximum is missing. (The authors' code leaves it out as well.)",
)
channel_gate.mistake(
    lambda x, w1, w2: _gate(x, w1, w2, pools=(np.max,)), "The mean over the map is missing."
)
channel_gate.mistake(lambda x, w1, w2: _gate(x, w1, w2, relu=False), "The ReLU is missing.")
channel_gate.mistake(
    lambda x, w1, w2: sum(_gate(x, w1, w2, pools=(pool,)) for pool in (np.mean, np.max)),
    "Add the two results before the sigmoid, or the gate can exceed 1.",
)
channel_gate.mistake(
    lambda x, w1, w2: expit(np.maximum((x.mean((0, 1)) + x.max((0, 1))) @ w1, 0) @ w2),
    "Apply the MLP to mean and maximum separately, then add its outputs.",
)
