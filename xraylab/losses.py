"""Losses: functions of labels and model outputs, always on logits, in any Keras back end.

A label that is nan is unknown: it costs nothing and does not count in a mean. Where a loss divides
by what is known, it takes ``shares`` instead, with which it is a plain weighted sum: the shares of
a whole batch, handed out to its parts, give the parts the loss of the whole.
"""

import keras
from keras import ops


def binary_cross_entropy(y_true, logits, shares=None):
    """Return the binary cross-entropy, mean over labels and batch.

    Computed as softplus(z) - z·y, which does not overflow for any logit.

    Shapes:
        y_true: (batch, num_labels), from 0 to 1; nan where unknown.
        logits: (batch, num_labels), before the sigmoid.
        shares: (batch, num_labels), what each answer counts; None for the mean of those known.
        returns: a scalar in nats.

    Raises:
        ValueError: if ``logits`` come out of a sigmoid, where that can be seen.

    Source: ``goodfellow2016``, Sect. 6.2.2.2, in the stable form of the softplus.
    """
    y_true, known, logits = _prepare(y_true, logits)
    return _mean((ops.softplus(logits) - logits * y_true) * known, known, shares)


def weighted_binary_cross_entropy(y_true, logits, prevalence, shares=None):
    """Return the cross-entropy in which both classes of every label weigh the same.

    A label with prevalence π counts 1 / 2π where it is there and 1 / 2(1 - π) where it is not, so
    that over the training images either half of the loss has weight 1/2.

    Shapes:
        y_true, logits, shares: (batch, num_labels), as for :func:`binary_cross_entropy`.
        prevalence: (num_labels,), in (0, 1).
        returns: a scalar in nats, mean over labels and batch.

    Args:
        prevalence: share of the training images that have each label.

    Raises:
        ValueError: if a prevalence is not in (0, 1); and as :func:`binary_cross_entropy`.

    Source: ``wang2017``, Eq. 1, with the counts of all training images in place of a batch's, and
    halved.
    """
    if not all(0 < share < 1 for share in prevalence):
        raise ValueError(
            "prevalence must lie in (0, 1) for every label, for its reciprocal is the weight; "
            f"{list(prevalence)} came. A label that no image has, or all have, cannot be weighted"
        )
    y_true, known, logits = _prepare(y_true, logits)
    share = ops.convert_to_tensor(prevalence, dtype=logits.dtype)
    present = ops.softplus(-logits) / (2 * share)
    absent = ops.softplus(logits) / (2 * (1 - share))
    return _mean((y_true * present + (1 - y_true) * absent) * known, known, shares)


def binary_focal(y_true, logits, alpha=0.25, gamma=2.0):
    """Return the binary focal loss, sum over labels, mean over the batch.

    With p = sigmoid(logits), a label costs -α·(1 - p)^γ·log p where it is there and
    -(1 - α)·p^γ·log(1 - p) where it is not. The powers are taken as exponentials of the same two
    logarithms, so that neither loss nor gradient overflows for any logit.

    Shapes:
        y_true: (batch, num_labels), from 0 to 1; nan where unknown.
        logits: (batch, num_labels), before the sigmoid.
        returns: a scalar in nats.

    Args:
        alpha: α, in [0, 1]; the weight of findings that are there. 1 - α is that of the others.
        gamma: γ, at least 0; how much less an answer counts the nearer it is to the truth.

    Raises:
        ValueError: if ``alpha`` or ``gamma`` is out of range; and as :func:`binary_cross_entropy`.

    Source: ``lin2017``, Eq. 5; ``pham2026``, slide "DBCT", whose printed equation lacks the
    parenthesis around the two terms.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(
            f"alpha must lie in [0, 1], where it weighs present against absent; {alpha} came"
        )
    _require_focus(gamma=gamma)
    y_true, known, logits = _prepare(y_true, logits)
    miss = ops.softplus(-logits)  # -log p
    alarm = ops.softplus(logits)  # -log(1 - p)
    present = alpha * ops.exp(-gamma * alarm) * miss
    absent = (1 - alpha) * ops.exp(-gamma * miss) * alarm
    return ops.mean(ops.sum((y_true * present + (1 - y_true) * absent) * known, axis=-1))


def asymmetric(y_true, logits, gamma_positive=0.0, gamma_negative=4.0, margin=0.05):
    """Return the asymmetric loss, sum over labels, mean over the batch.

    Absent findings, of which there are many, are focused harder than present ones, and those whose
    probability is below the margin m cost nothing at all. With q = max(p - m, 0), a label costs
    -(1 - p)^γ₊·log p where it is there and -q^γ₋·log(1 - q) where it is not.

    Shapes:
        y_true: (batch, num_labels), from 0 to 1; nan where unknown.
        logits: (batch, num_labels), before the sigmoid.
        returns: a scalar in nats.

    Args:
        gamma_positive: γ₊, at least 0.
        gamma_negative: γ₋, at least 0.
        margin: m, in [0, 1).

    Raises:
        ValueError: if an argument is out of range; and as :func:`binary_cross_entropy`.

    Source: ``ridnik2021``, Eqs. 4 to 7; the defaults are those of its Sect. 3.
    """
    _require_focus(gamma_positive=gamma_positive, gamma_negative=gamma_negative)
    if not 0 <= margin < 1:
        raise ValueError(f"margin must lie in [0, 1), a probability; {margin} came")
    y_true, known, logits = _prepare(y_true, logits)
    alarm = ops.softplus(logits)  # -log(1 - p)
    present = ops.exp(-gamma_positive * alarm) * ops.softplus(-logits)
    if margin:
        shifted = ops.maximum(ops.sigmoid(logits) - margin, 0.0)
        # 1 - q is at least m, so its logarithm is safe. The power is taken above the margin only,
        # where its slope is finite.
        above = ops.cast(shifted > 0, logits.dtype)
        power = ops.power(ops.where(shifted > 0, shifted, 1.0), gamma_negative)
        absent = -above * power * ops.log1p(-ops.minimum(shifted, 1.0 - margin))
    else:
        absent = ops.exp(-gamma_negative * ops.softplus(-logits)) * alarm
    return ops.mean(ops.sum((y_true * present + (1 - y_true) * absent) * known, axis=-1))


def distillation(student_logits, teacher_probabilities, temperature=1.0, shares=None):
    """Return what the student's answers cost against the teacher's, rare findings weighing more.

    The mean over labels and batch of w_j · BCE(z_ij / τ, p_ij^τ) · τ², with the weight of a label
    w_j = 1 - (mean of p_ij over the batch). p^τ is the teacher's probability at temperature τ: the
    sigmoid of its logit divided by τ.

    Shapes:
        student_logits: (batch, num_labels), before the sigmoid.
        teacher_probabilities: (batch, num_labels) in [0, 1]; nan for labels the teacher does not
            know, which are left out.
        shares: (batch, num_labels), what each answer counts, its label's weight included; None for
            the mean of those known, with the weights of this batch.
        returns: a scalar in nats.

    Args:
        temperature: τ, above 0; 1 takes the probabilities as they are.

    Raises:
        ValueError: if the temperature is not above 0; and as :func:`binary_cross_entropy`.

    Source: ``rand2025``, Eqs. of "Knowledge distillation"; τ² ``hinton2015``, Sect. 2.
    """
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be above 0 and finite; {temperature} came")
    target, known, logits = _prepare(teacher_probabilities, student_logits)
    weights = 1.0
    if shares is None:
        weights = 1 - ops.sum(target * known, axis=0) / ops.maximum(ops.sum(known, axis=0), 1.0)
    if temperature != 1.0:
        target = ops.clip(target, 1e-6, 1 - 1e-6)
        target = ops.sigmoid((ops.log(target) - ops.log1p(-target)) / temperature)
        logits = logits / temperature
    cost = ops.softplus(logits) - logits * target
    return temperature**2 * _mean(weights * cost * known, known, shares)


def double_sigmoid_cross_entropy(y_true, logits, shares=None):
    """Return a well-known mistake: the cross-entropy on logits, given probabilities instead.

    The sigmoid is applied twice, so no answer is below 1/2 and the loss hardly moves from 0.69.
    It is here so that chapter 18 can show what that does; train nothing with it.

    Shapes:
        y_true, logits, shares: (batch, num_labels), as for :func:`binary_cross_entropy`.
        returns: a scalar in nats, mean over labels and batch.
    """
    y_true, known, logits = _prepare(y_true, logits)
    twice = ops.sigmoid(logits)
    return _mean((ops.softplus(twice) - twice * y_true) * known, known, shares)


def reconstruction_error(images, reconstruction):
    """Return the squared error of rebuilt images, mean over pixels and batch.

    Shapes:
        images, reconstruction: (batch, height, width, 1), grey level in units of the full range.
        returns: a scalar, in squared grey level.

    Source: ``pham2026``, slide "RR-ViT - Joint optimization".
    """
    return ops.mean(ops.square(reconstruction - ops.cast(images, reconstruction.dtype)))


def joint(y_true, logits, images, reconstruction, reconstruction_weight=1.0):
    """Return binary cross-entropy + λ · reconstruction error, the loss of RR-ViT.

    Shapes:
        y_true, logits: (batch, num_labels); images, reconstruction: (batch, height, width, 1).
        returns: a scalar.

    Args:
        reconstruction_weight: λ, at least 0. The source does not give its value.

    Source: ``pham2026``, slide "RR-ViT - Joint optimization".
    """
    return binary_cross_entropy(y_true, logits) + reconstruction_weight * reconstruction_error(
        images, reconstruction
    )


def masked_reconstruction(images, reconstruction, mask, shares=None):
    """Return the absolute error of rebuilt images, mean over the corrupted pixels of the batch.

    What the model answers where the image was left alone has no influence, nor any gradient. Every
    corrupted pixel counts alike, so an image counts by how many it has, one without any not at all;
    a batch without any costs 0.

    Shapes:
        images: (batch, height, width, 1), as they were before; grey level in units of the full
        range. reconstruction: the same shape. mask: the same shape, bool or 0 and 1; true where a
        pixel was corrupted. shares: the same shape, what each pixel counts; None for the mean of
        those corrupted.
        returns: a scalar, in grey level.

    Raises:
        ValueError: if the shapes differ; they are not broadcast.

    Source: ``atito2022``.
    """
    reconstruction = ops.convert_to_tensor(reconstruction)
    images = ops.cast(images, reconstruction.dtype)
    mask = ops.cast(mask, "bool")
    shapes = [tuple(x.shape) for x in (images, reconstruction, mask)]
    known = {shape[:1] for shape in shapes} - {(None,)}  # a graph may not know the batch yet
    if len({shape[1:] for shape in shapes}) > 1 or len(known) > 1:
        raise ValueError(
            "images, reconstruction and mask must have one shape; "
            f"{shapes[0]}, {shapes[1]} and {shapes[2]} came"
        )
    # Zero before the absolute value, so that no gradient has to go through what does not count.
    errors = ops.abs(ops.where(mask, reconstruction - images, 0))
    return _mean(errors, ops.cast(mask, errors.dtype), shares)


def _prepare(y_true, logits):
    """Return labels with 0 where unknown, 1 where known and 0 elsewhere, and the logits."""
    logits = ops.convert_to_tensor(logits)
    _refuse_sigmoid(logits)
    y_true = ops.cast(y_true, logits.dtype)
    unknown = ops.isnan(y_true)
    known = 1 - ops.cast(unknown, logits.dtype)
    return ops.where(unknown, ops.zeros_like(y_true), y_true), known, logits


def _refuse_sigmoid(logits):
    """Refuse what a sigmoid has just made. Only TensorFlow's graphs remember where a value is from.

    For all back ends, training asks the model itself: :func:`xraylab.training.require_logits`.
    """
    if keras.backend.backend() != "tensorflow":
        return
    operation = getattr(logits, "op", None) if hasattr(logits, "graph") else None
    if getattr(operation, "type", None) == "Sigmoid":
        raise ValueError(
            "expected logits, before the sigmoid; the output of a sigmoid came. The loss applies "
            "one itself, and two in a row leave hardly any gradient. Let the model end without an "
            "activation, and take the sigmoid of its answers when you score them"
        )


def _mean(costs, known, shares=None):
    """Return the mean over what is known, 0 if nothing is; or the sum of each cost's share."""
    if shares is not None:
        return ops.sum(costs * ops.cast(shares, costs.dtype))
    return ops.sum(costs) / ops.maximum(ops.sum(known), 1.0)


def _require_focus(**exponents):
    """Refuse exponents that are not numbers of at least 0."""
    for name, value in exponents.items():
        if not 0 <= value < float("inf"):
            raise ValueError(
                f"{name} must be 0 or above and finite; {value} came. 0 gives the cross-entropy"
            )
