"""Losses of multi-label classifiers and of image reconstruction, as functions on any backend.

A loss of the labels returns one value per image and label. A label that is NaN is unknown and costs
nothing. Predictions are logits unless ``from_logits=False`` is given.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from xraylab.arguments import require

Tensor = Any
"""A tensor of the Keras backend, or anything that converts to one."""

_register = keras.saving.register_keras_serializable(package="xraylab")


@_register
def binary_crossentropy(y_true: Tensor, y_pred: Tensor, from_logits: bool = True) -> Tensor:
    """Compute the binary cross-entropy of each label.

    Computed as softplus(z) - z·y, which does not overflow for any logit z.

    Shapes:
        y_true: (batch, num_labels), in [0, 1]; NaN where unknown.
        y_pred: (batch, num_labels), logits, or probabilities if ``from_logits`` is false.
        returns: (batch, num_labels), in nats; 0 where the label is unknown.

    Raises:
        ValueError: if the shapes differ; or if ``y_pred`` is the output of a sigmoid in a graph
            while ``from_logits`` is true.

    References: Goodfellow et al. 2016 (``goodfellow2016``), Sect. 6.2.2.2.
    """
    y_true, known, logits = prepare(y_true, y_pred, from_logits)
    return (ops.softplus(logits) - logits * y_true) * known


@_register
def weighted_binary_crossentropy(
    y_true: Tensor, y_pred: Tensor, prevalence: Sequence[float], from_logits: bool = True
) -> Tensor:
    """Compute the binary cross-entropy with equal total weight for both classes of each label.

    With prevalence π, a positive label has weight 1 / 2π and a negative one 1 / 2(1 - π). Over
    images with that prevalence, each class receives half of the weight.

    Shapes:
        y_true, y_pred, returns: (batch, num_labels), as for :func:`binary_crossentropy`.
        prevalence: (num_labels,), in (0, 1).

    Args:
        prevalence: fraction of the training images that have each label.

    References: Wang et al. 2017 (``wang2017``), Eq. 1, with the counts of the whole training set
    instead of those of a batch, and halved.
    """
    y_true, known, logits = prepare(y_true, y_pred, from_logits)
    rate = ops.convert_to_tensor(prevalence, dtype=logits.dtype)
    fits = rate.ndim == 1 and logits.shape[-1] in (None, rate.shape[0])
    expected = f"a number per label, {logits.shape[-1]}"
    require(fits, "prevalence", expected, f"shape {tuple(rate.shape)}")
    positive = ops.softplus(-logits) / (2 * rate)
    negative = ops.softplus(logits) / (2 * (1 - rate))
    return (y_true * positive + (1 - y_true) * negative) * known


@_register
def binary_focal_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = True,
) -> Tensor:
    """Compute the binary focal loss of each label.

    With p the predicted probability, a positive label costs -α·(1 - p)^γ·log p and a negative one
    -(1 - α)·p^γ·log(1 - p). The powers are computed as exponentials of the same two logarithms, so
    that neither the loss nor its gradient overflows for any logit.

    Shapes:
        y_true, y_pred, returns: (batch, num_labels), as for :func:`binary_crossentropy`.

    Args:
        alpha: α in [0, 1], the weight of positive labels; negative ones have 1 - α.
        gamma: γ ≥ 0, the focusing exponent; 0 gives a weighted cross-entropy.

    References: Lin et al. 2017 (``lin2017``), Eq. 5; ``pham2026``, slide "DBCT", whose printed
    equation lacks the parentheses around the two terms.
    """
    y_true, known, logits = prepare(y_true, y_pred, from_logits)
    positive_nll, negative_nll = ops.softplus(-logits), ops.softplus(logits)
    positive = alpha * ops.exp(-gamma * negative_nll) * positive_nll
    negative = (1 - alpha) * ops.exp(-gamma * positive_nll) * negative_nll
    return (y_true * positive + (1 - y_true) * negative) * known


@_register
def asymmetric(
    y_true: Tensor,
    y_pred: Tensor,
    gamma_positive: float = 0.0,
    gamma_negative: float = 4.0,
    margin: float = 0.05,
    from_logits: bool = True,
) -> Tensor:
    """Compute the asymmetric loss of each label.

    Negative labels, which are in the majority, are focused more strongly than positive ones, and
    cost nothing below the margin m. With p the predicted probability and q = max(p - m, 0), a
    positive label costs -(1 - p)^γ₊·log p and a negative one -q^γ₋·log(1 - q).

    Shapes:
        y_true, y_pred, returns: (batch, num_labels), as for :func:`binary_crossentropy`.

    Args:
        gamma_positive: γ₊ ≥ 0.
        gamma_negative: γ₋ ≥ 0.
        margin: m in [0, 1).

    References: Ridnik et al. 2021 (``ridnik2021``), Eqs. 4 to 7; defaults from its Sect. 3.
    """
    y_true, known, logits = prepare(y_true, y_pred, from_logits)
    positive_nll, negative_nll = ops.softplus(-logits), ops.softplus(logits)
    positive = ops.exp(-gamma_positive * negative_nll) * positive_nll
    if margin:
        shifted = ops.maximum(ops.sigmoid(logits) - margin, 0.0)
        # 1 - q is at least m, so its logarithm is finite. The power is taken above the margin only,
        # where its derivative is finite.
        above = ops.cast(shifted > 0, logits.dtype)
        power = ops.power(ops.where(shifted > 0, shifted, 1.0), gamma_negative)
        negative = -above * power * ops.log1p(-ops.minimum(shifted, 1.0 - margin))
    else:
        negative = ops.exp(-gamma_negative * positive_nll) * negative_nll
    return (y_true * positive + (1 - y_true) * negative) * known


@_register
def double_sigmoid_crossentropy(y_true: Tensor, y_pred: Tensor, from_logits: bool = True) -> Tensor:
    """Compute a common mistake: the cross-entropy on logits, applied to probabilities.

    The sigmoid is applied twice, so that every predicted probability is at least 1/2 and the loss
    stays near 0.69. It exists to demonstrate the mistake (chapter 18); do not train with it.

    Shapes:
        y_true, y_pred, returns: (batch, num_labels), as for :func:`binary_crossentropy`.
    """
    y_true, known, logits = prepare(y_true, y_pred, from_logits)
    probabilities = ops.sigmoid(logits)
    return (ops.softplus(probabilities) - probabilities * y_true) * known


@_register
def distillation(
    teacher_probabilities: Tensor,
    student_logits: Tensor,
    temperature: float = 1.0,
    weight_labels: bool = True,
    from_logits: bool = True,
) -> Tensor:
    """Compute the cross-entropy of a student with a teacher's probabilities, for each label.

    Image i and label j cost w_j · BCE(z_ij / τ, p_ij^τ) · τ², where p^τ is the sigmoid of the
    teacher's logit divided by τ, and w_j = 1 - (mean of p_ij over the batch) gives rare findings
    more weight.

    Shapes:
        teacher_probabilities: (batch, num_labels), in [0, 1]; NaN for labels that the teacher does
            not know.
        student_logits: (batch, num_labels).
        returns: (batch, num_labels), in nats; 0 where the teacher's probability is NaN.

    Args:
        temperature: τ > 0; 1 uses the probabilities unchanged.
        weight_labels: whether to apply w_j. Give false if sample weights contain it already.
        from_logits: whether the student's predictions are logits.

    References: Rand et al. 2025 (``rand2025``), section "Knowledge distillation"; τ²: Hinton et
    al. 2015 (``hinton2015``), Sect. 2.
    """
    target, known, logits = prepare(teacher_probabilities, student_logits, from_logits)
    weights = known
    if weight_labels:
        mean = ops.sum(target * known, axis=0) / ops.maximum(ops.sum(known, axis=0), 1.0)
        weights = known * (1 - mean)
    if temperature != 1.0:
        target = ops.sigmoid(_to_logits(target, 1e-6) / temperature)
        logits = logits / temperature
    return temperature**2 * weights * (ops.softplus(logits) - logits * target)


@_register
def reconstruction_error(images: Tensor, reconstruction: Tensor) -> Tensor:
    """Compute the squared error of each pixel.

    Shapes:
        images, reconstruction, returns: (batch, height, width, 1); grey levels in [0, 1], squared.

    References: ``pham2026``, slide "RR-ViT - Joint optimization".
    """
    return ops.square(reconstruction - ops.cast(images, reconstruction.dtype))


def prepare(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Separate known from unknown labels, and convert predictions to logits.

    Shapes:
        y_true, y_pred: (batch, num_labels); ``y_true`` may be (batch,) if there is one label.
        returns: labels, 0 where unknown; 1 where known and 0 elsewhere; logits.

    Raises:
        ValueError: as :func:`binary_crossentropy`.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    if from_logits:
        _refuse_sigmoid(y_pred)
    y_true = match_rank(ops.cast(y_true, y_pred.dtype), y_pred)
    _require_same_shape(y_true, y_pred)
    known = 1 - ops.cast(ops.isnan(y_true), y_pred.dtype)
    y_true = ops.where(ops.isnan(y_true), ops.zeros_like(y_true), y_true)
    return y_true, known, y_pred if from_logits else _to_logits(y_pred, keras.config.epsilon())


def match_rank(x: Tensor, y_pred: Tensor, rows: bool = False) -> Tensor:
    """Append an axis to the (batch,) labels of a single label, or to (batch,) sample weights.

    Args:
        rows: whether ``x`` are weights, so that (batch,) means one for each image.
    """
    expand = len(x.shape) == len(y_pred.shape) - 1 and (rows or y_pred.shape[-1] == 1)
    return ops.expand_dims(x, -1) if expand else x


def _to_logits(probabilities, epsilon):
    """Return log p - log(1 - p), with p clipped to [epsilon, 1 - epsilon]."""
    probabilities = ops.clip(probabilities, epsilon, 1 - epsilon)
    return ops.log(probabilities) - ops.log1p(-probabilities)


def _refuse_sigmoid(logits):
    """Refuse the output of a sigmoid in a TensorFlow graph, which records the last operation."""
    if keras.backend.backend() != "tensorflow" or not hasattr(logits, "graph"):
        return
    operation: Any = getattr(logits, "op", None)
    while getattr(operation, "type", None) in ("Cast", "Identity"):
        operation = operation.inputs[0].op
    if getattr(operation, "type", None) == "Sigmoid":
        raise ValueError(
            "Probabilities would pass through a second sigmoid. Expected: logits. Received: the "
            "output of a sigmoid. Remove the model's last activation, or give the loss or metric "
            "from_logits=False."
        )


def _require_same_shape(y_true, y_pred):
    """Raise a ValueError if static shapes differ; None matches any size."""
    shapes = tuple(y_true.shape), tuple(y_pred.shape)
    equal_rank = len(shapes[0]) == len(shapes[1])
    if not equal_rank or any(n != m for n, m in zip(*shapes, strict=True) if None not in (n, m)):
        raise ValueError(
            "The shapes of y_true and y_pred differ. Expected: one shape. Received: "
            f"y_true {shapes[0]}, y_pred {shapes[1]}."
        )
