"""Exercises of chapter 20, coursework with plain Keras."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise

_LABELS = np.array([[1.0, 0.0, np.nan], [np.nan, 1.0, 0.0]])
_LOGITS = np.array([[2.0, -1.0, 0.5], [3.0, -0.5, 1.5]])


def _crossentropy(y, z):
    return np.logaddexp(0, z) - y * z


masked = CodeExercise(
    lambda labels, logits: np.nanmean(_crossentropy(labels, logits)),
    [(_LABELS, _LOGITS), (_LABELS[:1], _LOGITS[1:]), (np.zeros((2, 3)), 60 * _LOGITS)],
    "Unknown labels have no part in it, and nothing overflows.",
)
masked.mistake(
    lambda labels, logits: np.mean(_crossentropy(np.nan_to_num(labels), logits)),
    "An unknown label is not a negative one; leave it out.",
)
masked.mistake(
    lambda labels, logits: np.mean(np.nan_to_num(_crossentropy(labels, logits))),
    "Divide by the number of known labels, not by that of all.",
)
masked.mistake(
    lambda labels, logits: np.mean(_crossentropy(labels, logits)),
    "One NaN makes the mean NaN; leave unknown labels out.",
)
masked.mistake(
    lambda labels, logits: np.nansum(_crossentropy(labels, logits)),
    "That is the sum, not the mean.",
)

_PATIENTS = np.array(["P3", "P1", "P3", "P7", "P2"])

split = CodeExercise(
    lambda patients, test_patients: np.isin(patients, list(test_patients)),
    [(_PATIENTS, {"P3", "P2"}), (_PATIENTS, {"P9"}), (_PATIENTS[:1], {"P3"})],
    "All images of a patient are on one side.",
)
split.mistake(
    lambda patients, test_patients: ~np.isin(patients, list(test_patients)),
    "That is true for the training images.",
)
split.mistake(
    lambda patients, test_patients: np.isin(patients, test_patients),
    "`np.isin` takes a set as one object; make a list of it.",
)

images = Exercise(2, "With twelve positives, one image changes the sensitivity by 0.083.")
images.mistake(1, "10 of 12 is 0.83, still below 0.9.")
images.mistake(11, "That is how many it must find in all; it has found 9 already.")
images.mistake(1.8, "Images are whole: round up.")
