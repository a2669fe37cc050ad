"""Logits of a model for all images of a split or an array, in batches."""

from typing import Any

import numpy as np

from xraylab.backend import is_out_of_memory
from xraylab.data import Split


def predict_logits(
    model: Any, images_or_split: Split | np.ndarray, batch_size: int = 128
) -> np.ndarray:
    """Compute a model's logits for every image, in order.

    Shapes:
        returns: (num_images, num_labels) float32, before the sigmoid.

    Args:
        model: a model of :func:`xraylab.models.build`, with or without a final sigmoid.
        images_or_split: (num_images, size, size, 1) floats in [0, 1], or a
            :class:`xraylab.data.Split`.
        batch_size: images per step, halved where memory runs out; it does not change the result.

    Raises:
        ValueError: if the images do not have the size that the model takes.
    """
    if isinstance(images_or_split, Split):
        expected = getattr(model, "image_size", images_or_split.size)
        if images_or_split.size != expected:
            raise ValueError(
                f"Images of the wrong size. Expected: {expected} px. Received: "
                f"{images_or_split.size} px from {images_or_split.source}. Load them with "
                f"size={expected}"
            )
    else:
        model.check_images(images_or_split)
    batch_size = min(batch_size, len(images_or_split))
    while True:
        try:
            return _predict(model, images_or_split, batch_size)
        except Exception as error:
            if batch_size == 1 or not is_out_of_memory(error):
                raise
        batch_size //= 2


def _predict(model, images_or_split, batch_size):
    """Compute the logits batch by batch."""
    if isinstance(images_or_split, Split):
        chunks = (images for images, _ in images_or_split.to_dataset(batch_size))
    else:
        starts = range(0, len(images_or_split), batch_size)
        chunks = (images_or_split[start : start + batch_size] for start in starts)
    parts = []
    for images in chunks:
        # A last batch of another length would be compiled anew: fill it up, then cut.
        filled = np.pad(images, ((0, batch_size - len(images)), (0, 0), (0, 0), (0, 0)))
        parts.append(_logits(model, filled)[: len(images)])
    return np.concatenate(parts)


def _logits(model, images):
    """Compute the logits of one batch."""
    if getattr(model, "classifier_activation", None) is None:
        return np.asarray(model.predict_on_batch(images), dtype=np.float32)
    inside = model(images, training=False, return_intermediates=True)
    return np.asarray(inside["logits"], dtype=np.float32)
