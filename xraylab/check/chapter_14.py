"""Exercises of chapter 14, LT-ViT."""

from xraylab.check.answers import number


def _label_cost(answer):
    return number(
        answer,
        385,
        tolerance=0.5,
        mistakes={
            192: "That is the token alone; its answer needs weights too.",
            193: "That is the weights and the bias, or the token and a bias; both are needed.",
            384: "Nearly: each label's answer has a bias as well.",
            385 * 4: "The token is learned once; the four blocks only carry it along.",
            385 * 14: "That is all fourteen labels; one more was asked for.",
        },
        right="A token of 192, a weight vector of 192 and a bias.",
    )


def _forbidden(answer):
    return number(
        answer,
        196 * 14,
        tolerance=0.5,
        mistakes={
            2 * 196 * 14: "Labels may read from the image: only one of the two corners is shut.",
            196 * 14 + 14 * 14: "Labels may read from labels.",
            210 * 14: "Labels may read from labels.",
            196 * 196: "Those are the pairs within the image, which are allowed.",
            196: "That is for one label.",
        },
        right="Every one of the 196 patches is kept from every one of the 14 labels.",
    )


def _gain(answer):
    return number(
        answer,
        10 / 3,
        tolerance=5e-3,
        mistakes={
            3.0: "The labels took a tenth: of what fell on the image, the share is larger.",
            2.7: "Divide by what fell on the image, do not multiply by it.",
            0.3: "Turn the fraction over: attention's share by area's share.",
            1 / 6: "That is the share of the attention on the image; compare it with the area.",
        },
        right="0.15 / 0.9 is a sixth of the attention on the image, on a twentieth of its area.",
    )


EXERCISES = {"forbidden": _forbidden, "gain": _gain, "label_cost": _label_cost}
"""The exercises by name."""
