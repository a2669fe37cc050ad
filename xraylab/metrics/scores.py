"""Scores of a multi-label classifier, with those of two baselines that use no image."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from xraylab.findings import FINDINGS
from xraylab.io import to_plain
from xraylab.metrics.ranking import average_precision, roc_auc


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
    """The scores of a constant prediction, the same for every image."""

    description: str
    macro_auc: float
    micro_auc: float
    average_precision: float
    accuracy: float
    exact_match: float


@dataclass(frozen=True)
class Score:
    """All scores of a set of predictions, and those of the baselines.

    Attributes:
        num_images: number of images scored.
        macro_auc: mean ROC AUC over the labels for which it is defined.
        micro_auc: ROC AUC of all (image, label) pairs together; rewards knowing the prevalences.
        average_precision: mean average precision over the labels for which it is defined.
        accuracy: fraction of correct (image, label) pairs at threshold 0.5 (ACC of MedMNIST).
        exact_match: fraction of images with all labels correct at threshold 0.5.
        per_finding: one :class:`LabelScore` per label, in label order.
        undefined: labels with one class only, left out of ``macro_auc``.
        baselines: all-negative and constant-prevalence prediction, as :class:`Baseline`.
    """

    num_images: int
    macro_auc: float
    micro_auc: float
    average_precision: float
    accuracy: float
    exact_match: float
    per_finding: tuple[LabelScore, ...]
    undefined: tuple[str, ...]
    baselines: tuple[Baseline, ...]

    def to_dict(self) -> dict:
        """Return the scores as plain numbers and lists, NaN as None, ready for JSON."""
        return to_plain(asdict(self))


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
            constant-prevalence baseline; by default that of ``y_true`` itself.

    Raises:
        ValueError: if shapes disagree, labels are not 0, 1 or NaN, or probabilities are not finite
            and in [0, 1].
    """
    y_true, known, probabilities = check_predictions(y_true, probabilities)
    num_images, num_labels = y_true.shape
    names = name_labels(label_names, num_labels)
    rows = []
    for name, y, k, p in zip(names, y_true.T, known.T, probabilities.T, strict=True):
        y, p = y[k], p[k]
        areas = roc_auc(y, p), average_precision(y, p)
        rows.append(LabelScore(name, int(y.sum()), _mean(y), *areas, _mean((p > 0.5) == y)))
    return Score(
        num_images=num_images,
        macro_auc=_mean([row.roc_auc for row in rows]),
        micro_auc=roc_auc(y_true[known], probabilities[known]),
        average_precision=_mean([row.average_precision for row in rows]),
        **_thresholded(y_true, known, probabilities),
        per_finding=tuple(rows),
        undefined=tuple(row.label for row in rows if np.isnan(row.roc_auc)),
        baselines=_baselines(y_true, known, prevalence),
    )


def _thresholded(y_true, known, probabilities):
    """Compute accuracy and exact match at threshold 0.5."""
    correct = (probabilities > 0.5) == y_true
    return {
        "accuracy": _mean(correct[known]),
        "exact_match": _mean(correct[known.all(axis=1)].all(axis=1)),
    }


def _baselines(y_true, known, prevalence):
    """Score the all-negative and the constant-prevalence prediction."""
    measured = np.array([_mean(y[k]) for y, k in zip(y_true.T, known.T, strict=True)])
    source = "these images" if prevalence is None else "the training images"
    prevalence = np.nan_to_num(measured) if prevalence is None else np.asarray(prevalence, float)
    if prevalence.shape != measured.shape or not ((prevalence >= 0) & (prevalence <= 1)).all():
        raise ValueError(
            f"prevalence does not fit the labels. Expected: {len(measured)} numbers in [0, 1]. "
            f"Received: an array of shape {prevalence.shape} with values from {prevalence.min()} "
            f"to {prevalence.max()}."
        )
    # A constant ranks nothing: ROC AUC is 1/2, average precision the prevalence.
    constants = {
        "macro_auc": _mean(np.where((measured > 0) & (measured < 1), 0.5, np.nan)),
        "average_precision": _mean(np.where(measured > 0, measured, np.nan)),
    }
    scores = []
    for name, vector in (
        ("all negative", np.zeros(len(measured))),
        (f"constant: prevalence in {source}", prevalence),
    ):
        predictions = np.broadcast_to(vector, y_true.shape)
        scores.append(
            Baseline(
                description=name,
                micro_auc=roc_auc(y_true[known], predictions[known]),
                **constants,
                **_thresholded(y_true, known, predictions),
            )
        )
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
    y_true = np.asarray(y_true)
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if y_true.ndim != 2 or y_true.shape != probabilities.shape or y_true.size == 0:
        raise ValueError(
            "Labels and probabilities do not fit together. Expected: two non-empty arrays of shape "
            f"(num_images, num_labels). Received: y_true {y_true.shape} and probabilities "
            f"{probabilities.shape}."
        )
    unknown = np.isnan(y_true) if y_true.dtype.kind == "f" else np.zeros(y_true.shape, dtype=bool)
    others = np.setdiff1d(y_true[~unknown], (0, 1))[:5].tolist()
    if others:
        raise ValueError(
            f"y_true has invalid values. Expected: 0, 1 or NaN (unknown). Received: also {others}. "
            "Decide first what uncertain labels count as."
        )
    if unknown.all():
        raise ValueError("No label is known. Expected: a label that is 0 or 1. Received: all NaN.")
    if not np.isfinite(probabilities).all():
        raise ValueError(
            "Probabilities must be finite. Expected: numbers in [0, 1]. Received: "
            f"{int((~np.isfinite(probabilities)).sum())} NaN or infinite values."
        )
    low, high = float(probabilities.min()), float(probabilities.max())
    if low < 0 or high > 1:
        by_rounding = low > -1e-3 and high < 1 + 1e-3
        cure = "clip them" if by_rounding else "these look like logits: apply a sigmoid first"
        raise ValueError(
            "Probabilities are out of range. Expected: numbers in [0, 1]. Received: values from "
            f"{low:.9g} to {high:.9g}; {cure}."
        )
    return np.where(unknown, 0, y_true).astype(bool), ~unknown, probabilities


def name_labels(label_names: Sequence[str] | None, num_labels: int) -> tuple[str, ...]:
    """Return the names of the labels; by default the findings, if there are 14.

    Raises:
        ValueError: if the number of names is wrong or a name repeats.
    """
    if label_names is None:
        is_findings = num_labels == len(FINDINGS)
        return FINDINGS if is_findings else tuple(f"label_{k}" for k in range(num_labels))
    if len(label_names) != num_labels or len(set(label_names)) < num_labels:
        raise ValueError(
            f"label_names do not fit the labels. Expected: {num_labels} different names. Received: "
            f"{', '.join(map(str, label_names))}."
        )
    return tuple(label_names)


def _mean(values):
    """Return the mean of the values that are not NaN; NaN if none is."""
    values = np.asarray(values, dtype=np.float64)
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
