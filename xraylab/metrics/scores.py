"""Scores of a multi-label classifier, with those of baselines that use no image."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument, require
from xraylab.findings import FINDINGS
from xraylab.metrics.ranking import areas, divide, mean_of_defined, roc_auc


@dataclass(frozen=True)
class LabelScore:
    """The scores of one label. ``roc_auc`` or ``average_precision`` is NaN where undefined."""

    label: str
    positives: int
    prevalence: float
    roc_auc: float
    average_precision: float
    accuracy: float


@dataclass(frozen=True)
class Baseline:
    """The scores of a constant prediction, the same for every image; see :class:`Score`."""

    description: str
    macro_auc: float
    micro_auc: float
    average_precision: float
    accuracy: float
    exact_match: float
    macro_f1: float
    micro_f1: float


@dataclass(frozen=True, repr=False)
class Score:
    """All scores of a set of predictions, and those of the baselines.

    Attributes:
        num_images: number of images scored.
        macro_auc: mean ROC AUC over the labels for which it is defined.
        micro_auc: ROC AUC of all (image, label) pairs together; rewards knowing the prevalences.
        average_precision: mean average precision over the labels for which it is defined.
        accuracy: fraction of correct (image, label) pairs at threshold 0.5 (ACC of MedMNIST).
        exact_match: fraction of images with all labels correct at threshold 0.5.
        macro_f1: mean F1 at threshold 0.5 over the labels with a positive image.
        micro_f1: F1 of all (image, label) pairs together at threshold 0.5.
        per_finding: one :class:`LabelScore` per label, in label order.
        undefined: labels with one class only, left out of ``macro_auc``.
        baselines: :class:`Baseline` of four constant predictions, in this order: all negative; the
            prevalence of each label; all positive, the constant with the highest macro F1; and
            positive for the most frequent labels only, as many as give the highest micro F1 of all
            constants at these prevalences. All positive is not the best there.
    """

    num_images: int
    macro_auc: float
    micro_auc: float
    average_precision: float
    accuracy: float
    exact_match: float
    macro_f1: float
    micro_f1: float
    per_finding: tuple[LabelScore, ...]
    undefined: tuple[str, ...]
    baselines: tuple[Baseline, ...]

    def __repr__(self) -> str:
        numbers = [f"{f.name}={getattr(self, f.name):.3f}" for f in fields(Baseline)[1:]]
        rest = f"{len(self.per_finding)} in per_finding, {len(self.baselines)} baselines"
        return f"Score({self.num_images:,} images, {', '.join(numbers)}, {rest})"


def score(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    *,
    label_names: Sequence[str] | None = None,
    prevalence: ArrayLike | None = None,
) -> Score:
    """Score probabilities against labels.

    A prediction is positive where its probability is strictly above 0.5. NaN labels are unknown and
    left out; the exact match is that of the images whose labels are all known.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1; NaN where unknown.
        probabilities: (num_images, num_labels), in [0, 1].
        prevalence: (num_labels,), fraction of positives in the *training* images, for the
            baselines; by default that of ``y_true`` itself.

    Raises:
        ValueError: if shapes disagree, labels are not 0, 1 or NaN, or probabilities are not finite
            and in [0, 1].
    """
    y_true, known, probabilities = check_predictions(y_true, probabilities)
    names = name_labels(label_names, y_true.shape[1])
    rows = []
    for name, y, k, p in zip(names, y_true.T, known.T, probabilities.T, strict=True):
        y, p = y[k], p[k]
        rows.append(LabelScore(name, int(y.sum()), _mean(y), *areas(y, p), _mean((p > 0.5) == y)))
    return Score(
        num_images=len(y_true),
        macro_auc=_mean([row.roc_auc for row in rows]),
        micro_auc=roc_auc(y_true[known], probabilities[known]),
        average_precision=_mean([row.average_precision for row in rows]),
        **_thresholded(y_true, known, probabilities),
        per_finding=tuple(rows),
        undefined=tuple(row.label for row in rows if np.isnan(row.roc_auc)),
        baselines=_baselines(y_true, known, prevalence),
    )


class Thresholded:
    """Accuracy, exact match and F1 at threshold 0.5, under many weights of the images.

    Args:
        y_true, known, probabilities: as :func:`check_predictions` returns them.
    """

    def __init__(self, y_true: np.ndarray, known: np.ndarray, probabilities: np.ndarray):
        predicted = (probabilities > 0.5) & known
        correct = (predicted == y_true) & known
        by_image = correct.sum(axis=1), known.sum(axis=1), correct.all(axis=1), known.all(axis=1)
        # In float64, which is exact here, the product of matrices is many times as fast.
        counts = np.stack(by_image, axis=1), predicted & y_true, predicted, y_true
        self._counts = [x.astype(np.float64) for x in counts]

    def score(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Compute the scores by name under each row of weights, (rows, num_images)."""
        weights = weights.astype(np.float64)
        fractions, *counts = (weights @ x for x in self._counts)
        correct, known, all_correct, all_known = fractions.T
        return {
            "accuracy": divide(correct, known),
            "exact_match": divide(all_correct, all_known),
            "macro_f1": mean_of_defined(_f1(*counts), axis=1),
            "micro_f1": _f1(*(x.sum(axis=1) for x in counts)),
        }


def _f1(true_positives, predicted, positives):
    """Compute F1, 2 · true positives / (predicted + positives); NaN where no image is positive."""
    return divide(2 * true_positives, np.where(positives > 0, predicted + positives, 0))


def _thresholded(y_true, known, probabilities):
    """Compute the scores of :class:`Thresholded` of the images themselves."""
    scores = Thresholded(y_true, known, probabilities).score(np.ones((1, len(y_true))))
    return {name: float(value) for name, (value,) in scores.items()}


def _baselines(y_true, known, prevalence):
    """Score the four constant predictions of :class:`Score`."""
    measured = np.array([_mean(y[k]) for y, k in zip(y_true.T, known.T, strict=True)])
    source = "these images" if prevalence is None else "the training images"
    prevalence = np.nan_to_num(measured) if prevalence is None else np.asarray(prevalence, float)
    valid = prevalence.shape == measured.shape and ((prevalence >= 0) & (prevalence <= 1)).all()
    require(valid, "prevalence", f"{len(measured)} numbers in [0, 1]", prevalence)
    # A constant ranks nothing: ROC AUC is 1/2, average precision the prevalence.
    constants = {
        "macro_auc": _mean(np.where((measured > 0) & (measured < 1), 0.5, np.nan)),
        "average_precision": _mean(np.where(measured > 0, measured, np.nan)),
    }
    scores = []
    # Of all choices of m labels, the m most frequent have the most true positives.
    order = np.argsort(-prevalence, kind="stable")
    expected = np.cumsum(prevalence[order]) / (1 + np.arange(len(order)) + prevalence.sum())
    frequent = np.isin(np.arange(len(order)), order[: expected.argmax() + 1])
    predicted = {
        "all negative": np.zeros_like(prevalence),
        f"constant: prevalence in {source}": prevalence,
        "all positive": np.ones_like(prevalence),
        f"positive: the {frequent.sum()} most frequent labels in {source}": frequent,
    }
    for name, constant in predicted.items():
        predictions = np.broadcast_to(constant, y_true.shape)
        micro_auc = roc_auc(y_true[known], predictions[known])
        thresholded = _thresholded(y_true, known, predictions)
        scores.append(Baseline(name, micro_auc=micro_auc, **constants, **thresholded))
    return tuple(scores)


def check_predictions(
    y_true: ArrayLike, probabilities: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check labels and probabilities, and separate known from unknown labels.

    Shapes:
        returns: three arrays (num_images, num_labels): labels, bool, false where unknown; which
        are known, bool; probabilities, float64.

    Raises:
        ValueError: as :func:`score`.
    """
    y_true, probabilities = np.asarray(y_true), np.asarray(probabilities, dtype=np.float64)
    fits = y_true.ndim == 2 and y_true.shape == probabilities.shape and y_true.size
    expected = "two non-empty arrays of shape (num_images, num_labels)"
    received = f"{y_true.shape} and {probabilities.shape}"
    require(fits, "y_true or probabilities", expected, received)
    unknown = np.isnan(y_true) if y_true.dtype.kind == "f" else np.zeros(y_true.shape, dtype=bool)
    others = np.setdiff1d(y_true[~unknown], (0, 1))[:5].tolist()
    hint = "Decide first what uncertain labels count as."
    require(not others, "y_true", "0, 1 or NaN (unknown)", f"also {others}", hint)
    require(not unknown.all(), "y_true", "a label that is 0 or 1", "all NaN")
    low, high = float(probabilities.min()), float(probabilities.max())
    if not 0 <= low <= high <= 1:  # also if one is NaN
        hint = "These look like logits: apply a sigmoid first."
        if not np.isfinite([low, high]).all():
            hint = "Find out why the model does not predict numbers."
        received = f"values from {low:.9g} to {high:.9g}"
        raise invalid_argument("probabilities", "numbers in [0, 1]", received, hint)
    return np.where(unknown, 0, y_true).astype(bool), ~unknown, probabilities


def name_labels(label_names: Sequence[str] | None, num_labels: int) -> tuple[str, ...]:
    """Return the names of the labels; by default the findings, if there are 14.

    Raises:
        ValueError: if the number of names is wrong or a name repeats.
    """
    if label_names is None:
        is_findings = num_labels == len(FINDINGS)
        return FINDINGS if is_findings else tuple(f"label_{k}" for k in range(num_labels))
    fits = len(label_names) == len(set(label_names)) == num_labels
    received = ", ".join(map(str, label_names))
    require(fits, "label_names", f"{num_labels} different names", received)
    return tuple(label_names)


def _mean(values):
    """Return the mean of the values that are not NaN; NaN if none is."""
    return float(mean_of_defined(values))
