"""Exercises of chapter 19, robustness and shortcuts."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise

shot = Exercise(400, "Halving the noise takes four times the dose.", tolerance=0.5)
shot.mistake(20, "The variance is 1 / c, so the standard deviation is 1 / sqrt(c).")
shot.mistake(0.0025, "That is the variance; c is its inverse.")
shot.mistake(200, "The variance at x = 1 is 1 / c, not 1 / (2 c).")

_DRAWN = np.linspace(0, 0.99, 12).reshape(3, 4)
_IMAGES = np.linspace(0.2, 0.8, 12).reshape(3, 4)

impulse = CodeExercise(
    lambda images, drawn, amount: np.where(
        drawn < amount / 2, 0.0, np.where(drawn < amount, 1.0, images)
    ),
    [(_IMAGES, _DRAWN, 0.5), (_IMAGES, _DRAWN, 0.2), (_IMAGES[0], _DRAWN[0], 0.0)],
    "Half of the changed pixels are black and half are white.",
)
impulse.mistake(
    lambda images, drawn, amount: np.where(
        drawn < amount / 2, 1.0, np.where(drawn < amount, 0.0, images)
    ),
    "Black and white are swapped.",
)
impulse.mistake(
    lambda images, drawn, amount: np.where(
        drawn < amount, 0.0, np.where(drawn < 2 * amount, 1.0, images)
    ),
    "`amount` is the fraction of all changed pixels, black and white together.",
)
impulse.mistake(
    lambda images, drawn, amount: np.where(drawn < amount, 0.0, images), "No pixel is white."
)

noise = Exercise((0.70 - 0.125) / 0.75, "Noise in the test labels hides part of the skill.")
noise.mistake(0.75 * 0.70 + 0.125, "That adds noise once more; solve the formula for A.")
noise.mistake(0.70 / 0.75, "A false positive still ranks above a negative half of the time.")
noise.mistake(0.70 + 0.25, "The two are not simply added.")
