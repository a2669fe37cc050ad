"""A recipe: everything that decides how a run comes out, in one small frozen object."""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral
from pathlib import Path

from xraylab import losses
from xraylab.data import NAMED_SOURCES
from xraylab.models import spec

LOSSES = tuple(losses.LOSSES)
"""Losses of the labels that a recipe may name: functions of :mod:`xraylab.losses`."""

OBJECTIVES = ("classification", "distillation", "masked_reconstruction")
"""What a recipe may train for; see :mod:`xraylab.training.objectives`."""

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16", "auto")
"""In what numbers a recipe may compute; weights are always float32."""


@dataclass(frozen=True)
class Recipe:
    """What is trained, on what, and how.

    The optimiser is AdamW. Its learning rate rises linearly over the warm-up, then falls along half
    a cosine (``loshchilov2017``, Eq. 5). A recipe holds plain values only, so that it can be saved
    with the run and read by people.

    Args:
        model: a name of :func:`xraylab.models.list_models`.
        data: a source that :func:`xraylab.data.load` knows by name, or the path of a
            MedMNIST-style ``.npz`` file, which is made absolute.
        size: side of the images in pixels.
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: highest learning rate, at the end of the warm-up.
        weight_decay: decoupled weight decay of AdamW.
        warmup: share of all steps spent warming up, in [0, 1).
        final_learning_rate: where the cosine ends.
        cooldown: share of all steps spent at that rate after the cosine, in [0, 1).
        decay_exclusions: whether biases, normalisations, positions and tokens are left out of the
            weight decay.
        global_clip: largest norm of the gradient of all weights together; None clips nothing.
        adaptive_clip: as :class:`xraylab.training.optimizer.AdamW`; None clips nothing.
        ema: decay of the exponential moving average of the weights, in (0, 1), which is then what
            is scored and kept; None averages nothing.
        accumulation: parts in which a batch goes through the model, to save memory; the step is
            the mean of theirs.
        precision: one of :data:`PRECISIONS`; ``"auto"`` takes what the accelerator is fast at.
        xla: whether XLA compiles the step; None leaves it to Keras.
        loss: loss of the labels, one of :data:`LOSSES`.
        loss_options: its arguments, as ``{"gamma": 1.0}``.
        augmentation: arguments of :func:`xraylab.training.augmentation.make`; empty for none.
        objective: what is trained for, one of :data:`OBJECTIVES`.
        teacher: for distillation, the folder of a run or the file of a public teacher's weights.
        teacher_options: arguments of :func:`xraylab.training.teachers.load_teacher`.
        distillation_weight: α, share of the teacher's loss in the whole, in [0, 1].
        temperature: τ of :func:`xraylab.losses.distillation`.
        start_from: folder of a run whose weights this one starts with; None starts from random
            ones.
        model_options: further arguments of :func:`xraylab.models.build`.
        data_options: further arguments of :func:`xraylab.data.load`, as ``{"root": "images"}``.
        reconstruction_weight: λ of the reconstruction error, for models that rebuild the image.
        seed: decides the first weights, the dropout and the order of the images.
        num_images: number of training images; None takes all that the data have. For other splits,
            give ``data_options`` a ``num_images`` for each.
        label_names: names of the labels; None stands for those that the data have.

    Raises:
        ValueError: naming the argument, if one is out of range.
    """

    model: str = "rr_vit"
    data: str = "phantom"
    size: int = 64
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1
    final_learning_rate: float = 0.0
    cooldown: float = 0.0
    decay_exclusions: bool = True
    global_clip: float | None = None
    adaptive_clip: float | None = None
    ema: float | None = None
    accumulation: int = 1
    precision: str = "float32"
    xla: bool | None = None
    loss: str = "binary_crossentropy"
    loss_options: dict = field(default_factory=dict)
    reconstruction_weight: float = 1.0
    augmentation: dict = field(default_factory=dict)
    objective: str = "classification"
    teacher: str | None = None
    teacher_options: dict = field(default_factory=dict)
    distillation_weight: float = 0.5
    temperature: float = 1.0
    start_from: str | None = None
    model_options: dict = field(default_factory=dict)
    data_options: dict = field(default_factory=dict)
    seed: int = 0
    num_images: int | None = None
    label_names: tuple[str, ...] | None = None

    def __post_init__(self):
        if isinstance(self.label_names, str):
            raise ValueError(f"label_names must be several names; {self.label_names!r} came")
        if self.label_names is not None:
            object.__setattr__(self, "label_names", tuple(self.label_names))
        if self.data not in NAMED_SOURCES:  # so that the run can be found from any folder
            object.__setattr__(self, "data", _absolute(self.data))
        for name in ("teacher", "start_from"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _absolute(getattr(self, name)))
        for name in _OPTIONS:
            object.__setattr__(self, name, _plain(name, getattr(self, name)))
        if isinstance(self.data_options.get("root"), str):
            root = {"root": _absolute(self.data_options["root"])}
            object.__setattr__(self, "data_options", self.data_options | root)
        for name in ("size", "epochs", "batch_size", "accumulation"):
            _require(name, getattr(self, name), _whole(1), "a whole number of at least 1")
        spec(self.model)
        _require("seed", self.seed, _whole(0, 2**32 - 1), "a whole number from 0 to 2**32 - 1")
        _require("learning_rate", self.learning_rate, lambda v: 0 < v < math.inf, "above 0")
        _require("temperature", self.temperature, lambda v: 0 < v < math.inf, "above 0")
        for name in ("weight_decay", "reconstruction_weight"):
            _require(name, getattr(self, name), lambda v: 0 <= v < math.inf, "0 or above")
        _require(
            "final_learning_rate",
            self.final_learning_rate,
            lambda v: 0 <= v <= self.learning_rate,
            f"from 0 to the highest learning rate, {self.learning_rate}",
        )
        for name in ("global_clip", "adaptive_clip"):
            value = getattr(self, name)
            _require(name, value, lambda v: v is None or 0 < v < math.inf, "above 0, or None")
        _require("ema", self.ema, lambda v: v is None or 0 < v < 1, "in (0, 1), or None")
        for name in ("warmup", "cooldown"):
            _require(name, getattr(self, name), lambda v: 0 <= v < 1, "in [0, 1)")
        if self.warmup + self.cooldown >= 1:
            raise ValueError(
                f"warmup={self.warmup} and cooldown={self.cooldown} leave no step between them; "
                "together they must be below 1"
            )
        _require(
            "distillation_weight", self.distillation_weight, lambda v: 0 <= v <= 1, "in [0, 1]"
        )
        _require_one_of(LOSSES, loss=self.loss)
        _require_one_of(OBJECTIVES, objective=self.objective)
        _require_one_of(PRECISIONS, precision=self.precision)
        if (self.objective == "distillation") != (self.teacher is not None):
            raise ValueError(
                f"objective={self.objective!r} and teacher={self.teacher!r} came; distillation "
                "needs a teacher, and nothing else takes one"
            )
        if self.objective == "masked_reconstruction" and self.augmentation:
            raise ValueError(
                f"augmentation={self.augmentation} came, but masked reconstruction changes images "
                "in its own way: leave augmentation out"
            )
        if self.accumulation > self.batch_size:
            raise ValueError(
                f"a batch of {self.batch_size} images cannot go through in {self.accumulation} "
                "parts; accumulation must be at most batch_size"
            )
        if self.num_images is not None:
            _require("num_images", self.num_images, _whole(1), "at least 1, or None for all")
            if "num_images" in self.data_options:
                raise ValueError(
                    f"num_images={self.num_images} and num_images in data_options="
                    f"{self.data_options} came; give one of them"
                )

    def to_dict(self):
        """Return the recipe as plain values, ready for JSON."""
        names = None if self.label_names is None else list(self.label_names)
        return asdict(self) | {"label_names": names}

    @classmethod
    def from_dict(cls, values):
        """Return the recipe saved by :meth:`to_dict`.

        Raises:
            ValueError: if a field is unknown, as in a run of a newer xraylab.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(
                f"this recipe has fields that xraylab does not know: {unknown}; "
                "it was written by another version. Update xraylab"
            )
        return cls(**values)

    def differences(self, other):
        """Return ``{field: (mine, theirs)}`` for the fields in which two recipes differ."""
        mine, theirs = self.to_dict(), other.to_dict()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


_OPTIONS = ("loss_options", "augmentation", "teacher_options", "model_options", "data_options")


def _absolute(path):
    return str(Path(path).expanduser().resolve())


def _plain(name, options):
    """Return options as they would come back from a JSON file."""
    try:
        plain = json.loads(json.dumps(options, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold plain values only: {error}; {options!r} came") from None
    if not isinstance(plain, dict):
        raise ValueError(f"{name} must be a dict of arguments; {options!r} came")
    return plain


def _require_one_of(choices, **argument):
    for name, value in argument.items():
        _require(name, value, choices.__contains__, f"one of {', '.join(choices)}")


def _whole(least, most=math.inf):
    """Return a test for a whole number between two bounds."""

    def is_whole(value):
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        return whole and least <= value <= most

    return is_whole


def _require(name, value, is_good, expected):
    """Raise a ValueError that names the argument unless its value is good."""
    try:
        good = is_good(value)
    except TypeError:  # no number at all
        good = False
    if not good:
        raise ValueError(f"{name} must be {expected}; {value!r} came")
