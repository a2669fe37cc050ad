"""Records of runs: reading them, and recomputing their scores from stored predictions."""

import warnings
from pathlib import Path

import pydantic

from xraylab.results.predictions import load
from xraylab.results.schema import Result, ResultError
from xraylab.results.scoring import TOLERANCES, differences, score_predictions, score_splits


def load_result(path: str | Path) -> Result:
    """Read a record and recompute its scores from its predictions, if they are stored.

    Intervals and calibration take seconds and are left to :func:`check`.

    Raises:
        ResultError: naming the file, if it is not a valid record, has another name than its file,
            or its scores disagree with its predictions.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such record")
    try:
        result = Result.model_validate_json(path.read_bytes())
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        location = "/".join(map(str, first["loc"])) or "the file"
        raise ResultError(
            f"{path}: invalid record: {location}: {first['msg']}. Record the run again"
        ) from error
    if result.name != path.stem:
        raise ResultError(f"{path}: this is the record of {result.name}. Rename the file")
    predictions = None
    if result.predictions_file is not None:
        predictions = _load_predictions(path, result)
    return result.model_copy(update={"path": path, "predictions": predictions})


def load_results(folder: str | Path) -> list[Result]:
    """Read all records of a folder, sorted by name.

    Raises:
        ResultError: for the first invalid record, as :func:`load_result`.
        FileNotFoundError: if there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder of records")
    return [load_result(path) for path in sorted(folder.glob("*.json"))]


def check(folder: str | Path, progress: bool = False) -> tuple[list[str], list[str]]:
    """Read all records of a folder and recompute everything that predictions determine.

    Returns:
        ``(checked, unchecked)``: names of the records whose scores, intervals, calibration and
        operating points were recomputed, and of those without stored predictions.

    Raises:
        ResultError: naming the file, for the first record that disagrees.
        FileNotFoundError: if there is no such folder.
    """
    checked, unchecked = [], []
    for result in load_results(folder):
        if result.predictions is None:
            unchecked.append(result.name)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # negative slopes are in the record
            computed = score_predictions(result.predictions, result.protocol, progress)
        for part in TOLERANCES:
            _require_equal(result.path, getattr(result, part), getattr(computed, part), part)
        checked.append(result.name)
    return checked, unchecked


def _load_predictions(path, result):
    """Load the predictions of a record, and check that they belong to it."""
    try:
        predictions = load(path.with_name(Path(result.predictions_file).name))
        computed = score_splits(predictions, result.protocol)
    except ValueError as error:
        raise ResultError(f"{path}: {error}") from error
    for split, values in predictions.items():
        if values.labels_sha256 != result.data[split].labels_sha256:
            raise ResultError(
                f"{path}: the labels in {result.predictions_file} are not those of the {split} "
                "images. Restore the file"
            )
    unit = predictions["test"].unit
    if result.protocol.unit != unit:
        raise ResultError(f"{path}: protocol/unit: Expected: {unit}")
    _require_equal(path, result.scores, computed, "scores")
    return predictions


def _require_equal(path, recorded, computed, part):
    """Raise ResultError if a part of a record disagrees with the recomputed one."""
    for location, value, expected in differences(recorded, computed, part):
        raise ResultError(
            f"{path}: {location} is {value}, but the predictions give {expected}. Record the run "
            "again"
        )
