"""Check images and labels before Keras reads them, with messages that name the cure."""

import warnings
from typing import Any

import numpy as np


def check_arrays(model: Any, x: Any, y: Any = None) -> None:
    """Check the arrays, or the first batch of the data set, that a method of Keras is called with.

    Generators and tensors are not checked. The first batch of a data set is computed once more for
    it, which shows images of the wrong shape or range before they are trained on.

    Args:
        model: a ``xraylab.models.base.ImageModel``.
        x, y: as for ``keras.Model.fit``.

    Raises:
        ValueError: for images of another shape or with NaN, and as :func:`check_labels`.
    """
    if y is None and not isinstance(x, np.ndarray):
        x, y = _first_batch(x)
    if isinstance(x, np.ndarray):
        require_shape(model, x)
        check_grey_levels(model, x, stacklevel=5)
    if isinstance(y, np.ndarray):
        check_labels(model, y)


def _first_batch(x):
    """Return images and labels of the first batch of a data set of others, as arrays or None."""
    if hasattr(x, "as_numpy_iterator"):  # tf.data.Dataset
        batch = next(iter(x.take(1).as_numpy_iterator()), None)
    elif hasattr(x, "num_batches") and not type(x).__module__.startswith("xraylab."):
        batch = x[0]  # keras.utils.PyDataset
    else:
        return None, None
    return tuple(batch)[:2] if isinstance(batch, tuple) and len(batch) > 1 else (batch, None)


def require_shape(model: Any, images: Any) -> None:
    """Raise a ValueError for images of another shape than the model was built for."""
    shape = getattr(images, "shape", ())
    known = getattr(shape, "rank", 0) is not None  # tf.TensorShape(None) has no length
    shape = tuple(shape) if known else None
    side = model.image_size
    if shape is not None and len(shape) == 4 and shape[1:] == (side, side, 1):
        return
    if shape is None or None in shape[1:]:
        advice = f"Set the shape in the data set: tf.ensure_shape(x, (None, {side}, {side}, 1))"
    elif len(shape) != 4:
        advice = "Add axes: images[np.newaxis] for the batch, images[..., np.newaxis] for grey"
    elif shape[3] != 1:
        advice = "Pass one channel or the mean of the channels"
    else:
        advice = f"Build the model with image_size={shape[1]}, or load images of {side} px"
    raise ValueError(
        f"Wrong shape of images for {model.name}. Expected: (batch, {side}, {side}, 1). "
        f"Received: {shape}. {advice}"
    )


def check_grey_levels(model: Any, images: Any, stacklevel: int) -> None:
    """Warn of grey levels outside [0, 1], refuse NaN; only NumPy arrays are checked."""
    if not isinstance(images, np.ndarray) or not images.size:
        return
    low, high = float(images.min()), float(images.max())
    if not np.isfinite([low, high]).all():
        raise ValueError(
            "Some grey levels are NaN or infinite. Expected: values in [0, 1]. Received: "
            f"{low:g} to {high:g}. Check for unreadable images or a division by zero"
        )
    if low < -0.5 or high > 1.5:
        warnings.warn(
            f"{model.name} expects grey levels in [0, 1]. Received: {low:g} to {high:g}. "
            "Divide 8-bit images by 255",
            stacklevel=stacklevel,
        )


def check_labels(model: Any, labels: np.ndarray) -> None:
    """Refuse labels that the loss would take for others.

    Raises:
        ValueError: if labels have another shape, are not numbers, are outside [0, 1], or are NaN
            (unknown) and the loss or a metric is one of Keras, which does not ignore them.
    """
    if model.num_labels is None or not labels.size:
        return
    if labels.shape[1:] != (model.num_labels,) and (model.num_labels > 1 or labels.ndim > 1):
        raise ValueError(
            f"Wrong shape of labels for {model.name}. Expected: (num_images, "
            f"{model.num_labels}). Received: {labels.shape}. Build the model with as many "
            "num_labels as the labels have columns"
        )
    if labels.dtype.kind in "OSU":
        raise ValueError(
            "Labels are not numbers. Expected: 0, 1, or NaN if unknown. Received: dtype "
            f"{labels.dtype}. Convert them, as by (labels == 'yes').astype('float32')"
        )
    unknown = np.isnan(labels)
    outside = labels[~unknown & ((labels < 0) | (labels > 1))]
    if outside.size:
        raise ValueError(
            "Labels are out of range. Expected: values in [0, 1], or NaN if unknown. Received: "
            f"{outside[0]:g}. Replace the codes of uncertain labels, such as -1, by 0, 1 or NaN, "
            "and a teacher's logits by their sigmoid"
        )
    if unknown.any() and (names := getattr(model, "reads_nan", "")):
        raise ValueError(
            "Some labels are NaN (unknown), which losses and metrics of Keras do not ignore. "
            f"Expected: those of xraylab. Received: {names}. Compile with "
            "loss=xraylab.losses.BinaryCrossentropy(), metrics=[xraylab.metrics.MacroAUC()]"
        )
