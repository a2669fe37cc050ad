"""Exercises of chapter 5, ResNet50."""

from xraylab.check.answers import number


def _idle(answer):
    return number(
        answer,
        26_560,
        tolerance=0.5,
        mistakes={
            26_496: "The first convolution has 64 biases too.",
            22_720: "The four projecting shortcuts have biases too, 4f each.",
            22_656: "The first convolution and the four projecting shortcuts have biases too.",
            53_120: "Only the biases are idle; γ and β of the normalisation are used.",
        },
        right="One parameter in nine hundred is there for nothing.",
    )


def _places(answer):
    return number(
        answer,
        12.25,
        tolerance=1e-6,
        mistakes={
            3.5: "That is the ratio of the sides; places are rows times columns.",
            49: "That is the number of places at 224 pixels; divide by that at 64.",
            4: "That is the number of places at 64 pixels.",
        },
        right="49 places against 4.",
    )


EXERCISES = {"idle": _idle, "places": _places}
"""The exercises by name."""
