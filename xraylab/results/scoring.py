"""Scores of stored predictions, and their comparison with those of a record."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xraylab import evaluation, io, metrics
from xraylab.results.predictions import Predictions
from xraylab.results.schema import Protocol, ScoredPredictions

TOLERANCES = {"scores": 1e-5, "intervals": 1e-5, "calibration": 1e-4, "operating_points": 2e-4}
"""Largest difference of a recorded number from the recomputed one, relative above 1. Other machines
sum in another order and stop optimizers elsewhere; records of 2026 were scored in float32, where
neighbouring logits may share a probability."""


def score_splits(
    predictions: dict[str, Predictions], protocol: Protocol
) -> dict[str, metrics.Score]:
    """Compute the scores of each split."""
    options = {"label_names": protocol.label_names, "prevalence": protocol.train_prevalence}
    return {
        split: metrics.score(values.y_true, values.probabilities, **options)
        for split, values in predictions.items()
    }


def score_predictions(
    predictions: dict[str, Predictions], protocol: Protocol, progress: bool = False
) -> ScoredPredictions:
    """Compute everything that a record states of its predictions; takes seconds."""
    val, test = predictions["val"], predictions["test"]
    options = protocol.model_dump(include={"replicates", "level", "seed"})
    options |= {"patients": test.patients, "progress": progress}
    result = evaluation.fit_calibration(val.y_true, val.logits)
    calibration = {
        "uncalibrated": calibration_scores(test.y_true, test.probabilities, **options),
        "temperature": None,
    }
    for fitted in filter(None, (result.temperature, result.platt)):
        calibration[fitted.method] = {
            **calibration_scores(test.y_true, fitted(test.logits), **options),
            "calibration": fitted,
            "negative_slopes": [protocol.label_names[k] for k in fitted.negative_slopes],
        }
    operating_points = {
        rule: tuple(
            evaluation.operating_points(
                test.y_true, test.probabilities, np.array(thresholds, dtype=float)
            )
        )
        for rule, thresholds in result.thresholds.items()
    }
    return ScoredPredictions(
        scores=score_splits(predictions, protocol),
        intervals=evaluation.bootstrap(
            test.y_true, test.probabilities, label_names=protocol.label_names, **options
        ),
        calibration=calibration,
        operating_points=operating_points,
    )


def calibration_scores(
    y_true: ArrayLike, probabilities: ArrayLike, **options: Any
) -> dict[str, evaluation.Interval | float]:
    """Compute calibration error and Brier score with intervals, and the null calibration error.

    Args:
        y_true, probabilities: as :func:`xraylab.evaluation.calibration_intervals`.
        options: its further arguments.
    """
    known = ~np.isnan(np.asarray(y_true, dtype=float))
    return evaluation.calibration_intervals(y_true, probabilities, **options) | {
        "null_calibration_error": evaluation.null_calibration_error(probabilities, known)
    }


def differences(recorded: Any, computed: Any, part: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield ``(location, recorded, computed)`` for each value of a part that disagrees."""
    first, second = (dict(_leaves(io.to_plain(v), part)) for v in (recorded, computed))
    for location in first | second:
        a, b = first.get(location), second.get(location)
        if isinstance(a, float | int) and isinstance(b, float | int):
            equal = abs(a - b) <= TOLERANCES[part] * max(1, abs(b))
        else:
            equal = a == b
        if not equal:
            yield location, a, b


def _leaves(value, location):
    """Yield ``(location, leaf)`` of nested JSON values."""
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, f"{location}/{name}")
    else:
        yield location, value
