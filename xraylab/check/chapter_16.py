"""Exercises of chapter 16, Saliency maps and localisation."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise


def _grad_cam(features, gradient):
    """Compute Grad-CAM of one image."""
    return np.maximum((features * gradient.mean(axis=(0, 1))).sum(axis=-1), 0)


def _cases():
    """Draw features and gradients of maps of several sizes."""
    rng = np.random.default_rng(16)
    for shape in ((4, 4, 3), (2, 3, 5)):
        yield np.abs(rng.normal(size=shape)), rng.normal(size=shape)


grad_cam = CodeExercise(
    _grad_cam, [*_cases()], "One weight per channel, the same at every position."
)
grad_cam.mistake(
    lambda features, gradient: np.maximum((features * gradient).sum(axis=-1), 0),
    "Average the gradient over the positions first: one weight per channel.",
)
grad_cam.mistake(
    lambda features, gradient: (features * gradient.mean(axis=(0, 1))).sum(axis=-1),
    "Negative sums are evidence against the label: set them to zero.",
)
grad_cam.mistake(
    lambda features, gradient: np.maximum(features * gradient.mean(axis=(0, 1)), 0).sum(axis=-1),
    "Sum over the channels first, then set negative sums to zero.",
)
grad_cam.mistake(
    lambda features, gradient: np.maximum(
        (features * np.maximum(gradient, 0).mean(axis=(0, 1))).sum(axis=-1), 0
    ),
    "Negative derivatives count, too; only the sums are set to zero.",
)
grad_cam.mistake(
    lambda features, gradient: np.maximum((features * gradient.sum(axis=(0, 1))).sum(axis=-1), 0),
    "The weight of a channel is the mean derivative, not the sum.",
)

energy = Exercise(16 / 28, "More than half of the energy, on a quarter of the image.")
energy.mistake(13 / 28, "The three other cells of the mask count, too.")
energy.mistake(4 / 16, "That is the energy of a uniform map.")
energy.mistake(16 / 29, "There are 15 cells of 1 and one of 13.")
energy.mistake(13 / 15, "Divide by the sum of the whole map, the cell of 13 included.")
energy.mistake(1.0, "That is the pointing game: the maximum is in the mask.")

rollout = Exercise(0.55, "After two blocks, more than half of [CLS] comes from the other token.")
rollout.mistake(0.45, "That is the fraction of [CLS] that comes from itself.")
rollout.mistake(0.9, "That leaves out the residual: half of each token passes unchanged.")
rollout.mistake(0.425, "The order is reversed: [CLS]'s row of the second block times the first.")
rollout.mistake(0.4, "That is the second block alone.")
rollout.mistake(0.25, "That is the first block alone.")
