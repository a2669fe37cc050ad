"""Run a trained model on images in bounded memory: intermediates, gradients, argument checks."""

import weakref
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument, require
from xraylab.backend import compiled

MAX_BYTES = 2**28
"""Memory for the intermediates of one batch; a single image may take more."""

EAGER_CALLS = 2
"""Calls before a function is compiled: compilation takes as long as about ten eager calls."""

_CALLS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # by model: counts and functions


def forward(model: Any, images: ArrayLike, select: Callable[[dict], Any]) -> Any:
    """Run a model on images, a few at a time, and collect a selection of its intermediates.

    Args:
        model: a model of :func:`xraylab.models.build`.
        images: (num_images, size, size, 1) float in [0, 1].
        select: takes the intermediates of a batch and returns a tensor, or nested dicts of tensors,
            with images first.

    Returns:
        What ``select`` returns for all images, as float32 arrays.

    Raises:
        ValueError: if there are no images, or their shape is not the model's.
    """

    def run(batch):
        outputs = call(model, _intermediates, batch)
        num_bytes = sum(4 * int(np.prod(value.shape)) for value in tree.flatten(outputs))
        selected = tree.map_structure(lambda value: ops.cast(value, "float32"), select(outputs))
        return tree.map_structure(ops.convert_to_numpy, selected), num_bytes

    return in_batches(run, model, images)


def in_batches(
    function: Callable[[np.ndarray], tuple[Any, int]], model: Any, images: ArrayLike
) -> Any:
    """Apply a function to one image, then to as many at a time as fit into ``MAX_BYTES``.

    Args:
        function: takes images and returns arrays with images first, and the bytes it took.
        model: a model of :func:`xraylab.models.build`.
        images: (num_images, size, size, 1) float in [0, 1].
    """
    images = check_images(model, images)
    first, num_bytes = function(images[:1])
    step = max(1, MAX_BYTES // max(1, num_bytes))
    starts = range(1, len(images), step)
    results = [first, *(function(images[start : start + step])[0] for start in starts)]
    return tree.map_structure(lambda *parts: np.concatenate(parts), *results)


def call(model: Any, function: Callable, *arrays: Any, static: Hashable = ()) -> Any:
    """Compute ``function(model, *arrays)``; later calls are compiled and use the current weights.

    Args:
        model: a model of :func:`xraylab.models.build`.
        function: takes the model, arrays or lists of arrays, and ``static`` as a keyword if it is
            given. It is compiled once for each function, ``static`` and set of shapes.
    """
    options = {"static": static} if static else {}
    counts, functions = _CALLS.setdefault(model, (Counter(), {}))
    key = (function, static)
    counts[key] += 1
    if counts[key] <= EAGER_CALLS:
        return function(model, *arrays, **options)
    if key not in functions:
        reference = weakref.ref(model)  # the cache must not keep the model alive
        functions[key] = compiled(
            lambda *arrays: function(reference(), *arrays, **options), model.variables
        )
    return functions[key](*arrays)


def gradient(function: Callable[[list], Any], inputs: list) -> list:
    """Compute the derivatives of ``sum(function(inputs))`` with respect to each input.

    Args:
        function: takes the list of inputs and returns a tensor of any shape.
        inputs: list of tensors.

    Raises:
        ValueError: if the backend is neither TensorFlow nor JAX.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.grad(lambda values: ops.sum(function(values)))(inputs)
    if backend != "tensorflow":
        raise invalid_argument("KERAS_BACKEND", "tensorflow or jax", backend)
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        total = ops.sum(function(inputs))
    return tape.gradient(total, inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def check_images(model: Any, images: ArrayLike) -> np.ndarray:
    """Return images as a float32 array of the shape that the model takes."""
    images = np.asarray(images, dtype=np.float32)
    expected, hint = "shape (num_images, size, size, 1)", "images[:1] selects one image."
    require(images.ndim == 4 and len(images), "images", expected, f"shape {images.shape}", hint)
    model.check_images(images)
    return images


def check_labels(model: Any, labels: ArrayLike | None) -> list[int]:
    """Return label indices as a list; all of the model's for None."""
    indices = np.arange(model.num_labels) if labels is None else np.atleast_1d(np.asarray(labels))
    valid = np.issubdtype(indices.dtype, np.integer) and indices.ndim == 1 and indices.size
    if not valid or not ((indices >= 0) & (indices < model.num_labels)).all():
        expected = f"one or more indices from 0 to {model.num_labels - 1}"
        hint = "FINDINGS.index(name) is the index of a finding."
        raise invalid_argument("labels", expected, repr(labels), hint)
    return indices.tolist()


def _intermediates(model: Any, images: Any) -> dict:
    return model(images, training=False, return_intermediates=True)
