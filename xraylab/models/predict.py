"""Logits of a model for all images of a split or an array, in batches."""

from typing import TYPE_CHECKING, Any

import numpy as np

from xraylab.arguments import require

if TYPE_CHECKING:
    from xraylab.data import Split


def predict_logits(
    model: Any, images_or_split: "Split | np.ndarray", batch_size: int = 128
) -> np.ndarray:
    """Compute a model's logits for every image, in order.

    Shapes:
        returns: (num_images, num_labels) float32, before the sigmoid.

    Args:
        model: a model of :func:`xraylab.models.build`, with or without a final sigmoid.
        images_or_split: (num_images, size, size, 1) floats in [0, 1], or a
            :class:`xraylab.data.Split`.
        batch_size: images per step; it does not change the result.

    Raises:
        ValueError: if there are no images, or they do not have the size that the model takes.
    """
    from xraylab.data import Split  # here, so that listing the models does not import pandas

    require(len(images_or_split), "images_or_split", "at least one image", "none")
    batch_size = min(batch_size, len(images_or_split))
    if isinstance(images_or_split, Split):
        chunks = (images for images, _ in images_or_split.to_dataset(batch_size))
    else:
        model.check_images(images_or_split)
        starts = range(0, len(images_or_split), batch_size)
        chunks = (images_or_split[start : start + batch_size] for start in starts)
    parts = []
    for images in chunks:
        # A last batch of another length would be compiled anew: fill it up, then cut.
        filled = np.pad(images, ((0, batch_size - len(images)), (0, 0), (0, 0), (0, 0)))
        if (activation := getattr(model, "classifier_activation", None)) is None:
            logits = model.predict_on_batch(filled)
        else:  # return_intermediates would hold every attention map
            model.classifier_activation = None
            try:
                logits = model(filled, training=False)
            finally:
                model.classifier_activation = activation
        parts.append(np.asarray(logits, dtype=np.float32)[: len(images)])
    return np.concatenate(parts)
