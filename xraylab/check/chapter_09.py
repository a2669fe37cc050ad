"""Exercises of chapter 9, DBCT."""

from xraylab.check.answers import number


def _width(answer):
    return number(
        answer,
        256,
        tolerance=0.5,
        mistakes={
            128: "192 · 128 = 24,576: too little for the 0.03 M that the count grows by at least.",
            512: "192 · 512 = 98,304: more than the 0.05 M that the count grows by at most.",
            192: "192 · 192 = 36,864 would do, but 192 is no power of two.",
        },
        right="192 · 256 = 49,152. The next powers of two on both sides do not fit.",
    )


def _one_more_norm(answer):
    return number(
        answer,
        2_455_246,
        tolerance=0.5,
        mistakes={
            2_454_734 + 256: "A layer normalisation has a scale and a shift for each number.",
            2_454_734: "That is the count without it.",
            2_405_582 + 512: "That is the count at 64 pixels.",
            2.46: "Give the whole number, to the last parameter.",
        },
        right="Printed with two decimals that is 2.46, where the slides print 2.45.",
    )


def _constant(answer):
    return number(
        answer,
        0.226589,
        tolerance=1e-3,
        mistakes={
            0.1: "That is the prevalence, where the cross-entropy has its minimum.",
            0.305787: "That is the minimum for α = 1/2: put α = 1/4 in front of the present ones.",
            0.398824: "α and 1 - α have changed places.",
            0.035714: "That leaves γ out: it is the minimum for γ = 0.",
        },
        right="More than twice the prevalence: such answers are no probabilities.",
    )


EXERCISES = {"constant": _constant, "one_more_norm": _one_more_norm, "width": _width}
"""The exercises by name."""
