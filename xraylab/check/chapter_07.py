"""Exercises of chapter 7, EfficientNet-B0."""

import numpy as np
from scipy.special import expit

from xraylab.check.grading import CodeExercise, Exercise

separable = Exercise(1 / 672 + 1 / 25, "In multiply-adds, 24 times cheaper.", tolerance=6e-6)
separable.mistake(0.04, "That is the pointwise convolution alone; the depthwise one adds 1/672.")
separable.mistake(1 / 672, "That is the depthwise convolution alone; the pointwise one adds 1/25.")
separable.mistake(1 / 672 + 1 / 9, "The kernel is 5×5, not 3×3.")
separable.mistake(1 / 672 + 1 / 5, "The kernel has 25 weights, not 5.")

scaling = Exercise(1.2 * 1.1**2 * 1.15**2, "Each step nearly doubles the cost.")
scaling.mistake(1.2 * 1.1 * 1.15, "The cost grows with the squares of width and resolution.")
scaling.mistake(1.2 * 1.1**2 * 1.15, "The cost grows with the square of the resolution, too.")
scaling.mistake(1.2 * 1.1 * 1.15**2, "The cost grows with the square of the width, too.")
scaling.mistake(2, "That is what the authors aimed at; multiply the factors.")


def _swish(z):
    return z * expit(z)


def _gate(x, w1, b1, w2, b2, axis=(1, 2), inner=_swish, outer=expit):
    """Return x times the gates that are computed from its means over the axes."""
    gates = outer(inner(x.mean(axis=axis, keepdims=True) @ w1 + b1) @ w2 + b2)
    return x * gates


def _cases():
    """Return features of several images and the weights of two layers, for two widths."""
    rng = np.random.default_rng(7)
    return [
        (
            rng.normal(size=(3, 4, 5, c)),
            rng.normal(size=(c, s)),
            rng.normal(size=s),
            rng.normal(size=(s, c)),
            rng.normal(size=c),
        )
        for c, s in ((6, 2), (4, 3))
    ]


squeeze_excite = CodeExercise(_gate, _cases(), "One gate for each image and channel.")
for _options, _hint in (
    ({"axis": (0, 1, 2)}, "Each image has its own gates: do not average over the images."),
    ({"axis": ()}, "Squeeze first: average over rows and columns."),
    ({"inner": lambda z: z}, "Apply swish between the two layers."),
    ({"inner": lambda z: np.maximum(z, 0)}, "The hidden layer has swish, z · σ(z), not ReLU."),
    ({"inner": expit}, "The hidden layer has swish, z · σ(z), not the sigmoid alone."),
    ({"outer": lambda z: z}, "Apply the sigmoid, so that the gates lie in (0, 1)."),
):
    squeeze_excite.mistake(lambda *case, options=_options: _gate(*case, **options), _hint)
squeeze_excite.mistake(
    lambda *case: (_gate(*case) / case[0])[:, 0, 0],
    "Those are the gates: multiply the features by them.",
)
