"""Exercises of chapter 20, coursework with plain Keras."""

import numpy as np

from xraylab.check import chapter_04
from xraylab.check.grading import CodeExercise, Exercise

masked = chapter_04.known  # now on labels of one's own

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
