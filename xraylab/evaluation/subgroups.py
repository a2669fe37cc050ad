"""Scores by group: a mean over all patients can hide whom a model serves badly."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from xraylab.evaluation.intervals import Interval, bootstrap
from xraylab.evaluation.resampling import is_unknown
from xraylab.metrics import name_labels

MEANS = ("macro_auc", "average_precision")
"""Scores that are means over labels, so groups must be scored on the same labels."""


@dataclass(frozen=True)
class Subgroup:
    """The score of one group of images.

    Attributes:
        name: value by which its images were chosen.
        num_images: how many they are.
        labels: the labels that were scored, the same in all groups.
        score: its :class:`Interval`; all NaN where the score is undefined.
    """

    name: str
    num_images: int
    labels: tuple[str, ...]
    score: Interval


def by_group(
    y_true, probabilities, groups, score="macro_auc", *, least=1, label_names=None, **options
):
    """Return a score for each group of images, the worst first.

    Groups differ in which findings they have and how often, so compare only scores that do not
    depend on prevalence, such as AUC; means over labels are taken over those that have both
    classes in every group, or the rarest finding would make the difference. Of several groups one
    is always the worst, by chance alone: look at the intervals.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, nan where unknown; probabilities: the same shape,
        in [0, 1]. groups: (num_images,), whose values name the groups; None, nan and the empty text
        leave an image out.

    Args:
        score: one of :data:`xraylab.evaluation.SCORES`, or a label's name for its ROC AUC.
        least: smallest number of images a group must have to be scored.
        label_names: as :func:`xraylab.evaluation.bootstrap`.
        options: as :func:`xraylab.evaluation.bootstrap`; of ``patients`` and ``strata`` each group
            takes its own.

    Returns:
        A list of :class:`Subgroup`.

    Raises:
        ValueError: if the lengths differ, no group has enough images, or no label has both classes
            in every group; and as :func:`xraylab.evaluation.bootstrap`.
    """
    y_true, probabilities = np.asarray(y_true, dtype=np.float64), np.asarray(probabilities)
    names = [_name(value) for value in np.asarray(groups, dtype=object).reshape(-1)]
    if len(names) != len(y_true):
        raise ValueError(f"groups: expected {len(y_true)}, one an image; got {len(names)}")
    named = np.array(names)
    chosen = {name: named == name for name in np.unique(named[named != ""]).tolist()}
    chosen = {name: rows for name, rows in chosen.items() if rows.sum() >= least}
    if not chosen:
        raise ValueError(f"no group has {least} images or more; {len(named)} images came")
    labels = name_labels(label_names, y_true.shape[1])
    columns = np.arange(len(labels))
    if score in MEANS:
        both = [(y_true[rows] == 0).any(0) & (y_true[rows] == 1).any(0) for rows in chosen.values()]
        columns = np.flatnonzero(np.all(both, axis=0))
        if not len(columns):
            raise ValueError(
                "no label has images with and without it in every group; raise least, or ask for "
                "one label"
            )
    kept = tuple(labels[k] for k in columns)
    found = []
    for name, rows in chosen.items():
        truth, chances = y_true[np.ix_(rows, columns)], probabilities[np.ix_(rows, columns)]
        own = dict(options)
        for key in {"patients", "strata"} & own.keys():
            own[key] = None if own[key] is None else np.asarray(own[key])[rows]
        interval = Interval(np.nan, np.nan, np.nan)
        if not np.isnan(truth).all():
            interval = bootstrap(truth, chances, scores=[score], label_names=kept, **own)[score]
        found.append(Subgroup(name, int(rows.sum()), kept, interval))
    return sorted(found, key=lambda group: (np.isnan(group.score.value), group.score.value))


def age_bands(ages, edges=(20, 40, 60, 80)):
    """Return the band of each age as text, ``"40 to 59"``; empty where the age is unknown.

    Shapes:
        ages: (num_images,) in years; nan or below 0 where unknown.
    """
    ages = np.asarray(ages, dtype=np.float64)
    names = [f"below {edges[0]}"]
    names += [f"{low} to {high - 1}" for low, high in pairwise(edges)]
    names += [f"{edges[-1]} and over", ""]
    places = np.digitize(ages, edges)
    places[~(ages >= 0)] = len(names) - 1
    return np.array(names)[places]


def _name(value):
    """Return a group's name; empty where there is none."""
    if is_unknown(value):
        return ""
    return value.decode() if isinstance(value, bytes) else str(value)
