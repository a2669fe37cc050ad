"""Losses: functions of labels and model outputs, always on logits, in any Keras back end."""

from keras import ops


def binary_cross_entropy(y_true, logits):
    """Return the binary cross-entropy, mean over labels and batch.

    Computed as softplus(z) - z·y, which does not overflow for any logit.

    Shapes:
        y_true: (batch, num_labels), 0 or 1.
        logits: (batch, num_labels), before the sigmoid.
        returns: a scalar in nats.

    Source: ``goodfellow2016``, Sect. 6.2.2.2, in the stable form of the softplus.
    """
    y_true = ops.cast(y_true, logits.dtype)
    return ops.mean(ops.softplus(logits) - logits * y_true)


def binary_focal(y_true, logits, alpha=0.25, gamma=2.0):
    """Return the binary focal loss, sum over labels, mean over the batch.

    With p = sigmoid(logits), a label costs -α·(1 - p)^γ·log p where it is there and
    -(1 - α)·p^γ·log(1 - p) where it is not. The powers are taken as exponentials of the same two
    logarithms, so that neither loss nor gradient overflows for any logit.

    Shapes:
        y_true: (batch, num_labels), 0 or 1.
        logits: (batch, num_labels), before the sigmoid.
        returns: a scalar in nats.

    Args:
        alpha: α, in [0, 1]; the weight of findings that are there. 1 - α is that of the others.
        gamma: γ, at least 0; how much less an answer counts the nearer it is to the truth.

    Raises:
        ValueError: if ``alpha`` or ``gamma`` is out of range.

    Source: ``lin2017``, Eq. 5; ``pham2026``, slide "DBCT", whose printed equation lacks the
    parenthesis around the two terms.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(
            f"alpha must lie in [0, 1], where it weighs present against absent; {alpha} came"
        )
    if not 0 <= gamma < float("inf"):
        raise ValueError(
            f"gamma must be 0 or above and finite; {gamma} came. 0 gives the cross-entropy"
        )
    logits = ops.convert_to_tensor(logits)
    y_true = ops.cast(y_true, logits.dtype)
    miss = ops.softplus(-logits)  # -log p
    alarm = ops.softplus(logits)  # -log(1 - p)
    present = alpha * ops.exp(-gamma * alarm) * miss
    absent = (1 - alpha) * ops.exp(-gamma * miss) * alarm
    return ops.mean(ops.sum(y_true * present + (1 - y_true) * absent, axis=-1))


def reconstruction_error(images, reconstruction):
    """Return the squared error of rebuilt films, mean over pixels and batch.

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
