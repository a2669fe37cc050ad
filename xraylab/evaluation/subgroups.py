"""Scores by subgroup of patients or images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import require
from xraylab.evaluation.intervals import Interval, bootstrap, is_unknown
from xraylab.metrics import check_predictions, name_labels

LABEL_AVERAGES = ("macro_auc", "average_precision", "macro_f1")
"""Scores averaged over labels: all groups must be scored on the same labels."""


@dataclass(frozen=True)
class Subgroup:
    """The score of one group of images.

    Attributes:
        name: the value that defines the group.
        num_images: number of images.
        labels: the labels that were scored, the same in all groups.
        score: the score with its :class:`Interval`; all NaN where undefined.
    """

    name: str
    num_images: int
    labels: tuple[str, ...]
    score: Interval


def by_group(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    groups: Sequence[Any] | np.ndarray,
    score: str = "macro_auc",
    *,
    label_names: Sequence[str] | None = None,
    patients: ArrayLike | None = None,
    **options: Any,
) -> list[Subgroup]:
    """Score each group of images, the lowest score first.

    Groups differ in prevalence, so compare only scores that do not depend on it, such as AUC.
    Averages over labels use the labels that have both classes in every group. One of several
    groups always has the lowest score, by chance alone: compare the intervals.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        probabilities: (num_images, num_labels), in [0, 1].
        groups: (num_images,), names of the groups; a missing name (None, NaN, ``pandas.NA``, "")
        excludes an image.

    Args:
        score: one of :data:`xraylab.evaluation.SCORES`, or a label name for the label's ROC AUC.
        label_names: as :func:`xraylab.evaluation.bootstrap`.
        patients, options: further arguments of :func:`xraylab.evaluation.bootstrap`.

    Raises:
        ValueError: if lengths differ, there is no group, or no label has both classes in every
            group; and as :func:`xraylab.evaluation.bootstrap`.
    """
    check_predictions(y_true, probabilities)
    y_true, probabilities = np.asarray(y_true, dtype=np.float64), np.asarray(probabilities)
    if patients is not None:
        patients = np.asarray(patients)
        require(len(patients) == len(y_true), "patients", f"{len(y_true)} values", len(patients))
    names = np.array(["" if is_unknown(value) else str(value) for value in groups])
    require(len(names) == len(y_true), "groups", f"{len(y_true)} values", len(names))
    masks = {name: names == name for name in np.unique(names).tolist() if name}
    require(masks, "groups", "at least one group", f"none, of {len(names)} images")
    labels = name_labels(label_names, y_true.shape[1])
    columns = np.arange(len(labels))
    if score in LABEL_AVERAGES:
        defined = [(y_true[m] == 0).any(0) & (y_true[m] == 1).any(0) for m in masks.values()]
        columns = np.flatnonzero(np.all(defined, axis=0))
        hint = "Leave out small groups, or request the score of one label."
        require(len(columns), "groups", "a label with both classes in each of them", "none", hint)
    scored_labels = tuple(labels[k] for k in columns)
    arguments = {"scores": [score], "label_names": scored_labels}
    found = []
    for name, mask in masks.items():
        selected = y_true[np.ix_(mask, columns)], probabilities[np.ix_(mask, columns)]
        interval = Interval(np.nan, np.nan, np.nan)
        if not np.isnan(selected[0]).all():
            of_group = None if patients is None else patients[mask]
            interval = bootstrap(*selected, patients=of_group, **arguments, **options)[score]
        found.append(Subgroup(name, int(mask.sum()), scored_labels, interval))
    return sorted(found, key=lambda group: (np.isnan(group.score.value), group.score.value))
