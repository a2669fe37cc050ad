"""Exercises of chapter 2, ChestPhantom."""

import numpy as np

from xraylab import phantom
from xraylab.check.answers import number
from xraylab.findings import index
from xraylab.phantom.exposure import WATER


def _two_rays(answer):
    thin, thick = np.exp(-WATER * 12), np.exp(-WATER * 22)
    return number(
        answer,
        thin / thick,
        tolerance=5e-3,
        mistakes={
            thick / thin: "That is the other way round: how much is left behind the thicker part.",
            22 / 12: "The thickness stands in the exponent; intensities are not inverse to it.",
            thin - thick: "That is the difference of the two beams; divide instead.",
            1 / thin: "That compares the first ray with the beam in air, not with its neighbour.",
            WATER * 10: "That is the exponent; raise e to it.",
            10 ** (WATER * 10): "The base is e, not ten.",
        },
        right="Only the difference of 10 cm counts, whatever the two have in common.",
    )


def _noisy_reader(answer):
    vectors, counts = phantom.label_counts()
    column = vectors[:, index("pneumonia")]
    images = counts.sum(axis=0)
    prevalence, *_ = column @ counts / images
    everywhere = (column @ counts.sum(axis=1)) / images.sum()

    def labelled(p, sensitivity=0.80, specificity=0.98):
        return p * sensitivity + (1 - p) * (1 - specificity)

    share = labelled(prevalence)
    return number(
        answer,
        share,
        tolerance=2e-5,
        mistakes={
            prevalence: "That is the share of images that have pneumonia, not of those labelled.",
            prevalence * 0.80: "That leaves out the images without pneumonia that are labelled all "
            "the same.",
            prevalence * 0.80
            + 0.02: "Near: only images without pneumonia can be labelled wrongly.",
            prevalence * 0.80 / share: "That is the share of the labels that are right; the share "
            "of images that get one was asked for.",
            labelled(prevalence, 0.98, 0.80): "Sensitivity and specificity are swapped.",
            prevalence * 0.80 + (1 - prevalence) * 0.98: "The specificity is the share that is "
            "left out; the wrong labels are one less it.",
            labelled(everywhere): "That is over all three splits; take the training images only.",
            100 * share: "Give it as a share, between 0 and 1.",
        },
        right=f"Only {prevalence:.1%} have pneumonia, so of these labels "
        f"{prevalence * 0.80 / share:.0%} are right.",
    )


def _cardiothoracic(answer):
    names = ("cardiomegaly", "emphysema")
    labels = np.zeros((2, 14), np.uint8)
    for row, name in enumerate(names):
        labels[row, index(name)] = 1
    made = phantom.simulate(
        *([14, 14], 128), labels=labels, masks=True, projection="PA", severity=(0.7, 0.7)
    )
    heart, lungs = (made.masks[row, index(name)] for row, name in enumerate(names))
    across = [np.flatnonzero(mask.any(axis=0)) for mask in (heart, lungs)]
    down = [np.flatnonzero(mask.any(axis=1)) for mask in (heart, lungs)]
    heart_width, chest_width = (columns[-1] - columns[0] + 1 for columns in across)
    ratio = heart_width / chest_width
    return number(
        answer,
        ratio,
        tolerance=1e-3,
        mistakes={
            heart_width / len(across[1]): "That counts the columns that hold lung; the mediastinum "
            "between the lungs belongs to the chest, too.",
            (heart_width - 1) / (chest_width - 1): "Near: from the first to the last column, both "
            "of them count.",
            len(down[0]) / len(down[1]): "That is the ratio of the heights; take the columns.",
            heart.sum() / lungs.sum(): "That is the ratio of the areas; widths were asked for.",
            lungs.any(
                axis=0
            ).mean(): "That is the share of the image; divide by the chest's width.",
            1 / ratio: "That is the other way round: the heart goes on top.",
            heart_width: "That is the heart's width in pixels; divide by that of the chest.",
        },
        right=f"{heart_width} of {chest_width} columns: on a PA image, more than one half is "
        "an enlarged heart.",
    )


EXERCISES = {
    "cardiothoracic": _cardiothoracic,
    "noisy_reader": _noisy_reader,
    "two_rays": _two_rays,
}
"""The exercises by name."""
