"""Load the records of runs, and compare their numbers with those of the stored predictions."""

import math
import shlex
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
from numpy.typing import ArrayLike

from xraylab import data, evaluation, io, metrics
from xraylab.results.predictions import SPLITS, Predictions, load
from xraylab.results.schema import Protocol, Result, ResultError, ScoredPredictions

TOLERANCES = {"scores": 1e-5, "intervals": 1e-5, "calibration": 1e-4, "operating_points": 2e-4}
"""Largest difference of a recorded number from the recomputed one: absolute for numbers up to 1,
relative for larger ones. Other machines sum in another order, and their optimizers stop at slightly
other values; records of 2026 were scored in float32, where neighbouring logits may share a
probability."""


def load_result(path: str | Path, images: Iterable[data.Split] = ()) -> Result:
    """Read a record and recompute its scores from its predictions.

    Intervals and calibration take seconds and are left to :func:`check`.

    Args:
        path: the JSON file.
        images: splits of real images. Records of real images hold no labels: their scores are
            recomputed, and ``predictions`` is set, only if the validation and the test split are
            among ``images``. Load these with the table of their patients if the record's intervals
            are over patients.

    Raises:
        ResultError: naming the file, if it is not a valid record, its scores disagree with its
            predictions, or its intervals are over patients and ``images`` do not name them.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    try:
        result = Result.model_validate_json(path.read_bytes())
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        location = "/".join(map(str, first["loc"])) or "the file"
        raise ResultError(
            f"{path}: invalid record: {location}: {first['msg']}. Record the run again"
        ) from error
    predictions = _load_predictions(path, result, images)
    return result.model_copy(update={"path": path, "predictions": predictions})


def load_results(folder: str | Path, images: Iterable[data.Split] = ()) -> list[Result]:
    """Read all records of a folder, sorted by name.

    Args:
        folder: the folder.
        images: as for :func:`load_result`.

    Raises:
        ResultError: for the first invalid record, as :func:`load_result`.
        FileNotFoundError: if there is no such folder, or it holds runs instead.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: there is no such folder of records. Record a run with: xraylab results "
            f"record RUN --folder {shlex.quote(str(folder))}; or pass another --folder"
        )
    paths, images = sorted(folder.glob("*.json")), list(images)
    if not paths and (run := next(folder.glob("*/run.json"), None)):
        raise FileNotFoundError(
            f"{folder}: this is a folder of runs, without records. Record each run with: xraylab "
            f"results record {shlex.quote(str(run.parent))} --folder records; and load that folder"
        )
    return [load_result(path, images) for path in paths]


def check(
    folder: str | Path, images: Iterable[data.Split] = (), progress: bool = False
) -> tuple[list[str], list[str]]:
    """Read all records of a folder and recompute everything that predictions determine.

    Args:
        folder: the folder.
        images: as for :func:`load_result`.
        progress: whether to show progress bars.

    Returns:
        ``(checked, unchecked)``: names of the records whose scores, intervals, calibration and
        operating points were recomputed, and of those without labels.

    Raises:
        ResultError: naming the file, for the first record that disagrees.
        FileNotFoundError: if there is no such folder.
    """
    checked, unchecked = [], []
    for result in load_results(folder, images):
        if result.predictions is None:
            unchecked.append(result.name)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # negative slopes are in the record
            computed = score_predictions(result.predictions, result.protocol, progress)
        for part in TOLERANCES:
            require_equal(result.path, part, getattr(result, part), getattr(computed, part))
        checked.append(result.name)
    return checked, unchecked


def score_predictions(
    predictions: dict[str, Predictions], protocol: Protocol, progress: bool = False
) -> ScoredPredictions:
    """Compute scores, intervals, calibration and operating points from the predictions of a run.

    The bootstrap takes seconds.

    Args:
        predictions: those for the ``"val"`` and ``"test"`` images.
        protocol: label names, prevalences and the options of the bootstrap.
        progress: whether to show progress bars.
    """
    val, test = predictions["val"], predictions["test"]
    options = protocol.model_dump(include={"replicates", "level", "seed"})
    options |= {"patients": test.patients, "progress": progress}
    fitted = evaluation.fit_calibration(val.y_true, val.logits)
    calibration = {
        "uncalibrated": calibration_scores(test.y_true, test.probabilities, **options),
        "temperature": None,
    }
    for method in filter(None, (fitted.temperature, fitted.platt)):
        calibration[method.method] = {
            **calibration_scores(test.y_true, method(test.logits), **options),
            "calibration": method,
            "negative_slopes": [protocol.label_names[k] for k in method.negative_slopes],
        }
    return ScoredPredictions(
        scores=_score_splits(predictions, protocol),
        intervals=evaluation.bootstrap(
            test.y_true, test.probabilities, label_names=protocol.label_names, **options
        ),
        calibration=calibration,
        operating_points={
            rule: tuple(evaluation.operating_points(test.y_true, test.probabilities, thresholds))
            for rule, thresholds in fitted.thresholds.items()
        },
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


def require_equal(path: Path, part: str, recorded: Any, computed: Any) -> None:
    """Raise a ResultError if a number of a record disagrees with the recomputed one.

    Args:
        path: file of the record.
        part: one of :data:`TOLERANCES`.
        recorded, computed: the values of the part.
    """

    def compare(location, value, expected):
        if isinstance(value, list) and isinstance(expected, list):
            value, expected = dict(enumerate(value)), dict(enumerate(expected))
        if isinstance(value, dict) and isinstance(expected, dict):
            for name in value | expected:
                compare(f"{location}/{name}", value.get(name), expected.get(name))
        elif not _equal(value, expected, TOLERANCES[part]):
            raise ResultError(
                f"{path}: {location} does not agree with the predictions. Expected: {expected}. "
                f"Received: {value}. Record the run again"
            )

    compare(part, io.to_plain(recorded), io.to_plain(computed))


def _equal(value, expected, tolerance):
    if isinstance(value, float | int) and isinstance(expected, float | int):
        return math.isclose(value, expected, rel_tol=tolerance, abs_tol=tolerance)
    return value == expected


def _score_splits(predictions, protocol):
    """Compute the :class:`xraylab.metrics.Score` of each split."""
    options = {"label_names": protocol.label_names, "prevalence": protocol.train_prevalence}
    return {
        split: metrics.score(values.y_true, values.probabilities, **options)
        for split, values in predictions.items()
    }


def _interval_values(intervals, score):
    """Return the values that intervals have, and those of a :class:`xraylab.metrics.Score`."""
    values = {name: getattr(score, name) for name in evaluation.SCORES}
    values |= {row.label: row.roc_auc for row in score.per_finding}
    common = values.keys() & intervals.keys()
    recorded = {name: {"value": intervals[name].value} for name in common}
    return recorded, {name: {"value": values[name]} for name in common}


def _load_predictions(path, result, images):
    """Return the predictions of a record, after a check; None without labels."""
    fingerprints = {split: result.data[split].fingerprint for split in SPLITS}
    matching = {s.split: s for s in images if s.fingerprint == fingerprints.get(s.split)}
    try:
        predictions = load(path.with_name(Path(result.predictions_file).name), matching)
        if predictions is None:
            return None
        scores = _score_splits(predictions, result.protocol)
    except ValueError as error:
        raise ResultError(f"{path}: {error}") from error
    for split, values in predictions.items():
        if values.labels_sha256 != result.data[split].labels_sha256:
            raise ResultError(
                f"{path}: the labels in {result.predictions_file} are not those of the {split} "
                "images. Restore the file"
            )
    if result.protocol.unit == "images":
        predictions = {split: replace(p, patients=None) for split, p in predictions.items()}
    elif predictions["test"].patients is None:
        raise ResultError(
            f"{path}: its intervals are over patients. Expected: images with the table of their "
            "patients (table=…, on the command line --table). Received: images without one."
        )
    require_equal(path, "scores", result.scores, scores)
    require_equal(path, "intervals", *_interval_values(result.intervals, scores["test"]))
    return predictions
