"""Losses of the labels as classes for ``model.compile``, and their names."""

import inspect
import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, ClassVar

import keras
from keras import ops

from xraylab.arguments import did_you_mean, invalid_argument, require
from xraylab.losses import functions
from xraylab.losses.functions import Tensor, match_rank


class LabelLoss(keras.losses.Loss):
    """Base class of the losses of labels: ignores NaN labels, and reduces what remains.

    Args:
        from_logits: whether predictions are logits, rather than probabilities.
        reduction: ``"sum_over_batch_size"`` (or ``"mean"``): the mean over known labels; for focal
            and asymmetric loss the sum over labels and mean over images, as in their papers.
            ``"mean_with_sample_weight"``: the weighted mean over known labels. ``"sum"``: the
            weighted sum. None: one value per image and label. With ``"sum"``, the losses of
            micro-batches add up to the loss of the whole batch if each receives its rows of the
            batch's sample weights.
        options: arguments of :attr:`function`.

    Sample weights have shape (batch,) or (batch, num_labels).
    """

    function: ClassVar[Callable[..., Tensor]]
    sums_over_labels: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(package="xraylab")(cls)

    def __init__(
        self,
        from_logits: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **options: Any,
    ):
        super().__init__(name=name or self.function.__name__, reduction=reduction, dtype=dtype)
        inspect.signature(self.function).bind(None, None, **options)  # TypeError if unknown
        self.from_logits = from_logits
        self.options = options

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        """Compute the reduced loss of a batch."""
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        y_true = match_rank(ops.convert_to_tensor(y_true, dtype=self.dtype), y_pred)
        weight = 1.0 - ops.cast(ops.isnan(y_true), self.dtype)
        if self.reduction in ("sum_over_batch_size", "mean"):  # Keras divides by the size
            if self.sums_over_labels:
                weight = weight * y_pred.shape[-1]
            else:
                size = ops.cast(ops.size(weight), self.dtype)
                weight = weight * size / ops.maximum(ops.sum(weight), 1.0)
        if sample_weight is not None:
            weight = weight * match_rank(ops.cast(sample_weight, self.dtype), y_pred, rows=True)
        return super().__call__(y_true, y_pred, weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Compute the loss of each label."""
        return self.function(y_true, y_pred, from_logits=self.from_logits, **self.options)

    def get_config(self) -> dict:
        """Return the constructor arguments."""
        return {**super().get_config(), "from_logits": self.from_logits, **self.options}


class BinaryCrossentropy(LabelLoss):
    """Binary cross-entropy; see :func:`binary_crossentropy` and :class:`LabelLoss`."""

    function = staticmethod(functions.binary_crossentropy)


class WeightedBinaryCrossentropy(LabelLoss):
    """Cross-entropy that weights both classes equally; see :func:`weighted_binary_crossentropy`."""

    function = staticmethod(functions.weighted_binary_crossentropy)

    def __init__(self, prevalence: Sequence[float], **kwargs):
        expected = "numbers in (0, 1), for their reciprocals are weights"
        hint = "Leave out labels that no training image, or every one, has."
        require(all(0 < p < 1 for p in prevalence), "prevalence", expected, prevalence, hint)
        super().__init__(prevalence=[float(p) for p in prevalence], **kwargs)


class BinaryFocalCrossentropy(LabelLoss):
    """Focal loss, sum over labels and mean over images; see :func:`binary_focal_crossentropy`."""

    function = staticmethod(functions.binary_focal_crossentropy)
    sums_over_labels = True

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, **kwargs):
        require(isinstance(alpha, Real) and 0 <= alpha <= 1, "alpha", "a number in [0, 1]", alpha)
        _require_exponent("gamma", gamma)
        super().__init__(alpha=alpha, gamma=gamma, **kwargs)


class AsymmetricLoss(LabelLoss):
    """Asymmetric loss, sum over labels and mean over images; see :func:`asymmetric`."""

    function = staticmethod(functions.asymmetric)
    sums_over_labels = True

    def __init__(
        self,
        gamma_positive: float = 0.0,
        gamma_negative: float = 4.0,
        margin: float = 0.05,
        **kwargs,
    ):
        exponents = {"gamma_positive": gamma_positive, "gamma_negative": gamma_negative}
        for name, value in exponents.items():
            _require_exponent(name, value)
        require(
            isinstance(margin, Real) and 0 <= margin < 1, "margin", "a number in [0, 1)", margin
        )
        super().__init__(**exponents, margin=margin, **kwargs)


class DoubleSigmoidCrossentropy(LabelLoss):
    """A common mistake, for demonstration; see :func:`double_sigmoid_crossentropy`."""

    function = staticmethod(functions.double_sigmoid_crossentropy)


class Distillation(LabelLoss):
    """Cross-entropy with a teacher's probabilities; see :func:`distillation`."""

    function = staticmethod(functions.distillation)

    def __init__(self, temperature: float = 1.0, weight_labels: bool = True, **kwargs):
        require(0 < temperature < math.inf, "temperature", "a finite number above 0", temperature)
        super().__init__(temperature=temperature, weight_labels=weight_labels, **kwargs)


LOSSES: dict[str, type[LabelLoss]] = {
    loss.function.__name__: loss
    for loss in (
        BinaryCrossentropy,
        WeightedBinaryCrossentropy,
        BinaryFocalCrossentropy,
        AsymmetricLoss,
        DoubleSigmoidCrossentropy,
    )
}
"""The losses of labels by name, as recipes and the command line use them."""

ALIASES: dict[str, str] = {
    "bce": "binary_crossentropy",
    "weighted": "weighted_binary_crossentropy",
    "focal": "binary_focal_crossentropy",
    "double_sigmoid": "double_sigmoid_crossentropy",
}
"""Short names that :func:`get` accepts as well."""


def get(name: str, **options: Any) -> LabelLoss:
    """Return a loss of the labels by name.

    Args:
        name: a key of :data:`LOSSES` or :data:`ALIASES`; case does not matter.
        options: constructor arguments, as ``gamma=1.0``.

    Raises:
        ValueError: if the name is unknown, with a suggestion, or an option is out of range.
        TypeError: if an option is unknown.
    """
    return LOSSES[resolve_name(name)](**options)


def resolve_name(name: str) -> str:
    """Return the full name of a loss, a key of :data:`LOSSES`.

    Raises:
        ValueError: if there is no such loss, with a suggestion.
    """
    full = ALIASES.get(str(name).lower(), str(name).lower())
    if full not in LOSSES:
        hint = did_you_mean(name, [*LOSSES, *ALIASES])
        raise invalid_argument("loss", ", ".join(LOSSES), repr(name), hint)
    return full


def option_names(name: str) -> tuple[str, ...]:
    """Return the arguments particular to one loss, as ``("alpha", "gamma")``."""
    common = (*inspect.signature(LabelLoss.__init__).parameters, "kwargs")
    parameters = inspect.signature(LOSSES[resolve_name(name)].__init__).parameters
    return tuple(x for x in parameters if x not in common)


def _require_exponent(name, value):
    """Raise a ValueError unless a focusing exponent is finite and not negative."""
    valid = isinstance(value, Real) and 0 <= float(value) < math.inf
    require(valid, name, "a finite number of at least 0", value)
