"""Exercises of chapter 7, EfficientNet-B0."""

from xraylab.check.grading import Exercise

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
