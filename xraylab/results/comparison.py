"""Comparison of two records: their settings, and a paired test of their scores."""

from dataclasses import dataclass
from typing import Any

from xraylab import evaluation
from xraylab.arguments import invalid_argument
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


def compare(first: Result, second: Result, replicates: int = 1000, **options: Any) -> Comparison:
    """Compare the test scores of two records by paired bootstrap.

    The intervals describe variation with the images, not with the seeds of the runs.

    Args:
        first, second: the records.
        replicates, options: as :func:`xraylab.evaluation.compare`.

    Raises:
        ResultError: if predictions of either are not stored, or images or labels differ.
        ValueError: if the replicates are too few for significance after Holm's correction.
    """
    if first.predictions is None or second.predictions is None:
        raise ResultError(
            f"Predictions of {first.name} or {second.name} are not stored, so scores cannot be "
            "paired"
        )
    same_images = first.data["test"] == second.data["test"]
    if not same_images or first.label_names != second.label_names:
        raise ResultError(
            f"{first.name} and {second.name} were scored on other images or labels, so their "
            "scores cannot be paired"
        )
    num_labels = len(first.label_names)
    if replicates + 1 < 40 * num_labels:  # the smallest p-value is 2 / (replicates + 1)
        hint = f"Fewer give no p-value below 0.05 after Holm's correction of {num_labels} labels."
        raise invalid_argument("replicates", f"at least {40 * num_labels}", replicates, hint)
    predictions, other = first.predictions["test"], second.predictions["test"]
    options |= {"label_names": first.label_names, "patients": predictions.patients}
    found = evaluation.compare(
        predictions.y_true, predictions.probabilities, other.probabilities, replicates, **options
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
    sides = [_settings(result) for result in (first, second)]
    pairs = {name: (sides[0].get(name), sides[1].get(name)) for name in sides[0] | sides[1]}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _settings(result):
    """Flatten the settings of a record."""
    settings = {f"recipe: {field}": value for field, value in result.recipe.items()}
    for split, images in result.data.items():
        described = f"{images.num_images:,} of {images.source} ({images.fingerprint[:12]})"
        settings[f"{split} images"] = described
    settings["initial weights"] = result.initial_weights
    for step in ("trained_by", "recorded_by"):
        for name, value in result.software[step].items():
            settings[f"{step.replace('_', ' ')} {name}"] = value
    return settings | {"environment": result.software["environment"]}
