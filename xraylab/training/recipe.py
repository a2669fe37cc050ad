"""A recipe: every setting that determines the result of a training run."""

import inspect
import json
import os
import re
from collections.abc import Container
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, StrictStr

from xraylab import losses
from xraylab.arguments import require, require_choice
from xraylab.data import NAMED_SOURCES
from xraylab.models import spec
from xraylab.models.registry import SPECS
from xraylab.models.weights import PRETRAINED
from xraylab.training import augmentation


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().resolve())


def _absolute_unless(names: Container[str]) -> AfterValidator:
    """Return a validator that keeps these names and makes any other text an absolute path."""
    return AfterValidator(lambda text: text if text in names else _absolute(text))


def _path(source: Any) -> Any:
    """Make a path object or a run absolute, so that it is not taken for a name."""
    return _absolute(os.fspath(source)) if isinstance(source, os.PathLike) else source


def _text(path: Any) -> Any:
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def _json_value(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError


def _plain(options: Any) -> Any:
    """Convert tuples to lists and paths to text; refuse what JSON cannot hold."""
    try:
        return json.loads(json.dumps(options, allow_nan=False, default=_json_value))
    except TypeError:
        expected = "numbers, text, lists and dicts of them, or paths"
        raise ValueError(f"Expected: {expected}. Received: {options!r}.") from None


def _absolute_paths(options: dict[str, Any], info: pydantic.ValidationInfo) -> dict[str, Any]:
    """Make ``root`` and ``table`` absolute; the table of a folder stays relative to the root."""
    source = info.data.get("data", "")
    of_file = source not in NAMED_SOURCES and Path(source).suffix == ".npz"
    of_folder = source == "folder" or (source not in NAMED_SOURCES and not of_file)
    names = ("root",) if of_folder else ("root", "table")
    paths = {name: options[name] for name in names if isinstance(options.get(name), str)}
    return options | {name: _absolute(path) for name, path in paths.items()}


def _known_augmentation(options: dict[str, Any]) -> dict[str, Any]:
    if options:
        # The default of settings would add a whole preset to {"flip": True}.
        hint = 'Add presets="none" for the given operations alone.'
        expected = f"one of {', '.join(augmentation.PRESETS)}, or several joined by +"
        require("presets" in options, "presets", expected, "no presets", hint)
        augmentation.settings(**options)
    return options


PositiveInt = Annotated[StrictInt, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]
NonNegative = Annotated[Finite, Field(ge=0)]
Fraction = Annotated[Finite, Field(ge=0, lt=1)]
Options = Annotated[dict[str, Any], BeforeValidator(_plain)]
Text = Annotated[StrictStr, BeforeValidator(_text)]
Start = Annotated[StrictStr, BeforeValidator(_path), _absolute_unless([PRETRAINED])]
Teacher = Annotated[StrictStr, BeforeValidator(_path), _absolute_unless(SPECS)]
Source = Annotated[Text, _absolute_unless(NAMED_SOURCES)]
# An unknown name raises a ValueError that suggests one.
ModelName = Annotated[StrictStr, AfterValidator(lambda name: spec(name).name)]


class Recipe(pydantic.BaseModel):
    """The model, data, optimization and objective of a training run.

    The optimizer is AdamW. Its learning rate rises linearly during the warm-up, then follows half a
    cosine period (``loshchilov2017``, Eq. 5) and stays constant during the cool-down. A recipe
    holds plain values only, path objects as text, and is saved with the run. It is immutable;
    :meth:`replace` returns a changed copy.

    Args:
        model: a name of :func:`xraylab.models.list_models`.
        data: a named source of :func:`xraylab.data.load`, or the path of a folder of images or of a
            MedMNIST-style ``.npz`` file, which is made absolute.
        size: side of the images in pixels.
        epochs: passes over the training images.
        batch_size: images per optimizer step.
        learning_rate: maximum learning rate, at the end of the warm-up.
        weight_decay: decoupled weight decay of AdamW.
        warmup: fraction of all steps in the warm-up, in [0, 1).
        warmup_within_cosine: whether the cosine begins with the first step and the warm-up replaces
            its beginning, as in timm, instead of preceding it.
        final_learning_rate: learning rate at the end of the cosine.
        cooldown: fraction of all steps at that rate after the cosine, in [0, 1).
        decay_exclusions: whether biases, normalisations, position embeddings and tokens are
            excluded from weight decay.
        global_clip: maximum norm of the gradient of all weights together, or None.
        adaptive_clip: as in ``xraylab.training.optimizers.AdamW``, or None.
        ema: decay of the exponential moving average of the weights, in (0, 1). The average is
            then what is validated and saved. None trains without it.
        ema_warmup: whether that decay is at most (1 + step) / (10 + step). Without it, the average
            contains the fraction ``ema`` to the power of t of the initial weights after t steps.
        accumulation: number of micro-batches into which a batch is split to save memory. Batch
            normalisation takes its statistics from each of them.
        precision: dtype policy of the model; ``"auto"`` selects the fastest of the accelerator.
        xla: whether XLA compiles the training step; None leaves it to Keras.
        loss: loss of the labels: a name of :data:`xraylab.losses.LOSSES` or a short form of it.
        loss_options: its arguments, as ``{"gamma": 1.0}``.
        sum_over_labels: whether the loss of an image is the sum over its labels instead of the mean
            over known ones, as focal and asymmetric loss always are. The distillation loss is then
            divided by the number of labels, including those that the teacher does not know.
        augmentation: arguments of ``xraylab.training.augmentation.make`` with its ``presets``, as
            ``{"presets": "none", "flip": True}``; empty for none.
        objective: ``"classification"``, ``"distillation"`` or ``"masked_reconstruction"``; see
            ``xraylab.training.objectives``.
        teacher: for distillation, the name of a model with shipped weights, such as
            ``"densenet121"``, which predicts the 14 findings; the folder of a run; the ``.keras``
            file of a model of :func:`xraylab.models.build`; or the weights file of a public
            teacher. Or several, as ``["densenet121", "runs/dbct"]``, whose probabilities are
            averaged. ``"./densenet121"`` is a folder of that name.
        teacher_options: arguments of ``xraylab.training.distillation.load_teacher``, as
            ``{"hard": True}`` for hard distillation.
        distillation_weight: α, weight of the distillation loss in the total, in [0, 1].
        temperature: τ of :func:`xraylab.losses.distillation`.
        start_from: what initializes the weights: ``"pretrained"`` for the model's shipped weights,
            the folder of a run (``"./pretrained"`` is one of that name), or None for random
            weights. If the labels differ, the classifier starts at random. Weights of another image
            size are resized or refused as by :func:`xraylab.models.build`.
        model_options: further arguments of :func:`xraylab.models.build`.
        data_options: further arguments of :func:`xraylab.data.load`, as ``{"root": "images"}``;
            ``root`` is made absolute, and so is ``table``, except that of a folder.
        reconstruction_weight: λ of the reconstruction error, for models that reconstruct the image.
        seed: determines initial weights, dropout, augmentation and the order of the images.
        num_images: number of training images; None for all. For several splits, give
            ``data_options`` a ``num_images`` instead.
        label_names: names of the labels; None for those of the data.

    Raises:
        ValueError: if a field is invalid or unknown; the message names it.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: ModelName = "rr_vit"
    data: Source = "phantom"
    size: PositiveInt = 64
    epochs: PositiveInt = 10
    batch_size: PositiveInt = 32
    learning_rate: Positive = 4e-3
    weight_decay: NonNegative = 1e-2
    warmup: Fraction = 0.1
    warmup_within_cosine: StrictBool = False
    final_learning_rate: NonNegative = 0.0
    cooldown: Fraction = 0.0
    decay_exclusions: StrictBool = True
    global_clip: Positive | None = None
    adaptive_clip: Positive | None = None
    ema: Annotated[Finite, Field(gt=0, lt=1)] | None = None
    ema_warmup: StrictBool = True
    accumulation: PositiveInt = 1
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16", "auto"] = "float32"
    xla: StrictBool | None = None
    loss: Annotated[StrictStr, AfterValidator(losses.resolve_name)] = "binary_crossentropy"
    loss_options: Options = {}
    sum_over_labels: StrictBool = False
    reconstruction_weight: NonNegative = 1.0
    augmentation: Annotated[Options, AfterValidator(_known_augmentation)] = {}
    objective: Literal["classification", "distillation", "masked_reconstruction"] = "classification"
    teacher: Teacher | Annotated[tuple[Teacher, ...], Field(min_length=1)] | None = None
    teacher_options: Options = {}
    distillation_weight: Annotated[Finite, Field(ge=0, le=1)] = 0.5
    temperature: Positive = 1.0
    start_from: Start | None = None
    model_options: Options = {}
    data_options: Annotated[Options, AfterValidator(_absolute_paths)] = {}
    seed: Annotated[StrictInt, Field(ge=0, lt=2**32)] = 0
    num_images: PositiveInt | None = None
    label_names: tuple[StrictStr, ...] | None = None

    def __init__(self, *positional: Any, **values: Any):
        hint = "training.get_recipe(NAME) returns a named recipe."
        expected = 'fields by their names, as model="rr_vit"'
        require(not positional, "recipe", expected, ", ".join(map(repr, positional)), hint)
        for name in values:
            require_choice("recipe field", name, Recipe.model_fields)
        try:
            super().__init__(**values)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            problem = f"Invalid recipe field {first['loc'][0]}" if first["loc"] else ""
            if first["type"] == "value_error":  # of a validator here: its message is complete
                reason = first["msg"].removeprefix("Value error, ")
                raise ValueError(f"{problem}: {reason}" if problem else reason) from None
            expected = first["msg"].removeprefix("Input should be ")
            expected = expected.replace("a valid tuple", "a list").replace("a valid string", "text")
            raise ValueError(
                f"{problem}. Expected: {expected}. Received: {first['input']!r}."
            ) from None

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        rules = {
            "final_learning_rate must not exceed learning_rate": (
                self.final_learning_rate <= self.learning_rate
            ),
            "warmup and cooldown must add up to less than 1": self.warmup + self.cooldown < 1,
            'a teacher with objective="distillation", and with no other objective': (
                (self.objective == "distillation") == (self.teacher is not None)
            ),
            'temperature=1 with "hard" in teacher_options': (
                not self.teacher_options.get("hard") or self.temperature == 1
            ),
            "no augmentation with masked reconstruction, which corrupts the images itself": (
                self.predicts_labels or not self.augmentation
            ),
        }
        for rule, holds in rules.items():
            if not holds:
                names = [word for word in re.findall(r"\w+", rule) if hasattr(self, word)]
                received = ", ".join(f"{x}={getattr(self, x)!r}" for x in dict.fromkeys(names))
                raise ValueError(f"Invalid recipe. Expected: {rule}. Received: {received}.")
        return self

    @property
    def predicts_labels(self) -> bool:
        """Whether the model predicts labels; in masked pre-training it reconstructs images."""
        return self.objective != "masked_reconstruction"

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels; empty if they are those of the data, which are not loaded yet."""
        return self.label_names or ()

    @property
    def teachers(self) -> tuple[str, ...]:
        """The teachers, if any: absolute paths, or names of models with shipped weights."""
        return (self.teacher,) if isinstance(self.teacher, str) else self.teacher or ()

    def replace(self, **changes: Any) -> "Recipe":
        """Return a copy with some fields changed, validated again."""
        return Recipe(**{**dict(self), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, ready for JSON."""
        return self.model_dump(mode="json")

    def differences(self, other: "Recipe") -> dict[str, tuple]:
        """Return ``{field: (own, other's)}`` for the fields in which two recipes differ."""
        mine, theirs = self.to_dict(), other.to_dict()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


# The types of pydantic with their validators would fill the first page of help(Recipe).
Recipe.__signature__ = inspect.Signature(
    [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for name, field in Recipe.model_fields.items()
    ]
)
