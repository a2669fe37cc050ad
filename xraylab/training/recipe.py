"""A recipe: everything that decides how a run comes out, in one small frozen object."""

import math
from dataclasses import asdict, dataclass, fields
from numbers import Integral
from pathlib import Path

from xraylab.data import NAMED_SOURCES
from xraylab.findings import FINDINGS

LOSSES = ("binary_cross_entropy", "binary_focal")
"""Losses of the labels that a recipe may name: functions of :mod:`xraylab.losses`."""


@dataclass(frozen=True)
class Recipe:
    """What is trained, on what, and how.

    The optimiser is AdamW. Its learning rate rises linearly over the warm-up, then falls to zero
    along half a cosine (``loshchilov2017``, Eq. 5).

    Args:
        model: a name of :func:`xraylab.models.list_models`.
        data: ``"phantom"``, ``"chestmnist"``, or the path of a MedMNIST-style ``.npz`` file, which
            is made absolute.
        size: side of the films in pixels.
        epochs: passes over the training films.
        batch_size: films a step.
        learning_rate: highest learning rate, at the end of the warm-up.
        weight_decay: decoupled weight decay of AdamW.
        warmup: share of all steps spent warming up, in [0, 1).
        loss: loss of the labels, one of :data:`LOSSES`, with its own default arguments.
        reconstruction_weight: λ of the reconstruction error, for models that rebuild the film.
        seed: decides the first weights, the dropout and the order of the films.
        num_films: number of training films; None takes all that the data have.
        label_names: names of the label columns.

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
    loss: str = "binary_cross_entropy"
    reconstruction_weight: float = 1.0
    seed: int = 0
    num_films: int | None = None
    label_names: tuple[str, ...] = FINDINGS

    def __post_init__(self):
        if isinstance(self.label_names, str):
            raise ValueError(f"label_names must be several names; {self.label_names!r} came")
        object.__setattr__(self, "label_names", tuple(self.label_names))
        if self.data not in NAMED_SOURCES:  # so that the run can be found from any folder
            object.__setattr__(self, "data", str(Path(self.data).expanduser().resolve()))
        for name in ("size", "epochs", "batch_size"):
            _require(name, getattr(self, name), _whole(1), "a whole number of at least 1")
        _require("seed", self.seed, _whole(0, 2**32 - 1), "a whole number from 0 to 2**32 - 1")
        _require("learning_rate", self.learning_rate, lambda v: 0 < v < math.inf, "above 0")
        for name in ("weight_decay", "reconstruction_weight"):
            _require(name, getattr(self, name), lambda v: 0 <= v < math.inf, "0 or above")
        _require("loss", self.loss, LOSSES.__contains__, f"one of {', '.join(LOSSES)}")
        _require("warmup", self.warmup, lambda v: 0 <= v < 1, "in [0, 1)")
        if self.num_films is not None:
            _require("num_films", self.num_films, _whole(1), "at least 1, or None for all")

    def to_dict(self):
        """Return the recipe as plain values, ready for JSON."""
        return asdict(self) | {"label_names": list(self.label_names)}

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


def _whole(least, most=math.inf):
    """Return a test for a whole number between two bounds."""

    def is_whole(value):
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        return whole and least <= value <= most

    return is_whole


def _require(name, value, is_good, expected):
    """Raise a ValueError that names the argument unless its value is good."""
    if not is_good(value):
        raise ValueError(f"{name} must be {expected}; {value} came")
