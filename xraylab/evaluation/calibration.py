"""Calibration after training by temperature and Platt scaling; storage in a run's folder."""

import os
import shlex
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydantic
import scipy
from numpy.typing import ArrayLike
from scipy.special import expit

from xraylab import io
from xraylab.arguments import require
from xraylab.evaluation.thresholds import RULES, choose_thresholds
from xraylab.metrics import check_predictions

FILE = "calibration.json"
"""File name in a run's folder."""


@dataclass(frozen=True)
class Calibration:
    """Calibrated probabilities σ(a z + b) of logits z, with a slope and an offset for each label.

    Attributes:
        slope: (num_labels,) a.
        offset: (num_labels,) b.
        method: how they were fitted, ``"temperature"`` or ``"platt"``.
    """

    slope: tuple[float, ...]
    offset: tuple[float, ...]
    method: str

    def __call__(self, logits: ArrayLike) -> np.ndarray:
        """Compute calibrated probabilities.

        Shapes:
            logits: (num_images, num_labels).
            returns: (num_images, num_labels) float64, in [0, 1].

        Raises:
            ValueError: for another number of labels.
        """
        logits = np.asarray(logits, dtype=np.float64)
        fits = logits.ndim == 2 and logits.shape[1] == len(self.slope)
        require(fits, "logits", f"shape (num_images, {len(self.slope)})", f"shape {logits.shape}")
        return expit(logits * np.array(self.slope) + np.array(self.offset))

    @property
    def negative_slopes(self) -> tuple[int, ...]:
        """Indices of labels with a negative slope, whose ranking calibration reverses."""
        return tuple(k for k, slope in enumerate(self.slope) if slope < 0)


@dataclass(frozen=True, repr=False)
class CalibrationResult:
    """Calibration and thresholds fitted to logits of validation images.

    Attributes:
        temperature: temperature scaling, one temperature for all labels; None if no temperature
            maximises the likelihood.
        platt: Platt scaling, a slope and an offset for each label.
        thresholds: for each rule of :func:`choose_thresholds`, a threshold of the *uncalibrated*
            probability for each label; None for labels with one class.
    """

    temperature: Calibration | None
    platt: Calibration
    thresholds: dict[str, tuple[float | None, ...]]

    def __repr__(self) -> str:
        temperature = None if self.temperature is None else f"{1 / self.temperature.slope[0]:.3f}"
        platt = f"platt of {len(self.platt.slope)} labels"
        rules = ", ".join(self.thresholds)
        return f"CalibrationResult(temperature {temperature}, {platt}, thresholds by {rules})"


def calibrate(path: str | os.PathLike, *, progress: bool = True) -> CalibrationResult:
    """Fit calibration and thresholds to a run's validation images, and store them in its folder.

    Args:
        path: the run, or its folder.
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
    content = {
        "label_names": split.label_names,
        "num_images": len(split),
        "fingerprint": split.fingerprint,
        "weights_sha256": io.sha256(run.weights_file("best")),
        "negative_slopes": [split.label_names[k] for k in result.platt.negative_slopes],
        **vars(result),
    }
    io.write_json(run.path / FILE, content)
    return result


def load_calibration(path: str | os.PathLike) -> CalibrationResult:
    """Load the calibration of a run, or of weights that come with xraylab.

    Args:
        path: a run or its folder, in which :func:`calibrate` stored it, or the path of a weight
            file, beside which it has the same name with the suffix ``.calibration.json``.

    Raises:
        FileNotFoundError: if there is no calibration yet.
        ValueError: if the file cannot be read, or was fitted for other weights.
    """
    from xraylab.models.weights import SUFFIX
    from xraylab.training import Run

    path = Path(path)
    if path.name.endswith(SUFFIX):
        weights, file = path, path.with_name(f"{path.name.removesuffix(SUFFIX)}.{FILE}")
        command = "tools/ship_weights.py writes it"
    else:
        weights, file = Run(path).weights_file("best"), path / FILE
        command = f"Fit it with: xraylab calibrate {shlex.quote(str(path))}"
    if not file.exists():
        raise FileNotFoundError(f"{file}: there is no calibration yet. {command}")
    content = io.read_json(file)
    try:
        result = pydantic.TypeAdapter(CalibrationResult).validate_python(content)
        fitted_for = content["weights_sha256"]
    except (pydantic.ValidationError, KeyError) as error:
        raise ValueError(
            f"{file} is damaged. Expected: a calibration written by xraylab. Received: other JSON. "
            f"{command}"
        ) from error
    if fitted_for != io.sha256(weights):
        raise ValueError(f"{file}: fitted for other weights than those there now. {command}")
    return result


def fit_calibration(y_true: ArrayLike, logits: ArrayLike) -> CalibrationResult:
    """Fit temperature scaling, Platt scaling and thresholds to validation images.

    Warns of logits that all lie in [0, 1], as probabilities do.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        logits: (num_images, num_labels), as :func:`xraylab.models.predict_logits` returns them.

    Raises:
        ValueError: if shapes differ, a logit is not finite, or all known labels are equal.
    """
    low, high = np.min(logits, initial=np.inf), np.max(logits, initial=-np.inf)
    if 0 <= low <= high <= 1:  # possible for the logits of an untrained model
        warnings.warn(
            f"All logits lie in [0, 1], from {low:.3g} to {high:.3g}, as probabilities do. Pass "
            "models.predict_logits(model, split), not the probabilities of evaluation.predict",
            stacklevel=2,
        )
    platt = fit_platt(y_true, logits)
    try:
        temperature = fit_temperature(y_true, logits)
    except ValueError:  # the arguments are valid, as fit_platt accepted them
        temperature = None
    probabilities = expit(np.asarray(logits, dtype=np.float64))
    chosen = {rule: choose_thresholds(y_true, probabilities, rule).tolist() for rule in RULES}
    thresholds = {
        rule: tuple(None if np.isnan(t) else t for t in values) for rule, values in chosen.items()
    }
    return CalibrationResult(temperature, platt, thresholds)


def fit_temperature(y_true: ArrayLike, logits: ArrayLike) -> Calibration:
    """Fit one temperature T > 0 for all labels by maximum likelihood.

    The slope of every label is 1 / T, so no ranking within a label changes, and no AUC.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        logits: (num_images, num_labels).

    Raises:
        ValueError: if shapes differ, a logit is not finite, all known labels are equal, or the
            likelihood has no maximum for T between 1/1000 and 1000: the logits do not correlate
            with the labels, or separate them perfectly.

    References: ``guo2017``, Sect. 4.2, with sigmoids.
    """
    y_true, known, logits = _check_logits(y_true, logits)
    targets, z = y_true[known], logits[known]

    def loss(log_temperature):
        scaled = z * np.exp(-log_temperature)
        return np.mean(np.logaddexp(0, scaled) - scaled * targets)

    limit = np.log(1000)
    found = scipy.optimize.minimize_scalar(
        loss, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-8}
    )
    if abs(found.x) > 0.99 * limit:
        raise ValueError(
            "No temperature between 1/1000 and 1000 maximises the likelihood: the logits do not "
            "correlate with these labels, or separate them perfectly"
        )
    num_labels = logits.shape[1]
    return Calibration((float(np.exp(-found.x)),) * num_labels, (0.0,) * num_labels, "temperature")


def fit_platt(y_true: ArrayLike, logits: ArrayLike) -> Calibration:
    """Fit a slope and an offset for each label by maximum likelihood.

    Labels with one class keep slope 1 and offset 0. Warns of negative slopes: the label's
    validation AUC is below chance, and calibrated probabilities fall as logits rise.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        logits: (num_images, num_labels).

    Raises:
        ValueError: as :func:`fit_calibration`.

    References: ``platt1999``, with its softened targets.
    """
    y_true, known, logits = _check_logits(y_true, logits)
    fitted = np.tile([1.0, 0.0], (logits.shape[1], 1))
    for k, rows in enumerate(known.T):
        positive = y_true[rows, k]
        positives, negatives = positive.sum(), (~positive).sum()
        if positives and negatives:
            targets = np.where(positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))
            fitted[k] = _fit_logistic(targets, logits[rows, k])
    slope, offset = fitted.T.tolist()
    platt = Calibration(tuple(slope), tuple(offset), "platt")
    if platt.negative_slopes:
        warnings.warn(
            f"Platt scaling has a negative slope for labels {list(platt.negative_slopes)}: on the "
            "images it was fitted to, their AUC is below 0.5, and calibration reverses their "
            "ranking. Do not use the calibrated probabilities of these labels",
            stacklevel=2,
        )
    return platt


def _fit_logistic(targets, logits):
    """Minimise the cross-entropy, which is convex in slope and offset."""
    columns = np.stack([logits, np.ones_like(logits)], axis=1)

    def loss(weights):
        z = columns @ weights
        gradient = columns.T @ (expit(z) - targets) / len(z)
        return np.mean(np.logaddexp(0, z) - z * targets), gradient

    return scipy.optimize.minimize(
        loss, np.array([1.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-8}
    ).x


def _check_logits(y_true, logits):
    """Return labels and which are known, both bool, and logits as float64; or raise ValueError."""
    logits = np.asarray(logits, dtype=np.float64)
    bad = (~np.isfinite(logits)).sum()
    require(not bad, "logits", "finite values", f"{bad} NaN or infinite values")
    y_true, known, _ = check_predictions(y_true, expit(logits))
    prevalence = y_true[known].mean()
    require(0 < prevalence < 1, "y_true", "both 0 and 1", f"only {prevalence:g}")
    return y_true, known, logits
