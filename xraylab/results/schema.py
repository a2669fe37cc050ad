"""The content of a record, validated by pydantic."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, Field, InstanceOf, PositiveInt

from xraylab import evaluation, metrics
from xraylab.results.predictions import Predictions


class ResultError(ValueError):
    """A record, or the run to be recorded, is inconsistent."""


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Images(_Model):
    """The images of one split.

    ``labels_sha256`` is the checksum of the labels, which images at other sizes share.
    """

    source: str
    num_images: PositiveInt
    size: PositiveInt
    fingerprint: str
    labels_sha256: str | None = None


class Training(_Model):
    """Length and cost of the training."""

    epochs: PositiveInt
    best_epoch: PositiveInt
    steps: PositiveInt
    seconds: float
    peak_bytes: int | None
    begun: str
    finished: str
    parameters: PositiveInt


class Protocol(_Model):
    """How predictions were scored.

    Attributes:
        label_names: names of the labels.
        train_prevalence: prevalence of each label in the training images, for the baseline.
        replicates, level, seed: of the bootstrap intervals.
        unit: what was resampled.
    """

    label_names: tuple[str, ...]
    train_prevalence: tuple[float, ...]
    replicates: PositiveInt = 1000
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    seed: int = 0
    unit: Literal["images", "patients"]


def _null_to_nan(value):
    """Replace None by NaN in nested JSON values."""
    if isinstance(value, dict):
        return {name: _null_to_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_null_to_nan(item) for item in value]
    return float("nan") if value is None else value


_NAN = BeforeValidator(_null_to_nan)
Score = Annotated[metrics.Score, _NAN]
Interval = Annotated[evaluation.Interval, _NAN]
OperatingPoint = Annotated[evaluation.OperatingPoint, _NAN]


class CalibrationScores(_Model):
    """Calibration of test probabilities; ``calibration`` is None for uncalibrated ones."""

    calibration_error: Interval
    brier: Interval
    null_calibration_error: float
    calibration: evaluation.Calibration | None = None
    negative_slopes: tuple[str, ...] = ()


class ScoredPredictions(_Model):
    """Everything that is computed from the predictions.

    Attributes:
        scores: scores by split.
        intervals: intervals of the test scores by score or label name.
        calibration: ``"uncalibrated"``, ``"temperature"`` (None if there is no optimum) and
            ``"platt"``, fitted on validation images and scored on test images.
        operating_points: by rule, one for each label, with thresholds from validation images and
            scores on test images.
    """

    scores: dict[str, Score]
    intervals: dict[str, Interval]
    calibration: dict[str, CalibrationScores | None]
    operating_points: dict[str, tuple[OperatingPoint, ...]]


class Result(ScoredPredictions):
    """One recorded run.

    Attributes:
        name: name of the record and of its file.
        recipe_name: the named recipe, or None.
        recipe_changes: ``{field: (named, used)}``.
        recipe: the recipe that was used; files and folders by name only.
        initial_weights: SHA-256 of the weights that training started from, under ``start_from``,
            and of teachers, under ``teacher`` or ``teacher 1``, ``teacher 2`` and so on.
        simulated: whether the images are simulated.
        data: images by split.
        software: ``trained_by``, ``recorded_by`` and ``environment``.
        cost: what the model costs on a device, or None.
        predictions_file: name of the file with the predictions beside the record.
        path, predictions: where the record was read from, and its predictions by split, None
            without labels; not in the file.
    """

    schema_version: Literal[2] = 2
    name: str
    recipe_name: str | None
    recipe_changes: dict[str, tuple[Any, Any]] | None
    recipe: dict[str, Any]
    initial_weights: dict[str, str]
    simulated: bool
    data: dict[str, Images]
    training: Training
    weights_sha256: str
    protocol: Protocol
    cost: evaluation.DeviceCost | None
    software: dict[str, dict[str, Any]]
    recorded: str
    predictions_file: str
    path: Path = Field(default=Path(), exclude=True)
    predictions: dict[str, InstanceOf[Predictions]] | None = Field(default=None, exclude=True)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self.protocol.label_names

    @property
    def prevalence_baseline(self) -> metrics.Baseline:
        """Test scores of predicting each label's prevalence in the training images."""
        return self.scores["test"].baselines[1]

    def describe(self) -> str:
        """Describe the training images, and the test macro AUC with its interval, in a sentence."""
        train, test, auc = self.data["train"], self.data["test"], self.intervals["macro_auc"]
        kind = "SIMULATED images" if self.simulated else "real images"
        return (
            f"{self.recipe['model']} at {train.size} px, trained on {train.num_images:,} {kind} "
            f"({train.source}): macro AUC {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}] on "
            f"{test.num_images:,} test images, {self.protocol.level:.0%} interval by "
            f"{self.protocol.unit}."
        )

    def score(self, name: str, split: str = "test") -> float:
        """Return an attribute of a :class:`xraylab.metrics.Score`; NaN where undefined."""
        return getattr(self.scores[split], name)
