"""Attention as the trained model computes it: by layer and head, rolled out, and weighted."""

from functools import partial

import numpy as np
from keras import ops

from xraylab.explain.flow import reach
from xraylab.explain.gradient import gradient
from xraylab.explain.looking import (
    KEPT_BYTES,
    asked,
    attention_layers,
    checked_images,
    checked_labels,
    look,
)

KINDS = ("attention", "attention_before", "label_attention", "cross_attention")
"""Under what names models return attention maps among their intermediates."""


def attention(model, images, layers=None):
    """Return the attention maps of a model, by name.

    A map is named after its block: ``block_0``, ``stage_1_block_2``. What another map of the same
    block is has its kind behind a point: ``block_8.label_attention`` of LT-ViT,
    ``stage_0_block_0.attention_before`` of MXA in the authors' arrangement. DBCT's patches read
    from its convolutional map in ``cross_attention``.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: dict of (num_images, heads, queries, keys) float32, each row of which sums to 1;
        where attention stays inside windows, (num_images, windows, heads, queries, keys).

    Args:
        model: a model of :func:`xraylab.models.build`.
        images: the images.
        layers: names of the maps to return; None returns all.

    Raises:
        ValueError: if the model has no attention, a layer is unknown, or the images are not such as
            the model takes.
    """
    wanted = None if layers is None else [layers] if isinstance(layers, str) else list(layers)
    if wanted == []:
        raise ValueError("layers: expected at least one name, got none; None takes all")

    def keep(seen):
        found = _maps_of(seen)
        if not found:
            raise ValueError(
                f"{model.name} has no attention; explain.grad_cam tells where it looks"
            )
        for name in wanted or ():
            if name not in found:
                raise ValueError(
                    f"layers: {model.name} has no attention called {name!r}; it has "
                    f"{', '.join(found)}"
                )
        return {name: found[name] for name in (found if wanted is None else wanted)}

    return look(model, images, keep)


def rollout(model, images):
    """Return what reaches the answer from each place of the image if attention is all there is.

    Heads are averaged, each block passes on half of what a token was and half of what it reads, and
    blocks are multiplied. It knows nothing of labels, values, and perceptrons.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, rows, columns) of the [CLS] token, rows and columns those of the
        tokens; of DBCT the mean over its patches, what they read from the convolutional map
        included, on the grid of that; of LT-ViT (num_images, num_labels, rows, columns), a map for
        each label's token. An image's map sums to 1, less what stays with [CLS] or label tokens.

    Args:
        model: RR-ViT, Hybrid RR-ViT, DBCT or LT-ViT, of any size.
        images: the images.

    Raises:
        ValueError: if attention in the model does not connect all places, or the images are not
            such as it takes.

    Source: ``abnar2020``, Sect. 3.
    """
    _require_transformer(model)

    def keep(seen):
        return {name: ops.mean(found, axis=1) for name, found in _maps_of(seen).items()}

    found = look(model, images, lambda seen: keep(seen) | {"grid": _grid(seen)})
    grid = found.pop("grid").shape[1:]
    return reach(model, found, grid, keep=0.5, read=0.5)


def gradient_attention(model, images, labels=None):
    """Return how much each place of the image speaks for each label, by attention and its gradient.

    An entry of an attention map counts by its value times the derivative of the label's logit by
    it, where that is positive, mean over heads. Blocks pass this on beside what each token was.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, num_labels, rows, columns), at least 0; rows and columns are those of
        the tokens, of DBCT those of its convolutional map.

    Args:
        model: RR-ViT, Hybrid RR-ViT, DBCT or LT-ViT, of any size. Of an LT-ViT with
            ``stop_gradient_to_image`` the label blocks alone count, as no slope passes them.
        images: the images.
        labels: numbers of the labels; None takes all. Each takes a pass back through the model.

    Raises:
        ValueError: if attention in the model does not connect all places, a label is none of the
            model's, or the images are not such as it takes.

    Source: ``chefer2021``, Eqs. 5 and 6; what label tokens and patches read from elsewhere is added
    as its Eq. 6 has it, for all maps are of one network here.
    """
    _require_transformer(model)
    images, labels = checked_images(images), checked_labels(model, labels)
    parts, start, step = [], 0, 1
    while start < len(images):
        found = look(
            model, images[start : start + step], lambda seen: _maps_of(seen) | {"grid": _grid(seen)}
        )
        grid = found.pop("grid").shape[1:]
        parts.append(_weighted(model, images[start : start + step], labels, found, grid))
        start += step
        if len(parts) == 1:  # the first image tells what one takes
            step = max(1, KEPT_BYTES // (4 * sum(maps.nbytes for maps in found.values())))
    return np.concatenate(parts)


def _weighted(model, images, labels, found, grid):
    """Return the maps of :func:`gradient_attention` of some images, whose attention is ``found``."""
    answers = []
    for label in labels:
        slopes = _slopes(model, images, label, found)
        counted = {
            name: np.maximum(found[name] * slopes[name], 0).mean(axis=1) for name in found
        }  # (images, queries, keys)
        answers.append(reach(model, counted, grid, label=label))
    return np.stack(answers, axis=1)


def _slopes(model, images, label, found):
    """Return the derivative of a label's logit by each attention map, some maps at a time."""
    slopes, names = {}, list(found)
    while names:
        taken = [names.pop(0)]
        while names and sum(found[name].nbytes for name in [*taken, names[0]]) <= KEPT_BYTES // 4:
            taken.append(names.pop(0))

        nothing = [ops.zeros(found[name].shape, "float32") for name in taken]
        moved = asked(
            model,
            f"slopes of {', '.join(taken)}",
            partial(_logit_slopes, model, taken),
            images,
            np.int32(label),
            nothing,
        )
        slopes |= zip(taken, map(ops.convert_to_numpy, moved), strict=True)
    return slopes


def _logit_slopes(model, names, call, images, label, nothing):
    """Return the derivatives of a label's logit by the attention maps of these names."""

    def logit(additions):
        added = dict(zip(names, additions, strict=True))

        def change(name, attention):
            if name not in added:
                return attention
            return attention + ops.cast(added[name], attention.dtype)

        return ops.take(call(images, attention_transform=change), label, axis=1)

    return gradient(logit, nothing)


def _maps_of(seen):
    """Return all attention maps among a model's intermediates by their names."""
    return {
        layer if kind in ("attention", layer) else f"{layer}.{kind}": ops.cast(found, "float32")
        for kind in KINDS
        for layer, found in seen.get(kind, {}).items()
    }


def _grid(seen):
    """Return a map shaped as the places that tokens read from, (batch, rows, columns)."""
    return seen.get("local_features", seen["features"])[..., 0]


def _require_transformer(model):
    if not attention_layers(model):
        raise ValueError(
            f"{model.name} has no attention that connects all places of an image; this takes RR-ViT, "
            "Hybrid RR-ViT, DBCT and LT-ViT. explain.grad_cam and explain.occlusion take every "
            "model that ends in a map"
        )
