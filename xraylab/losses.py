"""Losses: functions of labels and model outputs, always on logits, in any Keras back end."""

from keras import ops


def binary_cross_entropy(y_true, logits):
    """Return the binary cross-entropy, mean over labels and batch.

    Computed as max(z, 0) - z·y + log(1 + exp(-|z|)), which does not overflow for any logit.

    Shapes:
        y_true: (batch, num_labels), 0 or 1.
        logits: (batch, num_labels), before the sigmoid.
        returns: a scalar in nats.

    Source: ``goodfellow2016``, Sect. 6.2.2.2, in the stable form of the softplus.
    """
    y_true = ops.cast(y_true, logits.dtype)
    return ops.mean(
        ops.maximum(logits, 0.0) - logits * y_true + ops.log1p(ops.exp(-ops.abs(logits)))
    )


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
