"""Exercises of chapter 5, ResNet50."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise

idle = Exercise(26_560, "One parameter in 900 has no effect.")
idle.mistake(26_496, "The first convolution has 64 biases, too.")
idle.mistake(22_720, "The four projection shortcuts have biases, too, 4f each.")
idle.mistake(22_656, "The first convolution and the four projection shortcuts have biases, too.")
idle.mistake(53_120, "Only the biases are redundant; γ and β of the normalization are used.")

positions = Exercise(12.25, "49 positions against 4.")
positions.mistake(3.5, "That is the ratio of the sides; count rows times columns.")
positions.mistake(49, "That is the number of positions at 224 pixels; divide by that at 64.")
positions.mistake(4, "That is the number of positions at 64 pixels.")


def _normalize(x, gamma, beta, epsilon=1e-3, axes=(0, 1, 2)):
    """Standardize over the axes, then scale and shift each channel."""
    centred = x - x.mean(axis=axes, keepdims=True)
    return gamma * centred / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon) + beta


def _cases():
    """Return a batch with channels of different mean and spread, with two values of epsilon."""
    rng = np.random.default_rng(5)
    x = rng.normal([1.0, -2.0, 0.5], [2.0, 0.1, 1.0], size=(4, 5, 6, 3))
    gamma, beta = rng.normal(size=(2, 3))
    return [(x, gamma, beta), (x[:2], beta, gamma, 0.1)]


batch_norm = CodeExercise(_normalize, _cases(), "One mean and one variance for each channel.")
for _axes, _hint in (
    (0, "Average over the positions, too: axes 0, 1 and 2."),
    ((1, 2), "That is instance normalization: average over the images, too."),
    ((1, 2, 3), "That is layer normalization of the map: keep the channels, average the images."),
    (-1, "That is layer normalization of each position: average over axes 0, 1 and 2."),
    (None, "One mean for everything: keep the channels apart."),
):
    batch_norm.mistake(lambda *case, axes=_axes: _normalize(*case, axes=axes), _hint)
batch_norm.mistake(
    lambda x, gamma, beta, epsilon=1e-3: (
        gamma * (x - x.mean((0, 1, 2))) / (x.var((0, 1, 2)) + epsilon) + beta
    ),
    "Divide by the standard deviation, not by the variance.",
)
batch_norm.mistake(
    lambda x, gamma, beta, epsilon=1e-3: (
        gamma * (x - x.mean((0, 1, 2))) / (x.std((0, 1, 2)) + epsilon) + beta
    ),
    "Add epsilon to the variance, before the square root.",
)
batch_norm.mistake(
    lambda x, gamma, beta, epsilon=1e-3: _normalize(x, 1.0, 0.0, epsilon),
    "Then multiply by gamma and add beta.",
)
