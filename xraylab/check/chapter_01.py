"""Exercises of chapter 1, Meet ChestMNIST."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise
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


def _balanced_accuracy(y_true, y_pred, average=np.mean):
    """Compute the mean of sensitivity and specificity, by default averaged over findings."""
    sensitivity = (y_true & y_pred).sum(axis=0) / y_true.sum(axis=0)
    specificity = (~y_true & ~y_pred).sum(axis=0) / (~y_true).sum(axis=0)
    return average((sensitivity + specificity) / 2)


def _pooled(y_true, y_pred):
    """Pool all findings before the rates are computed."""
    return _balanced_accuracy(y_true.ravel(), y_pred.ravel())


_RNG = np.random.default_rng(1)
_HIDDEN = _RNG.random((500, 3)) < (0.1, 0.3, 0.6)
_GUESS = _RNG.random((500, 3)) < 0.2 + 0.4 * _HIDDEN

balanced_accuracy = CodeExercise(
    _balanced_accuracy,
    [(_HIDDEN, _GUESS), (_HIDDEN, np.zeros_like(_HIDDEN)), (_HIDDEN[:, :2], _GUESS[:, :2])],
    "The all-negative prediction scores exactly 0.5 at any prevalence.",
)
balanced_accuracy.mistake(
    lambda y_true, y_pred: np.mean(y_true == y_pred), "That is the plain accuracy."
)
balanced_accuracy.mistake(_pooled, "Compute both rates for each finding, then average.")
balanced_accuracy.mistake(
    lambda y_true, y_pred: _balanced_accuracy(y_true, y_pred, np.asarray),
    "Average over the findings at the end.",
)
balanced_accuracy.mistake(
    lambda y_true, y_pred: 2 * _balanced_accuracy(y_true, y_pred),
    "Divide the sum of the rates by 2.",
)
balanced_accuracy.mistake(
    lambda y_true, y_pred: np.mean((y_true & y_pred).sum(axis=0) / y_true.sum(axis=0)),
    "That is the sensitivity alone, which a prediction of every finding maximises.",
)
