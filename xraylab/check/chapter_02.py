"""Exercises of chapter 2, Simulating chest radiographs."""

import numpy as np

from xraylab import phantom
from xraylab.check.grading import CodeExercise, Exercise
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


_SENSITIVITY, _RIGHT = 0.80, 0.90
_VECTORS, _COUNTS = phantom.label_counts()
_PNEUMONIA = _VECTORS[:, index("pneumonia")] @ _COUNTS  # images in each split
_RARE, _OVERALL = (_PNEUMONIA / _COUNTS.sum(axis=0))[0], _PNEUMONIA.sum() / _COUNTS.sum()


def _specificity(prevalence, sensitivity=_SENSITIVITY, right=_RIGHT):
    """Compute the specificity at which a fraction ``right`` of the positive labels is right."""
    return 1 - prevalence * sensitivity * (1 / right - 1) / (1 - prevalence)


specificity = Exercise(
    _specificity(_RARE),
    f"At most 1 of {1 / (1 - _specificity(_RARE)):,.0f} negative images may be labelled.",
    tolerance=1e-5,
)
specificity.mistake(1 - _specificity(_RARE), "That is the false-positive rate; subtract it from 1.")
specificity.mistake(_specificity(_RARE, 1.0), "The report finds only 80 % of the cases.")
specificity.mistake(_specificity(_RARE, right=0.1), "90 % of the labels are to be right, not 10 %.")
specificity.mistake(_specificity(_OVERALL), "Use the training images only.")
specificity.mistake(0.98, "At that specificity fewer than half of the labels are right.")
specificity.mistake(
    1 - _RARE * _SENSITIVITY / 9, "Only images without pneumonia, 1 - p, can be false positives."
)


def _width(mask):
    columns = np.flatnonzero(mask.any(axis=0))
    return columns[-1] - columns[0] + 1


def _ratio(heart, lungs):
    """Compute the cardiothoracic ratio of two masks."""
    return _width(heart) / _width(lungs)


def _ellipse(x, y, half_width, half_height):
    """Return the mask of an ellipse in an image of 64×64 pixels."""
    row, column = np.mgrid[:64, :64]
    return ((column - x) / half_width) ** 2 + ((row - y) / half_height) ** 2 < 1


_LUNGS = _ellipse(18, 30, 13, 24) | _ellipse(46, 31, 12, 23)
_HEARTS = _ellipse(35, 42, 14, 10), _ellipse(34.5, 42, 10, 12)

cardiothoracic = CodeExercise(
    _ratio,
    [(heart, _LUNGS) for heart in _HEARTS],
    "On a PA image, more than one half is usually called an enlarged heart.",
)
cardiothoracic.mistake(
    lambda heart, lungs: _width(heart) / lungs.any(axis=0).sum(),
    "The mediastinum is part of the chest's width: take the first and the last column.",
)
cardiothoracic.mistake(
    lambda heart, lungs: (_width(heart) - 1) / (_width(lungs) - 1),
    "Count the first and the last column, too.",
)
cardiothoracic.mistake(
    lambda heart, lungs: _ratio(heart.T, lungs.T), "That is the ratio of the heights; use columns."
)
cardiothoracic.mistake(
    lambda heart, lungs: heart.sum() / lungs.sum(), "That is the ratio of areas, not of widths."
)
cardiothoracic.mistake(
    lambda heart, lungs: _width(heart) / heart.shape[1],
    "Divide by the width of the chest, not by that of the image.",
)
cardiothoracic.mistake(
    lambda heart, lungs: _ratio(lungs, heart),
    "The inverse: divide the width of the heart by that of the chest.",
)
