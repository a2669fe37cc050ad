"""Run a trained model on images in bounded memory, and collect its intermediates."""

import weakref
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument
from xraylab.backend import compiled

MAX_BYTES = 2**28
"""Memory for the intermediates of one batch; a single image may take more."""

EAGER_CALLS = 2
"""Calls before a function is compiled: compilation takes as long as about ten eager calls."""

_CALLS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # by model: counts and functions


def forward(model: Any, images: ArrayLike, select: Callable[[dict], dict]) -> dict[str, np.ndarray]:
    """Run a model on images, a few at a time, and collect a selection of its intermediates.

    Args:
        model: a model of :func:`xraylab.models.build`.
        images: (num_images, size, size, 1) float in [0, 1].
        select: takes the intermediates of a batch and returns a dict of tensors, images first.

    Raises:
        ValueError: if there are no images, or their shape is not the model's.
    """

    def run(batch):
        outputs = call(model, _intermediates, batch)
        selected = {name: ops.convert_to_numpy(value) for name, value in select(outputs).items()}
        return selected, _num_bytes(outputs)

    return in_batches(run, check_images(model, images))


def in_batches(
    function: Callable[[np.ndarray], tuple[dict, int]], images: np.ndarray
) -> dict[str, np.ndarray]:
    """Apply a function to one image, then to as many at a time as fit into ``MAX_BYTES``.

    Args:
        function: takes images and returns a dict of arrays, images first, and the bytes it took.
        images: the images.
    """
    first, num_bytes = function(images[:1])
    step = max(1, MAX_BYTES // max(1, num_bytes))
    starts = range(1, len(images), step)
    results = [first, *(function(images[start : start + step])[0] for start in starts)]
    return {name: np.concatenate([part[name] for part in results]) for name in first}


def call(
    model: Any,
    function: Callable,
    *arrays: Any,
    static: Hashable = (),
    eager_calls: int = EAGER_CALLS,
) -> Any:
    """Compute ``function(model, *arrays)``; later calls are compiled and use the current weights.

    Args:
        model: a model of :func:`xraylab.models.build`.
        function: takes the model, arrays or lists of arrays, and ``static`` as a keyword if it is
            given. It is compiled once for each function, ``static`` and set of shapes.
        eager_calls: number of calls before the function is compiled.
    """
    options = {"static": static} if static else {}
    counts, functions = _CALLS.setdefault(model, (Counter(), {}))
    key = (function, static)
    counts[key] += 1
    if counts[key] <= eager_calls:
        return function(model, *arrays, **options)
    if key not in functions:
        reference = weakref.ref(model)  # the cache must not keep the model alive
        functions[key] = compiled(
            lambda *arrays: function(reference(), *arrays, **options), model.variables
        )
    return functions[key](*arrays)


def check_images(model: Any, images: ArrayLike) -> np.ndarray:
    """Return images as a float32 array of the shape that the model takes."""
    images = np.asarray(images, dtype=np.float32)
    if images.ndim != 4 or not len(images):
        expected, hint = "shape (num_images, size, size, 1)", "images[:1] selects one image."
        raise invalid_argument("images", expected, f"shape {images.shape}", hint)
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


def _num_bytes(values: Any) -> int:
    """Return the size of tensors in nested dicts, as float32."""
    if isinstance(values, dict):
        return sum(map(_num_bytes, values.values()))
    return int(np.prod(values.shape)) * 4
