"""Two records side by side: in what they differ, and whether their scores do beyond chance."""

from dataclasses import dataclass

import numpy as np

from xraylab.evaluation import SCORES, Difference, compare, holm
from xraylab.results.errors import ResultError


@dataclass(frozen=True)
class Comparison:
    """How far a second record's test scores lie above a first's, on the same images.

    Attributes:
        scores: :class:`xraylab.evaluation.Difference` by score over all labels.
        findings: the same of the ROC AUC of each label.
        holm: p-values of the labels after Holm's correction; nan where undefined.
        unit: what was resampled, ``"images"`` or ``"patients"``.
    """

    scores: dict[str, Difference]
    findings: dict[str, Difference]
    holm: dict[str, float]
    unit: str


def compare_results(first, second, replicates=1000, *, seed=0, progress=False):
    """Return the :class:`Comparison` of two records by paired bootstrap.

    It tells how differences vary with the images, not with the seeds of the runs.

    Raises:
        ResultError: if predictions of either were not kept, or they are of other images or labels.
        ValueError: if there are too few replicates to tell anything after Holm's correction.
    """
    for result in (first, second):
        if result.answers is None:
            raise ResultError(
                f"{result.path}: its predictions were not kept, so its scores cannot be paired"
            )
    mine, theirs = first.answers["test"], second.answers["test"]
    prints = [result.values["data"]["test"]["fingerprint"] for result in (first, second)]
    same = prints[0] == prints[1] and mine.labels_sha256 == theirs.labels_sha256
    if not same or first.label_names != second.label_names:
        raise ResultError(
            f"{first.name} and {second.name} were scored on other images or labels: their "
            "scores cannot be paired"
        )
    least = 2 * len(first.label_names) / (replicates + 1)
    if least > 0.05:
        raise ValueError(
            f"with {replicates} replicates no p-value of {len(first.label_names)} labels can come "
            f"below {least:.2g} after Holm's correction; take at least "
            f"{40 * len(first.label_names)}"
        )
    unit = "images" if mine.patients is None else "patients"
    found = compare(
        mine.truth,
        mine.probabilities,
        theirs.probabilities,
        replicates,
        seed=seed,
        label_names=first.label_names,
        patients=mine.patients,
        progress=progress,
    )
    findings = {name: found[name] for name in first.label_names}
    defined = [name for name, row in findings.items() if not np.isnan(row.p_value)]
    corrected = holm([findings[name].p_value for name in defined]) if defined else []
    p_values = dict.fromkeys(findings, np.nan) | dict(
        zip(defined, map(float, corrected), strict=True)
    )
    return Comparison({name: found[name] for name in SCORES}, findings, p_values, unit)


def differences(first, second):
    """Return ``{what: (first's, second's)}`` of the recipe, images and software that differ."""
    pairs = {f"recipe: {field}": field for field in first.recipe | second.recipe}
    found = {
        what: (first.recipe.get(field), second.recipe.get(field)) for what, field in pairs.items()
    }
    for split in first.values["data"]:
        found[f"{split} images"] = tuple(
            f"{images['images']:,} of {images['source']} ({images['fingerprint'][:12]})"
            for images in (first.values["data"][split], second.values["data"][split])
        )
    found["weights begun with"] = (first.values["origins"], second.values["origins"])
    software = [result.values["software"] for result in (first, second)]
    for step in ("trained_by", "recorded_by"):
        for what in ("xraylab", "commit"):
            found[f"{step.replace('_', ' ')} {what}"] = tuple(used[step][what] for used in software)
    found["environment"] = tuple(used["environment"] for used in software)
    return {what: pair for what, pair in found.items() if pair[0] != pair[1]}
