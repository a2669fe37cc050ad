"""Exercises of chapter 13, knowledge distillation."""

from xraylab.check.answers import number


def _loss(answer):
    return number(
        answer,
        0.3928,
        tolerance=5e-4,
        mistakes={
            0.2946: "Divide by the answers that the teacher gave, three, not by four.",
            0.4043: "Unknown is not 0: leave it out of the mean that makes the weight.",
            0.4679: "Unknown is not 0: it belongs neither into the weight nor into the sum.",
            0.6931: "That is what a logit of 0 costs; now weigh the labels.",
            0.5667: "That is the mean weight; each answer also costs ln 2.",
            0.4505: "The mean runs over known answers: the first label has two of them.",
        },
        right="Two answers with weight 0.4, one with 0.9, each ln 2.",
    )


def _limit(answer):
    return number(
        answer,
        1.0,
        tolerance=1e-3,
        mistakes={
            4.0: "The sigmoid's slope at 0 is 1/4.",
            -1.0: "The student says too much, so the loss grows with its logit.",
            0.0: "The difference of the sigmoids vanishes, but the temperature multiplies it.",
        },
        right="A quarter of the difference of the logits: least squares on logits.",
    )


EXERCISES = {"limit": _limit, "loss": _loss}
"""The exercises by name."""
