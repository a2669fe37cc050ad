"""What a run learns from its validation images after training: calibration and thresholds."""

import json
from dataclasses import dataclass
from pathlib import Path

from xraylab.evaluation.calibration import Calibration, fit_platt, fit_temperature
from xraylab.evaluation.thresholds import RULES, choose_thresholds
from xraylab.io import sha256
from xraylab.models import predict_logits, sigmoid
from xraylab.training.run import Run, load_images, write_json

FILE = "calibration.json"
"""Where a run's folder holds it, beside the weights it belongs to."""


@dataclass(frozen=True)
class Fitted:
    """What was fitted to the logits that one set of weights gives for validation images.

    Attributes:
        temperature: one :class:`Calibration` for all labels; None where none is likeliest.
        platt: a :class:`Calibration` with a slope and an offset for each label.
        thresholds: for each rule of :func:`choose_thresholds` one threshold a label, for the
            probabilities as the model gives them; None where a label had one class only.
    """

    temperature: Calibration | None
    platt: Calibration
    thresholds: dict[str, tuple[float | None, ...]]

    def to_dict(self):
        """Return plain values, ready for JSON."""
        return {
            "temperature": None if self.temperature is None else self.temperature.to_dict(),
            "platt": self.platt.to_dict(),
            "thresholds": {rule: list(values) for rule, values in self.thresholds.items()},
        }

    @classmethod
    def from_dict(cls, values):
        """Return what :meth:`to_dict` gave."""
        temperature = values["temperature"]
        return cls(
            None if temperature is None else Calibration.from_dict(temperature),
            Calibration.from_dict(values["platt"]),
            {rule: tuple(chosen) for rule, chosen in values["thresholds"].items()},
        )


def fit_to(y_true, logits):
    """Return what validation images tell of logits: calibration, and thresholds by every rule.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, nan where unknown; logits: the same shape.

    Raises:
        ValueError: as :func:`fit_platt`.
    """
    platt = fit_platt(y_true, logits)
    try:
        temperature = fit_temperature(y_true, logits)
    except ValueError:  # shapes and values have passed above: these logits have none
        temperature = None
    thresholds = {
        rule: tuple(
            None if value != value else float(value)  # only nan differs from itself
            for value in choose_thresholds(y_true, sigmoid(logits), rule)
        )
        for rule in RULES
    }
    return Fitted(temperature, platt, thresholds)


def calibrate(path, *, progress=True):
    """Fit calibration and thresholds on a run's validation images; keep them beside its weights.

    Args:
        path: the run's folder.
        progress: whether to show the progress of long work.

    Returns:
        :class:`Fitted`, for the run's best weights; also written to ``calibration.json``.

    Raises:
        FileNotFoundError: if there is no run, or it has no weights yet.
        ValueError: as :func:`xraylab.data.load` and :func:`fit_to`.
    """
    run = Run(path)
    run.require_classifier()
    images = load_images(run.recipe, "val", progress)
    fitted = fit_to(images.truth, predict_logits(run.load_model("best"), images))
    facts = {
        "label_names": list(run.recipe.label_names),
        "images": len(images),
        "fingerprint": images.fingerprint,
        "weights_sha256": sha256(run.weights_file("best")),
    }
    write_json(run.path / FILE, facts | fitted.to_dict())
    return fitted


def load_calibration(path):
    """Return what :func:`calibrate` has left in a run's folder.

    Raises:
        FileNotFoundError: if there is none yet.
        ValueError: if it belongs to other weights than the run's best ones, or cannot be read.
    """
    run, place = Run(path), Path(path) / FILE
    command = f"Fit it with: xraylab calibrate {path}"
    if not place.exists():
        raise FileNotFoundError(f"{place}: this run has no calibration yet. {command}")
    try:
        values = json.loads(place.read_text(encoding="utf-8"))
        belongs, fitted = values["weights_sha256"], Fitted.from_dict(values)
        count = len(run.recipe.label_names)
        lists = (fitted.platt.slope, fitted.platt.offset, *fitted.thresholds.values())
        if any(len(numbers) != count for numbers in lists):
            raise ValueError(f"it is not for {count} labels")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{place}: expected what xraylab calibrate writes; {error!r}") from error
    if belongs != sha256(run.weights_file("best")):
        raise ValueError(f"{place}: fitted for other weights than the run has now. {command}")
    return fitted
