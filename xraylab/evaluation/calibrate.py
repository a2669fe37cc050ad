"""Calibration and thresholds of a run, stored in its folder."""

from pathlib import Path

import pydantic

from xraylab import io
from xraylab.evaluation.calibration import Calibration, CalibrationResult, fit_calibration

FILE = "calibration.json"
"""File name in the run's folder."""


class _Content(pydantic.BaseModel):
    """Content of the file."""

    label_names: tuple[str, ...]
    num_images: int
    fingerprint: str
    weights_sha256: str
    temperature: Calibration | None
    platt: Calibration
    negative_slopes: tuple[str, ...]
    thresholds: dict[str, tuple[float | None, ...]]


def calibrate(path: str | Path, *, progress: bool = True) -> CalibrationResult:
    """Fit calibration and thresholds to a run's validation images, and store them in its folder.

    Args:
        path: the run's folder.
        progress: whether to show progress bars.

    Returns:
        :class:`CalibrationResult` for the run's best weights, also written to
        ``calibration.json``. Labels with a negative Platt slope raise a warning and are listed
        there as ``negative_slopes``.

    Raises:
        FileNotFoundError: if there is no run, or it has no weights yet.
        ValueError: as :func:`xraylab.data.load` and :func:`fit_calibration`.
    """
    from xraylab.models import predict_logits
    from xraylab.training.run import Run, load_images

    run = Run(path)
    run.require_classifier()
    split = load_images(run.recipe, "val", progress)
    result = fit_calibration(split.labels, predict_logits(run.load_model("best"), split))
    stored = _Content(
        label_names=split.label_names,
        num_images=len(split),
        fingerprint=split.fingerprint,
        weights_sha256=io.sha256(run.weights_file("best")),
        negative_slopes=tuple(split.label_names[k] for k in result.platt.negative_slopes),
        **vars(result),
    )
    io.write_json(run.path / FILE, stored)
    return result


def load_calibration(path: str | Path) -> CalibrationResult:
    """Load the calibration that :func:`calibrate` stored in a run's folder.

    Raises:
        FileNotFoundError: if the run has no calibration yet.
        ValueError: if the file cannot be read, or was fitted for other weights than the run's.
    """
    from xraylab.training import Run

    run, file = Run(path), Path(path) / FILE
    command = f"Fit it with: xraylab calibrate {path}"
    if not file.exists():
        raise FileNotFoundError(f"{file}: this run has no calibration yet. {command}")
    try:
        stored = _Content.model_validate_json(file.read_bytes())
    except pydantic.ValidationError as error:
        raise ValueError(f"{file}: Expected: a file of xraylab calibrate. {error}") from error
    result = CalibrationResult(stored.temperature, stored.platt, stored.thresholds)
    count = len(stored.label_names)
    columns = (result.platt.slope, result.platt.offset, *result.thresholds.values())
    if stored.label_names != run.recipe.label_names or any(len(c) != count for c in columns):
        raise ValueError(f"{file}: Expected: values for the labels of the run. {command}")
    if stored.weights_sha256 != io.sha256(run.weights_file("best")):
        raise ValueError(f"{file}: fitted for other weights than the run has now. {command}")
    return result
