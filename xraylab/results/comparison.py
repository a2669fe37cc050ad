"""Comparison of two records: their settings, and a paired test of their scores."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from xraylab import evaluation
from xraylab.results.schema import Result, ResultError


@dataclass(frozen=True)
class Comparison:
    """Differences of the test scores of two records, second minus first, on the same images.

    Attributes:
        scores: :class:`xraylab.evaluation.Difference` by score over all labels.
        labels: :class:`xraylab.evaluation.Difference` of the ROC AUC by label.
        holm: p-values of the labels with Holm's correction; NaN where undefined.
        unit: what was resampled, ``"images"`` or ``"patients"``.
    """

    scores: dict[str, evaluation.Difference]
    labels: dict[str, evaluation.Difference]
    holm: dict[str, float]
    unit: str


def compare(
    first: Result,
    second: Result,
    replicates: int = 1000,
    *,
    level: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> Comparison:
    """Compare the test scores of two records by paired bootstrap.

    The intervals describe variation with the images, not with the seeds of the runs. The smallest
    p-value is 2 / (replicates + 1), which Holm's correction multiplies by the number of labels.

    Args:
        first, second: the records.
        replicates, level, seed, progress: as :func:`xraylab.evaluation.compare`.

    Raises:
        ResultError: if labels of either are not at hand, or images or labels differ.
    """
    if first.predictions is None or second.predictions is None:
        raise ResultError(
            f"Labels of {first.name} or {second.name} are not stored, so scores cannot be paired. "
            "Load the records with load_result(path, images) and pass the images; on the command "
            "line, --data FILE"
        )
    same_images = first.data["test"] == second.data["test"]
    if not same_images or first.label_names != second.label_names:
        raise ResultError(
            f"{first.name} and {second.name} were scored on other images or labels, so their "
            "scores cannot be paired"
        )
    predictions, other = first.predictions["test"], second.predictions["test"]
    found = evaluation.compare(
        predictions.y_true,
        predictions.probabilities,
        other.probabilities,
        replicates,
        level=level,
        label_names=first.label_names,
        seed=seed,
        patients=predictions.patients,
        progress=progress,
    )
    corrected = evaluation.holm([found[name].p_value for name in first.label_names])
    return Comparison(
        scores={name: found[name] for name in evaluation.SCORES},
        labels={name: found[name] for name in first.label_names},
        holm=dict(zip(first.label_names, corrected.tolist(), strict=True)),
        unit=predictions.unit,
    )


def differences(first: Result, second: Result) -> dict[str, tuple[Any, Any]]:
    """Collect what differs in recipe, images, initial weights and software: ``{name: (a, b)}``."""
    fields = {"recipe", "data", "initial_weights", "software"}
    former, other = (
        pd.json_normalize(result.model_dump(include=fields), sep=": ").to_dict("records")[0]
        for result in (first, second)
    )
    pairs = {name: (former.get(name), other.get(name)) for name in former | other}
    return {str(name): pair for name, pair in pairs.items() if pair[0] != pair[1]}
