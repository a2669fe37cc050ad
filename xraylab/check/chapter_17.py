"""Exercises of chapter 17, calibration, thresholds and failures."""

import numpy as np

from xraylab.check.answers import number


def _reliability(answer):
    return number(
        answer,
        0.042,
        tolerance=1e-4,
        mistakes={
            0.18: "That is the calibration error: the gaps themselves. Here they are squared.",
            0.142: "That is the whole Brier score; ask for its part that comes from the gaps.",
            0.06: "That is the resolution: how far the groups' shares lie from the share of all.",
            0.16: "That is the uncertainty, the base rate times one less the base rate.",
            0.05: "Weigh each group by its images: four in the one, six in the other.",
        },
        right="0.042, of a Brier score of 0.142. The rest is 0.160 of uncertainty less 0.060 of "
        "resolution, and calibration cannot change that.",
    )


def _precision(answer):
    return number(
        answer,
        9 / 12,
        tolerance=1e-3,
        mistakes={
            0.9: "That is the sensitivity, the share of those who have it. Divide by the calls.",
            8 / 11: "Eight of ten is a sensitivity of 0.8; one more must be called.",
            10 / 17: "That calls all ten. Nine are enough.",
            9 / 14: "The threshold lies above what it need not call: not at the next one who has "
            "it, but at the ninth.",
            3 / 8: "That is the share of those without it who are called.",
        },
        right="Nine right of twelve calls. Here more than half the images have it; where one in a "
        "hundred has, the same sensitivity and specificity give a precision of two in a hundred.",
    )


def _odds(share):
    return np.log(share / (1 - share))


def _offset(answer):
    return number(
        answer,
        _odds(0.02) - _odds(0.10),
        tolerance=1e-3,
        mistakes={
            _odds(0.10) - _odds(0.02): "The other way round: the finding became rarer, so the "
            "offset is negative.",
            np.log(0.02 / 0.10): "That is the ratio of the prevalences; take the odds.",
            0.02 / 0.98 / (0.10 / 0.90): "That is the ratio of the odds; take its logarithm.",
            np.log10(0.02 / 0.98 / (0.10 / 0.90)): "Take the natural logarithm.",
        },
        right="Log-odds of 0.02 less log-odds of 0.10. The slope stays 1.",
    )


def _worst(answer):
    return number(
        answer,
        0.82 - 1.16296 * 0.02,
        tolerance=1e-3,
        mistakes={
            0.82: "That is what a group scores on average. The lowest of five lies below it.",
            0.80: "One standard error below is what one group in six undercuts; you have five.",
            0.82 - 1.95996 * 0.02: "That is the lower bound of one group's 95 % interval.",
            0.82 + 1.16296 * 0.02: "That is the best of the five.",
        },
        right="1.16 standard errors below, although all five are alike.",
    )


EXERCISES = {
    "offset": _offset,
    "precision": _precision,
    "reliability": _reliability,
    "worst": _worst,
}
"""The exercises by name."""
