"""Exercises of chapter 2, ChestPhantom."""

import numpy as np

from xraylab import phantom
from xraylab.check.grading import Exercise
from xraylab.findings import index
from xraylab.phantom.exposure import WATER_ATTENUATION

_THIN, _THICK = np.exp(-WATER_ATTENUATION * 12), np.exp(-WATER_ATTENUATION * 22)

two_rays = Exercise(
    _THIN / _THICK, "Only the difference of 10 cm matters, whatever both have in common.", 5e-3
)
two_rays.mistake(_THICK / _THIN, "That is the inverse: thick over thin.")
two_rays.mistake(22 / 12, "The thickness is in the exponent; the intensity is not 1/thickness.")
two_rays.mistake(_THIN - _THICK, "That is the difference of the two intensities; divide instead.")
two_rays.mistake(1 / _THIN, "That compares the first ray with the beam in air.")
two_rays.mistake(WATER_ATTENUATION * 10, "That is the exponent; raise e to it.")
two_rays.mistake(10 ** (WATER_ATTENUATION * 10), "The base is e, not ten.")


def noisy_reader() -> Exercise:
    """Build the exercise on the pneumonia labels of a noisy reader."""
    vectors, counts = phantom.label_counts()
    pneumonia = vectors[:, index("pneumonia")]
    prevalence, *_ = pneumonia @ counts / counts.sum(axis=0)
    overall = (pneumonia @ counts.sum(axis=1)) / counts.sum()

    def labelled(p, sensitivity=0.80, specificity=0.98):
        return p * sensitivity + (1 - p) * (1 - specificity)

    true = prevalence * 0.80
    fraction = labelled(prevalence)
    exercise = Exercise(
        fraction,
        f"Only {prevalence:.1%} have pneumonia, so {true / fraction:.0%} of these labels are "
        "right.",
        tolerance=2e-5,
    )
    exercise.mistake(prevalence, "That is the fraction that has pneumonia, not that is labelled.")
    exercise.mistake(true, "Images without pneumonia are sometimes labelled, too.")
    exercise.mistake(true + 0.02, "Nearly: only images without pneumonia can be false positives.")
    exercise.mistake(
        true / fraction, "That is the precision of the labels, not how many there are."
    )
    exercise.mistake(labelled(prevalence, 0.98, 0.80), "Sensitivity and specificity are swapped.")
    exercise.mistake(true + (1 - prevalence) * 0.98, "The false-positive rate is 1 - specificity.")
    exercise.mistake(labelled(overall), "Use the training images only.")
    return exercise


def cardiothoracic() -> Exercise:
    """Build the exercise on the cardiothoracic ratio of one simulated patient."""
    findings = index("cardiomegaly"), index("emphysema")
    simulated = phantom.simulate(
        [14, 14],
        128,
        labels=np.eye(14, dtype=np.uint8)[list(findings)],
        masks=True,
        projection="PA",
        severity=(0.7, 0.7),
    )
    masks = np.asarray(simulated.masks)
    heart, lungs = (masks[row, finding] for row, finding in enumerate(findings))
    heart_columns, lung_columns = (np.flatnonzero(mask.any(axis=0)) for mask in (heart, lungs))
    heart_width, chest_width = (np.ptp(columns) + 1 for columns in (heart_columns, lung_columns))
    heart_height, lung_height = (mask.any(axis=1).sum() for mask in (heart, lungs))
    ratio = heart_width / chest_width
    exercise = Exercise(
        ratio,
        f"{heart_width} of {chest_width} columns: on a PA image, more than one half is an "
        "enlarged heart.",
    )
    exercise.mistake(
        heart_width / len(lung_columns),
        "That counts columns with lung; the mediastinum is part of the chest's width.",
    )
    exercise.mistake(
        (heart_width - 1) / (chest_width - 1),
        "Nearly: count both the first and the last column.",
    )
    exercise.mistake(
        heart_height / lung_height, "That is the ratio of the heights; use the columns."
    )
    exercise.mistake(
        heart.sum() / lungs.sum(), "That is the ratio of the areas, not of the widths."
    )
    exercise.mistake(lungs.any(axis=0).mean(), "Divide by the chest's width, not by the image's.")
    exercise.mistake(1 / ratio, "That is the inverse: divide the heart's width by the chest's.")
    exercise.mistake(heart_width, "That is the heart's width in pixels; divide by the chest's.")
    return exercise
