"""A model's answers for all images of a split."""

import numpy as np

from xraylab.backend import is_out_of_memory
from xraylab.data import Split, batches


def predict_logits(model, split, batch_size=128):
    """Return a model's logits for every image, in the split's order.

    Shapes:
        returns: (num_images, num_labels) float32, before the sigmoid.

    Args:
        model: a model of :func:`xraylab.models.build`.
        split: a :class:`xraylab.data.Split` of the model's image size.
        batch_size: images a step, fewer where memory does not take so many; it does not change the
            answers.

    Raises:
        ValueError: if the images are not of the size the model takes, or ``split`` is no split.
    """
    if not isinstance(split, Split):
        raise ValueError(
            f"split must be a xraylab.data.Split, as data.load returns; {type(split).__name__} "
            "came. For an array of images use model.predict(images)"
        )
    expected = getattr(model, "image_size", split.size)
    if split.size != expected:
        raise ValueError(
            f"the model takes images of {expected} px; those of {split.source} have {split.size} "
            f"px. Load them with size={expected}"
        )
    batch_size = min(batch_size, len(split))
    while True:
        try:
            return _predict(model, split, batch_size)
        except Exception as error:
            if batch_size == 1 or not is_out_of_memory(error):
                raise
        batch_size //= 2


def _predict(model, split, batch_size):
    """Return a model's logits for every image."""
    answers = []
    for images, _ in batches(split, batch_size):
        # A last batch of another length would be compiled anew: fill it up, then cut.
        filled = np.pad(images, ((0, batch_size - len(images)), (0, 0), (0, 0), (0, 0)))
        logits = model.predict_on_batch(filled)["logits"]
        answers.append(np.asarray(logits, dtype=np.float32)[: len(images)])
    return np.concatenate(answers)


def sigmoid(logits):
    """Return 1 / (1 + exp(-z)) without overflow, in the precision of ``logits``.

    Shapes:
        logits: any NumPy array of floats; returned in the same shape, in [0, 1].
    """
    return np.exp(-np.logaddexp(0, -logits))
