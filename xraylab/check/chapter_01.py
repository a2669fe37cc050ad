"""Exercises of chapter 1, Meet ChestMNIST."""

from xraylab.check.grading import Exercise
from xraylab.findings import FINDINGS, index
from xraylab.phantom import label_counts

_VECTORS, _COUNTS = label_counts()
_TEST = _COUNTS[:, 2]
_POSITIVES, _IMAGES = (_VECTORS.T @ _TEST).sum(), _TEST.sum()
_ACCURACY = 1 - _POSITIVES / (_IMAGES * len(FINDINGS))
_EXACT_MATCH = _TEST[_VECTORS.sum(axis=1) == 0].sum() / _IMAGES

all_negative = Exercise(_ACCURACY, f"Predicting no finding at all is {_ACCURACY:.1%} accurate.")
all_negative.mistake(1 - _ACCURACY, "That is the fraction of positive labels, the error rate.")
all_negative.mistake(_EXACT_MATCH, "That is the exact match: images whose whole vector is empty.")
all_negative.mistake(1 - _POSITIVES / _IMAGES, "Divide by images times labels, not by images.")

_EDEMA, _EFFUSION = (_VECTORS[:, index(name)] == 1 for name in ("edema", "effusion"))
_TRAIN = _COUNTS[:, 0]
_BOTH = _TRAIN[_EDEMA & _EFFUSION].sum()
_FRACTION = _BOTH / _TRAIN[_EDEMA].sum()
_LIFT = _FRACTION / (_TRAIN[_EFFUSION].sum() / _TRAIN.sum())
_ALL_SPLITS = _COUNTS[_EDEMA & _EFFUSION].sum() / _COUNTS[_EDEMA].sum()

edema_effusion = Exercise(
    _FRACTION,
    f"That is {_LIFT:.1f} times the fraction among all images: fluid in the lung often comes with "
    "fluid around it.",
    tolerance=5e-4,
)
edema_effusion.mistake(_BOTH / _TRAIN[_EFFUSION].sum(), "The reverse: edema, given an effusion.")
edema_effusion.mistake(_BOTH / _TRAIN.sum(), "Divide by the images with edema, not by all images.")
edema_effusion.mistake(_ALL_SPLITS, "Use the training images only.")
