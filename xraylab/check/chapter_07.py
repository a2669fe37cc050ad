"""Exercises of chapter 7, EfficientNet-B0."""

from xraylab.check.answers import number


def _separable(answer):
    return number(
        answer,
        1 / 672 + 1 / 25,
        tolerance=6e-6,
        mistakes={
            0.04: "That is the pointwise convolution alone; the depthwise one adds 1/672.",
            1 / 672: "That is the depthwise convolution alone; the pointwise one adds 1/25.",
            1 / 672 + 1 / 9: "The kernel is 5×5, not 3×3.",
            1 / 672 + 1 / 5: "The kernel has 25 places, not 5.",
        },
        right="Twenty-four times cheaper, on paper.",
    )


def _scaling(answer):
    return number(
        answer,
        1.2 * 1.1**2 * 1.15**2,
        tolerance=6e-4,
        mistakes={
            1.2 * 1.1 * 1.15: "Width and resolution count with their squares.",
            1.2 * 1.1**2 * 1.15: "The resolution counts with its square too.",
            1.2 * 1.1 * 1.15**2: "The width counts with its square too.",
            2: "That is what the authors aimed at; multiply it out.",
        },
        right="Nearly a doubling a step.",
    )


EXERCISES = {"scaling": _scaling, "separable": _separable}
"""The exercises by name."""
