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


def _labelled(prevalence, sensitivity=0.80, specificity=0.98):
    """Compute the fraction of images that a noisy reader labels as positive."""
    return prevalence * sensitivity + (1 - prevalence) * (1 - specificity)


_VECTORS, _COUNTS = phantom.label_counts()
_PNEUMONIA = _VECTORS[:, index("pneumonia")] @ _COUNTS  # images in each split
_RARE, _OVERALL = (_PNEUMONIA / _COUNTS.sum(axis=0))[0], _PNEUMONIA.sum() / _COUNTS.sum()
_TRUE = _RARE * 0.80
_PRECISION = _TRUE / _labelled(_RARE)

noisy_reader = Exercise(
    _labelled(_RARE),
    f"Only {_RARE:.1%} have pneumonia, so {_PRECISION:.0%} of these labels are right.",
    tolerance=2e-5,
)
noisy_reader.mistake(_RARE, "That is the fraction that has pneumonia, not that is labelled.")
noisy_reader.mistake(_TRUE, "Images without pneumonia are sometimes labelled, too.")
noisy_reader.mistake(_TRUE + 0.02, "Only images without pneumonia can be false positives.")
noisy_reader.mistake(_PRECISION, "That is the precision of the labels, not how many there are.")
noisy_reader.mistake(_labelled(_RARE, 0.98, 0.80), "Sensitivity and specificity are swapped.")
noisy_reader.mistake(_TRUE + (1 - _RARE) * 0.98, "The false-positive rate is 1 - specificity.")
noisy_reader.mistake(_labelled(_OVERALL), "Use the training images only.")

_LABELS = np.eye(14, dtype=np.uint8)[[index("cardiomegaly"), index("emphysema")]]
_PATIENT = {"labels": _LABELS, "projection": "PA", "severity": (0.7, 0.7)}
_MASKS = np.asarray(phantom.simulate([14, 14], 128, masks=True, **_PATIENT).masks)
_HEART, _LUNGS = _MASKS[0, index("cardiomegaly")], _MASKS[1, index("emphysema")]
_COLUMNS = np.flatnonzero(_LUNGS.any(axis=0))
_WIDTH, _CHEST = np.ptp(np.flatnonzero(_HEART.any(axis=0))) + 1, np.ptp(_COLUMNS) + 1
_HEIGHTS = _HEART.any(axis=1).sum() / _LUNGS.any(axis=1).sum()

cardiothoracic = Exercise(
    _WIDTH / _CHEST,
    f"{_WIDTH} of {_CHEST} columns: on a PA image, more than one half is an enlarged heart.",
)
cardiothoracic.mistake(_WIDTH / len(_COLUMNS), "The mediastinum is part of the chest's width.")
cardiothoracic.mistake((_WIDTH - 1) / (_CHEST - 1), "Count the first and the last column, too.")
cardiothoracic.mistake(_HEIGHTS, "That is the ratio of the heights; use the columns.")
cardiothoracic.mistake(_HEART.sum() / _LUNGS.sum(), "That is the ratio of areas, not of widths.")
cardiothoracic.mistake(len(_COLUMNS) / 128, "Divide by the chest's width, not by the image's.")
cardiothoracic.mistake(_CHEST / _WIDTH, "The inverse: divide the heart's width by the chest's.")
cardiothoracic.mistake(_WIDTH, "That is the heart's width in pixels; divide by the chest's.")
