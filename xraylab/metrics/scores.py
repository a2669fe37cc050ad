"""Scores of a multi-label classifier, each beside what it takes no skill to reach."""

from dataclasses import asdict, dataclass

import numpy as np

from xraylab.findings import FINDINGS
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
class Floor:
    """What an answer that never looks at the image would score."""

    description: str
    macro_auc: float
    micro_auc: float
    average_precision: float
    accuracy: float
    exact_match: float


@dataclass(frozen=True)
class Score:
    """Every score of one set of answers, and the floors below which they mean nothing.

    Attributes:
        num_images: number of images scored.
        macro_auc: mean ROC AUC over the labels that have one.
        micro_auc: ROC AUC over all (image, label) pairs at once; rewards knowing the prevalences.
        average_precision: mean average precision over the labels that have one.
        accuracy: share of (image, label) pairs right at threshold 0.5 (MedMNIST's ACC).
        exact_match: share of images whose whole label vector is right at threshold 0.5.
        per_finding: one :class:`LabelScore` a label, in label order.
        undefined: labels with one class only, left out of ``macro_auc``.
        floors: the all-negative and the constant-prevalence answer, as :class:`Floor`.
    """

    num_images: int
    macro_auc: float
    micro_auc: float
    average_precision: float
    accuracy: float
    exact_match: float
    per_finding: tuple[LabelScore, ...]
    undefined: tuple[str, ...]
    floors: tuple[Floor, ...]

    def to_dict(self):
        """Return the scores as plain numbers and lists, NaN as None, ready for JSON."""
        return _without_nan(asdict(self))


def score(y_true, probabilities, *, label_names=None, prevalence=None):
    """Score probabilities against labels.

    A prediction counts as positive where its probability is strictly above 0.5. Labels that are
    nan are unknown and left out; the exact match is that of the images whose labels are all known.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1; nan where unknown.
        probabilities: (num_images, num_labels), in [0, 1].
        prevalence: (num_labels,) share of positives in the *training* images, for the
            constant-prevalence floor; by default that of ``y_true`` itself.

    Raises:
        ValueError: if shapes disagree, labels are not 0, 1 or nan, or probabilities are not finite
            numbers in [0, 1] (logits are recognised and named).
    """
    y_true, known, probabilities = check_answers(y_true, probabilities)
    num_images, num_labels = y_true.shape
    names = name_labels(label_names, num_labels)
    rows = []
    for k in range(num_labels):
        truth, chances = y_true[known[:, k], k], probabilities[known[:, k], k]
        row = LabelScore(
            label=names[k],
            positives=int(truth.sum()),
            prevalence=_mean_of_defined(truth),
            roc_auc=roc_auc(truth, chances),
            average_precision=average_precision(truth, chances),
            accuracy=_mean_of_defined((chances > 0.5) == truth),
        )
        rows.append(row)
    return Score(
        num_images=num_images,
        macro_auc=_mean_of_defined([row.roc_auc for row in rows]),
        micro_auc=roc_auc(y_true[known], probabilities[known]),
        average_precision=_mean_of_defined([row.average_precision for row in rows]),
        **thresholded(y_true, known, probabilities),
        per_finding=tuple(rows),
        undefined=tuple(row.label for row in rows if np.isnan(row.roc_auc)),
        floors=_floors(y_true, known, prevalence),
    )


def thresholded(y_true, known, probabilities):
    """Return accuracy and exact match at threshold 0.5.

    Shapes:
        y_true, known: (num_images, num_labels) bool; probabilities: the same shape, in [0, 1].
    """
    right = (probabilities > 0.5) == y_true
    return {
        "accuracy": _mean_of_defined(right[known]),
        "exact_match": _mean_of_defined(right[known.all(axis=1)].all(axis=1)),
    }


def _floors(y_true, known, prevalence):
    """Score the two answers that need no image."""
    if prevalence is None:
        shares = [_mean_of_defined(column[k]) for column, k in zip(y_true.T, known.T, strict=True)]
        prevalence, whose = np.nan_to_num(shares), "these images"
    else:
        prevalence, whose = np.asarray(prevalence, dtype=np.float64), "the training images"
        if prevalence.shape != y_true.shape[1:] or not np.all(
            (prevalence >= 0) & (prevalence <= 1)
        ):
            raise ValueError(
                f"prevalence must hold {y_true.shape[1]} numbers in [0, 1], one a label; "
                f"{prevalence.shape} came, from {prevalence.min()} to {prevalence.max()}"
            )
    answers = {
        "all negative": np.zeros(y_true.shape[1]),
        f"constant: prevalence in {whose}": prevalence,
    }
    return tuple(_floor(name, y_true, known, answer) for name, answer in answers.items())


def _floor(description, y_true, known, answer):
    """Score one answer vector given for every image."""
    answers = np.broadcast_to(answer, y_true.shape)
    pairs = [(y_true[k, j], answers[k, j]) for j, k in enumerate(known.T)]
    return Floor(
        description=description,
        macro_auc=_mean_of_defined([roc_auc(*pair) for pair in pairs]),
        micro_auc=roc_auc(y_true[known], answers[known]),
        average_precision=_mean_of_defined([average_precision(*pair) for pair in pairs]),
        **thresholded(y_true, known, answers),
    )


def check_answers(y_true, probabilities):
    """Return labels, which of them are known, and probabilities; or say what is wrong with them.

    Shapes:
        returns: three arrays (num_images, num_labels): bool, false where unknown; bool; float64.

    Raises:
        ValueError: as :func:`score`.
    """
    y_true = np.asarray(y_true)
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if y_true.ndim != 2 or y_true.shape != probabilities.shape or y_true.size == 0:
        raise ValueError(
            "y_true and probabilities must both be (num_images, num_labels) and not empty; "
            f"{y_true.shape} and {probabilities.shape} came"
        )
    unknown = np.isnan(y_true) if y_true.dtype.kind == "f" else np.zeros(y_true.shape, dtype=bool)
    if not np.isin(y_true[~unknown], (0, 1)).all():
        found = np.setdiff1d(y_true[~unknown], (0, 1))[:5].tolist()
        raise ValueError(
            f"y_true must hold 0, 1 and nan (unknown) only; it also holds {found}. "
            "Decide first what uncertain labels count as"
        )
    if unknown.all():
        raise ValueError("y_true must hold a label that is known; all of them are nan")
    if not np.isfinite(probabilities).all():
        bad = int((~np.isfinite(probabilities)).sum())
        raise ValueError(f"probabilities must be finite; {bad} of them are NaN or infinite")
    low, high = float(probabilities.min()), float(probabilities.max())
    if low < 0 or high > 1:
        by_rounding = low > -1e-3 and high < 1 + 1e-3
        raise ValueError(
            f"probabilities must lie in [0, 1]; they run from {low:.9g} to {high:.9g}. "
            + ("Rounding, it seems: clip them" if by_rounding else "These look like logits: ")
            + ("" if by_rounding else "pass them through a sigmoid first")
        )
    return np.where(unknown, 0, y_true).astype(bool), ~unknown, probabilities


def name_labels(label_names, num_labels):
    """Return the names of the labels: without any given, the findings if there are 14.

    Raises:
        ValueError: if names were given, and not one a label, or one of them twice.
    """
    if label_names is None:
        is_findings = num_labels == len(FINDINGS)
        return FINDINGS if is_findings else tuple(f"label_{k}" for k in range(num_labels))
    if len(label_names) != num_labels:
        raise ValueError(f"{num_labels} label columns came with {len(label_names)} label_names")
    twice = [name for name in label_names if list(label_names).count(name) > 1]
    if twice:
        raise ValueError(f"label_names must differ; {twice[0]!r} came {len(twice)} times")
    return tuple(label_names)


def _mean_of_defined(values):
    """Return the mean of the values that are defined; NaN if none is."""
    values = np.asarray(values, dtype=np.float64)
    defined = ~np.isnan(values)
    return float(values[defined].mean()) if defined.any() else float("nan")


def _without_nan(value):
    """Replace NaN by None all the way down: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
