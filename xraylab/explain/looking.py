"""Looking into a trained model: image by image, so that memory stays bounded, and from inside."""

from collections import Counter
from functools import partial

import keras
import numpy as np
from keras import ops

from xraylab.layers import MultiHeadAttention

KEPT_BYTES = 2**28
"""What a model may hold of its intermediates at a time; one image may take more."""

EAGER_RUNS = 2
"""How often a model is asked as it is before the question is compiled, which takes as long as ten
answers and makes the next ones several times faster."""


def look(model, images, keep):
    """Run a model on images, a few at a time, and keep a part of what it saw.

    Args:
        model: a model of :func:`xraylab.models.build`.
        images: (num_images, size, size, 1) float in [0, 1].
        keep: takes what the model returns for some images and returns a dict of tensors, images
            first.

    Returns:
        The dict of NumPy arrays for all images.

    Raises:
        ValueError: if the images are none, or not such as the model takes.
    """
    images = checked_images(images)
    parts, start, step = [], 0, 1
    while start < len(images):
        seen = _seen(model, images[start : start + step])
        kept = keep(seen)
        parts.append({name: ops.convert_to_numpy(value) for name, value in kept.items()})
        start += step
        if len(parts) == 1:  # the first image tells what one takes
            step = max(1, KEPT_BYTES // max(1, _count_bytes(seen)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _seen(model, images):
    """Return what a model answers and sees of some images."""
    model.check_images(images)

    def run(call, images):
        return call(images, return_intermediates=True)

    return asked(model, "look", run, images)


class _Asked:
    """How often each question was asked of a model, and those that are compiled by now."""

    def __init__(self):
        self.counts, self.compiled = Counter(), {}


def asked(model, question, run, *arrays):
    """Return what ``run`` gives; compiled once the question was asked a few times.

    Args:
        model: a model of :func:`xraylab.models.build`.
        question: a name for ``run``: another function needs another name.
        run: takes a function that runs the model, without training, and the arrays. The one that
            came first is kept: what else it knows must follow from model and question.
        arrays: arrays or lists of them, images first in each that is not a single number.
    """
    call = partial(model, training=False)
    if keras.backend.backend() not in ("tensorflow", "jax"):
        return run(call, *arrays)
    if not hasattr(model, "_asked"):
        model._asked = _Asked()
    known = model._asked
    known.counts[question] += 1
    if known.counts[question] <= EAGER_RUNS:
        return run(call, *arrays)
    if question not in known.compiled:
        known.compiled[question] = _compiled(model, run, arrays)
    return known.compiled[question](*arrays)


def _compiled(model, run, arrays):
    """Return ``run``, compiled; it follows changes of the weights.

    TensorFlow compiles once for any number of images, JAX once for each number.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def spec(array):
            array = tf.convert_to_tensor(array)
            return tf.TensorSpec((None, *array.shape[1:]) if array.ndim else (), array.dtype)

        signature = tf.nest.map_structure(spec, list(arrays))
        return tf.function(partial(run, partial(model, training=False)), signature)
    import jax

    variables = model.variables  # not by trainable and the rest: a layer may be frozen in between

    @jax.jit
    def pure(values, *arrays):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return run(partial(model, training=False), *arrays)

    def compiled(*arrays):
        return pure([variable.value for variable in variables], *arrays)

    return compiled


def answer(model, images, batch_size=64):
    """Return a model's logits for images, some at a time: (num_images, num_labels) float32."""
    images = checked_images(images)
    model.check_images(images)
    step = min(batch_size, len(images))
    parts = []
    for start in range(0, len(images), step):
        some = images[start : start + step]
        # A last batch of another length would be compiled anew: fill it up, then cut.
        filled = np.pad(some, ((0, step - len(some)), (0, 0), (0, 0), (0, 0)))
        parts.append(np.asarray(model.predict_on_batch(filled))[: len(some)])
    return np.concatenate(parts).astype(np.float32)


def attention_layers(model):
    """Return the multi-head attention layers of a transformer by the names of their maps.

    Empty for models whose attention stays in windows or reads from pooled keys.
    """
    layers = {block.name: getattr(block, "attention", None) for block in _blocks(model)}
    crossing = getattr(model, "cross_attention", None)
    if isinstance(crossing, MultiHeadAttention):
        layers[crossing.name] = crossing
    return {name: layer for name, layer in layers.items() if isinstance(layer, MultiHeadAttention)}


def checked_images(images):
    """Return images as a float32 array; the model itself looks at shape and range."""
    images = np.asarray(images, dtype=np.float32)
    if images.ndim != 4 or not len(images):
        raise ValueError(
            f"images: expected (num_images, size, size, 1) with at least one image, got shape "
            f"{images.shape}. Take one image as images[:1]"
        )
    return images


def checked_labels(model, labels):
    """Return the numbers of labels asked for as a list; all of them for None."""
    if labels is None:
        return list(range(model.num_labels))
    labels = [labels] if np.ndim(labels) == 0 else list(labels)
    for label in labels:
        if not isinstance(label, int | np.integer) or not 0 <= label < model.num_labels:
            raise ValueError(
                f"labels: expected numbers from 0 to {model.num_labels - 1}, got {label!r}. "
                "FINDINGS.index(name) gives that of a finding"
            )
    if not labels:
        raise ValueError("labels: expected at least one, got none")
    return [int(label) for label in labels]


def _blocks(model):
    return getattr(model, "blocks", ())


def _count_bytes(values):
    """Return what tensors in nested dicts weigh."""
    if isinstance(values, dict):
        return sum(map(_count_bytes, values.values()))
    return int(np.prod(values.shape)) * 4
