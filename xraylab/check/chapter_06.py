"""Exercises of chapter 6, DenseNet121."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise

channels = Exercise(992, "31 times as many as it appends.")
channels.mistake(1024, "That is the number after the last layer; count the layer's input.")
channels.mistake(736, "The 256 channels at the start are part of the input, too.")
channels.mistake(768, "Count the 256 channels at the start, and only 23 layers before it.")

copies = Exercise(15.375, "Fifteen times as much as needed.")
copies.mistake(15_744, "That is the number of channels of all maps; divide by the distinct ones.")
copies.mistake(1024, "That is the number of distinct channels, the divisor.")
copies.mistake(24, "The maps grow: the first has 288 channels, not 1,024.")
copies.mistake(14.625, "Map number l has 256 + 32 l channels, beginning with l = 1.")


def _cases():
    """Return features and slopes of maps of two sizes, with positive and negative sums."""
    rng = np.random.default_rng(6)
    shapes = [(5, 4, 6), (2, 3, 8)]
    return [(rng.normal(size=s), rng.normal(0.1, 1.0, size=s)) for s in shapes]


def _relu(values):
    return np.maximum(values, 0)


grad_cam = CodeExercise(
    lambda features, slopes: _relu(features @ slopes.mean(axis=(0, 1))),
    _cases(),
    "The mean gradient weights the channels, and ReLU keeps the positive evidence.",
)
for _wrong, _hint in (
    (lambda f, g: f @ g.mean(axis=(0, 1)), "Set negative sums to zero."),
    (lambda f, g: _relu((f * g).sum(axis=-1)), "Average the gradients over the positions first."),
    (lambda f, g: (f * g).sum(axis=-1), "That is gradient times input: average the gradients."),
    (lambda f, g: _relu(f @ g.sum(axis=(0, 1))), "Take the mean over the positions, not the sum."),
    (lambda f, g: f @ _relu(g.mean(axis=(0, 1))), "Apply ReLU to the weighted sum, not before it."),
    (lambda f, g: _relu(f @ _relu(g).mean(axis=(0, 1))), "Negative gradients count, too."),
    (lambda f, g: _relu(f * g.mean(axis=(0, 1))).sum(axis=-1), "Sum first, then apply ReLU."),
    (lambda f, g: _relu(f * g.mean(axis=(0, 1))), "Sum over the channels."),
    (lambda f, g: _relu(g @ f.mean(axis=(0, 1))), "Average the gradients, not the features."),
):
    grad_cam.mistake(_wrong, _hint)
