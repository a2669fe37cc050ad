"""Exercises of chapter 1, Meet ChestMNIST."""

from xraylab.check.answers import number
from xraylab.findings import FINDINGS
from xraylab.phantom import label_counts


def _all_negative(answer):
    vectors, counts = label_counts()
    images = counts[:, 2].sum()
    positives = (vectors.T @ counts[:, 2]).sum()
    floor = 1 - positives / (images * len(FINDINGS))
    exact_match = counts[vectors.sum(axis=1) == 0, 2].sum() / images
    return number(
        answer,
        floor,
        tolerance=5e-4,
        mistakes={
            1 - floor: "That is the share of labels that are positive: the errors, not the hits.",
            100 * floor: "The number is right in per cent; give it as a share, between 0 and 1.",
            exact_match: "That is the exact match: the share of images whose whole vector is empty.",
            1 - positives / images: "Divide by images times labels, not by images alone.",
        },
        right=f"Answering “nothing” for every image of the test split is {floor:.1%} accurate.",
    )


def _edema_effusion(answer):
    vectors, counts = label_counts()
    edema, effusion = (vectors[:, FINDINGS.index(name)] == 1 for name in ("edema", "effusion"))
    both = counts[edema & effusion].sum(axis=0)
    lift = both[0] / counts[edema, 0].sum() / (counts[effusion, 0].sum() / counts[:, 0].sum())
    return number(
        answer,
        both[0] / counts[edema, 0].sum(),
        tolerance=5e-4,
        mistakes={
            both[0] / counts[effusion, 0].sum(): "That is the other way round: edema, given an "
            "effusion.",
            both[0] / counts[:, 0].sum(): "That is the share of all training images that carry "
            "both; divide by the images with edema instead.",
            both.sum() / counts[edema].sum(): "That is over all three splits; take the training "
            "images only.",
            100 * both[0] / counts[edema, 0].sum(): "Give it as a share, between 0 and 1.",
        },
        right=f"That is {lift:.1f} times its share among all images: fluid in the lung comes with "
        "fluid around it.",
    )


EXERCISES = {"all_negative": _all_negative, "edema_effusion": _edema_effusion}
"""The exercises by name."""
