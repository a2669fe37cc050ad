"""Exercises of chapter 3, on the way from file to batch."""

from xraylab.check.answers import number


def _window(answer):
    return number(
        answer,
        15.75,
        tolerance=1e-3,
        mistakes={
            16.0: "The middle of 64 pixels lies at 31.5, between columns 31 and 32.",
            -31.5: "A window below 1 enlarges: multiply by 0.5, do not divide.",
            15.5: "The middle of 64 pixels lies at 31.5, and 0.5 · 31.5 is 15.75.",
            31.5: "That is the middle, which stays where it is.",
            0.0: "Only the middle stays where it is.",
            47.25: "That is column 63, at the other end.",
        },
        right="Column 63 comes from 47.25: the middle half of the image fills the new one.",
    )


def _cutmix(answer):
    return number(
        answer,
        0.875,
        tolerance=1e-3,
        mistakes={
            0.125: "That is the partner's share; the nodule is on the image itself.",
            0.5: "The box is half as high as the image, but a quarter as wide.",
            0.75: "The box is a quarter as wide as the image, and half as high.",
            1.0: "The label counts pixels, wherever the nodule lies.",
            0.0: "The label counts pixels, wherever the nodule lies.",
        },
        right="Seven eighths of a nodule, and in truth one or none.",
    )


EXERCISES = {"window": _window, "cutmix": _cutmix}
"""The exercises by name."""
