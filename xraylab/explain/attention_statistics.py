"""What attention maps have in common: how much each position receives, how uniform they are."""

from math import isqrt, log
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument
from xraylab.explain.attention_maps import attention, attention_by_layer
from xraylab.explain.forward import forward


def received_attention(model: Any, images: ArrayLike, layer: str) -> np.ndarray:
    """Compute the attention that each position receives, relative to uniform attention.

    This is the mean over heads and queries times the number of keys. Attention in windows is put
    back on the map; queries in the padding of a window do not count.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, rows, columns) float64, at least 0; 1 where attention is uniform.

    Args:
        model: a model of :func:`xraylab.models.build` with attention.
        images: the images.
        layer: name of one map of :func:`xraylab.explain.attention`.

    Raises:
        ValueError: if the model has no such map, its keys are not positions of a square map (the
            averages of MedViT, the label tokens of LT-ViT), or the images do not fit.
    """
    maps = attention(model, images, layer)[layer].astype(np.float64)
    *_, queries, keys = maps.shape
    side = isqrt(keys)
    if maps.ndim == 5:
        inside = _queries_in_windows(model, layer, maps.shape)
        weights = inside / inside.sum(axis=1, keepdims=True)
        received = np.einsum("nwhqk,wq->nwk", maps, weights) / maps.shape[2]
        count, size = isqrt(maps.shape[1]), _map_size(model, layer)
        received = received.reshape(-1, count, count, side, side).swapaxes(2, 3)
        received = received.reshape(-1, count * side, count * side)[:, :size, :size]
    else:
        if (queries != keys and layer != "cross_attention") or keys - side**2 not in (0, 1):
            expected = "a map whose keys are the positions of a square map, and [CLS]"
            raise invalid_argument("layer", expected, f"{layer!r} of shape {maps.shape}")
        received = maps.mean(axis=(1, 2))[:, keys - side**2 :].reshape(-1, side, side)
    return keys * received


def attention_uniformity(model: Any, images: ArrayLike) -> dict[str, np.ndarray]:
    """Compute the entropy of attention by layer and head, relative to uniform attention.

    The entropy -Σ a log a of the attention of one query to K keys is divided by log K, its maximum,
    and averaged over the queries: 1 if every query attends to all keys alike, 0 if to a single one.
    Values near 1 in the last layers show that attention has not learned to select.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, heads) float64 in [0, 1] by the names of
        :func:`xraylab.explain.attention`; NaN where there is one key.

    Args:
        model: a model of :func:`xraylab.models.build` with attention.
        images: the images.

    Raises:
        ValueError: if the model has no attention, or the images do not fit.
    """

    def select(intermediates):
        maps = attention_by_layer(model, intermediates)
        return {name: _mean_entropy(model, name, values) for name, values in maps.items()}

    found = forward(model, images, select)
    return {name: values.astype(np.float64) for name, values in found.items()}


def _mean_entropy(model, name, maps):
    """Compute the entropy of maps relative to its maximum, mean over queries (and windows)."""
    keys = maps.shape[-1]
    # Of one key the entropy and its maximum are 0, and their ratio is NaN.
    entropy = -ops.sum(maps * ops.log(ops.maximum(maps, 1e-30)), axis=-1) / log(keys)
    if len(maps.shape) == 4:
        return ops.mean(entropy, axis=-1)
    weights = _queries_in_windows(model, name, maps.shape).astype("float32")
    return ops.einsum("nwhq,wq->nh", entropy, weights / weights.sum())


def _map_size(model, layer):
    """Return the side of the map on which a block of window attention works."""
    block = next(x for x in model.trunk if x.name == layer.partition(".")[0])
    return block.get_build_config()["input_shape"][1]


def _queries_in_windows(model, layer, shape):
    """Return which queries of windows are positions of the map, (windows, queries) bool."""
    _, windows, _, queries, _ = shape
    count, side, size = isqrt(windows), isqrt(queries), _map_size(model, layer)
    inside = np.arange(count * side).reshape(count, side) < size  # (windows in a row, side)
    inside = inside[:, None, :, None] & inside[None, :, None, :]
    return inside.reshape(windows, queries)
