"""Attention maps, rollout and gradient-weighted attention; boxes and gates of MXA."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from xraylab.arguments import require, require_choice
from xraylab.explain.forward import call, check_labels, forward, gradient, in_batches

KINDS = ("attention", "attention_before", "label_attention", "cross_attention")
"""Names under which models return attention maps among their intermediates."""


def attention(
    model: Any, images: ArrayLike, layers: str | Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Return the attention maps of a model by name.

    A map is named after its block: ``block_0``, ``stage_1_block_2``. A further map of the same
    block has its kind as a suffix: ``block_8.label_attention`` of LT-ViT,
    ``stage_0_block_0.attention_before`` of EfficientViT with MXA in the authors' arrangement. The
    patches of DBCT attend to its convolutional map in ``cross_attention``, with both in row order.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: dict of (num_images, heads, queries, keys) float32, each row with sum 1;
        for window attention (num_images, windows, heads, queries, keys).

    Args:
        model: a model of :func:`xraylab.models.build`.
        images: the images.
        layers: name or names of the maps to return; None returns all.

    Raises:
        ValueError: if the model has no attention, a layer is unknown, or the images do not fit.
    """
    names = [layers] if isinstance(layers, str) else layers

    def select(intermediates):
        maps = attention_by_layer(model, intermediates)
        selected = maps if names is None else names
        return {name: maps[require_choice("layers", name, maps)] for name in selected}

    return forward(model, images, select)


def rollout(model: Any, images: ArrayLike) -> np.ndarray:
    """Compute attention rollout: the contribution of each position through attention alone.

    Heads are averaged, each token is half itself and half what it attends to, and the matrices of
    the blocks are multiplied. Rollout does not depend on labels, values or MLPs.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, rows, columns) on the grid of the patch tokens: the row of the [CLS]
        token; for DBCT the mean over its patches, on the grid of its convolutional map; for LT-ViT
        (num_images, num_labels, rows, columns), one map for each label token. The sum of a map is
        1 minus the contribution of [CLS] or label tokens.

    Args:
        model: ViT, RR-ViT, Hybrid RR-ViT, DBCT with cross-attention or LT-ViT of any size.
        images: the images.

    Raises:
        ValueError: if the model has no attention over the whole image, or the images do not fit.

    References: Abnar and Zuidema 2020 (``abnar2020``), Sect. 3.
    """
    maps, grid = _attention_and_grid(model, images, mean_heads=True)
    return propagate(model, maps, grid, factor=0.5)


def gradient_attention(
    model: Any, images: ArrayLike, labels: ArrayLike | None = None
) -> np.ndarray:
    """Compute gradient-weighted attention: the relevance of each position for each label.

    Each entry of an attention map is multiplied by the derivative of the label's logit with respect
    to it; negative products are set to 0 and heads averaged. Blocks add this to the identity.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, num_labels, rows, columns), at least 0, on the grid of the patch
        tokens; for DBCT on that of its convolutional map.

    Args:
        model: ViT, RR-ViT, Hybrid RR-ViT, DBCT with cross-attention or LT-ViT of any size. For
            an LT-ViT with ``stop_gradient_to_image`` only the label blocks contribute.
        images: the images.
        labels: indices of the labels; None selects all. Each takes one backward pass.

    Raises:
        ValueError: if the model has no attention over the whole image, a label is out of range, or
            the images do not fit.

    References: Chefer et al. 2021 (``chefer2021``), Eqs. 5 and 6. Attention of label tokens and
        cross-attention are added as in Eq. 6, since all maps belong to one network.
    """
    _require_transformer(model)
    indices = check_labels(model, labels)

    def run(batch):
        maps, grid = _attention_and_grid(model, batch)
        results = []
        for label in indices:
            slopes = _slopes(model, batch, label, maps)
            weighted = {
                name: np.maximum(maps[name] * slopes[name], 0).mean(axis=1) for name in maps
            }
            results.append(propagate(model, weighted, grid, label=label))
        return np.stack(results, axis=1), 4 * sum(values.nbytes for values in maps.values())

    return in_batches(run, model, images)


def label_maps(model: Any, images: ArrayLike) -> np.ndarray:
    """Return the attention of each LT-ViT label token to each patch, mean over heads and blocks.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, num_labels, rows, columns); the sum of a map is 1 minus the attention
        to other label tokens.

    Args:
        model: LT-ViT of any size.
        images: the images.

    Raises:
        ValueError: if the model has no label tokens, or the images do not fit.
    """
    has_labels = getattr(model, "num_label_blocks", 0)
    require(has_labels, "model", "LT-ViT, which has label tokens", model.name)
    blocks = range(model.first_label_block, model.first_label_block + model.num_label_blocks)
    maps = attention(model, images, [f"block_{i}.label_attention" for i in blocks])
    side = model.image_size // model.patch_size
    mean = np.mean([values.mean(axis=1) for values in maps.values()], axis=0)
    return mean[..., : side * side].reshape(len(mean), -1, side, side)


@dataclass(frozen=True)
class Region:
    """The region of interest of an MXA block, and the gates on it.

    Attributes:
        boxes: (num_images, 4): left, top, right and bottom as fractions of the image's side.
        channel_gates: (num_images, channels) in [0, 1].
        spatial_gates: (num_images, rows, columns) in [0, 1], on the resampled box.
    """

    boxes: np.ndarray
    channel_gates: np.ndarray
    spatial_gates: np.ndarray


def regions(model: Any, images: ArrayLike) -> dict[str, Region]:
    """Return the box and gates of each MXA block, by the block's name.

    Args:
        model: EfficientViT with MXA of any size.
        images: (num_images, size, size, 1) float in [0, 1].

    Raises:
        ValueError: if the model has no MXA, or the images do not fit.
    """
    names = [field.name for field in fields(Region)]

    def select(intermediates):
        require("boxes" in intermediates, "model", "EfficientViT with MXA", model.name)
        return {name: intermediates[name] for name in names}

    found = forward(model, images, select)
    return {layer: Region(*(found[name][layer] for name in names)) for layer in found["boxes"]}


def propagate(
    model: Any,
    maps: Mapping[str, np.ndarray],
    grid: Sequence[int],
    factor: float = 1.0,
    label: int | None = None,
) -> np.ndarray:
    """Compute the contribution of each position of the image to the output.

    After a block a token is ``factor`` times the sum of itself and what it attends to. The row of
    the output token is multiplied by these matrices, from the last block to the first. The output
    tokens are [CLS], the label tokens, or the mean of the patches of DBCT, which attend to a finer
    map.

    Shapes:
        maps: (num_images, queries, keys) by name, heads reduced: one for each block, and
            ``cross_attention`` or ``block_i.label_attention`` if the model has them.
        returns: (num_images, rows, columns), or (num_images, num_labels, rows, columns) for a model
            with label tokens unless ``label`` is given.

    Args:
        model: the transformer that the maps come from.
        grid: number of rows and columns of positions.
        factor: factor of each block.
        label: the label of interest, for a model with label tokens.
    """
    blocks = [block.name for block in model.blocks]
    images, num_tokens, _ = maps[blocks[0] if blocks else "cross_attention"].shape
    has_labels = any(name.endswith(".label_attention") for name in maps)
    rows = np.eye(1, num_tokens) if not has_labels else np.zeros((model.num_labels, num_tokens))
    labels = np.eye(model.num_labels)[None]
    if "cross_attention" in maps:
        # Without the residual connection the output is what the patches attend to, and no more.
        mean = np.full((images, 1, num_tokens), 1 / num_tokens)
        own, across = (factor, factor) if model.residual else (0.0, 1.0)
        rows, finer = own * mean, across * mean @ maps["cross_attention"]
    layers = [(name, f"{name}.label_attention") for name in reversed(blocks)]
    if getattr(model, "label_attention", "") == "late":  # labels read the tokens of the last block
        layers = [("", name) for _, name in layers] + [(name, "") for name, _ in layers]
    for name, label_name in layers:
        if name:
            by_image = factor * rows @ maps[name]
            rows = factor * rows + by_image[..., :num_tokens]
        if label_name in maps:
            by_label = factor * labels @ maps[label_name]
            rows, labels = rows + by_label[..., :num_tokens], factor * labels
            if model.label_self_attention:
                labels = labels + by_label[..., num_tokens:]
            if model.label_attention == "bidirectional":
                labels = labels + by_image[..., num_tokens:]
    if "cross_attention" in maps:
        # The contribution of a patch is spread evenly over the positions that it covers.
        side = round(num_tokens**0.5)
        scale = grid[0] // side
        spread = np.kron(rows.reshape(images, side, side), np.ones((1, scale, scale))) / scale**2
        return spread + finer.reshape(images, *grid)
    if not has_labels:
        return rows[:, 0, 1:].reshape(images, *grid)
    return rows.reshape(images, -1, *grid)[:, slice(None) if label is None else label]


def _slopes(model, images, label, maps):
    """Compute the derivatives of a label's logit by attention maps."""
    zeros = [ops.zeros(values.shape, "float32") for values in maps.values()]
    label = np.asarray(label, "int32")
    found = call(model, _logit_slopes, images, label, zeros, static=tuple(maps))
    return dict(zip(maps, map(ops.convert_to_numpy, found), strict=True))


def _logit_slopes(model, images, label, zeros, static):
    """Compute the derivatives of a label's logit by what is added to the maps named in static."""

    def logit(additions):
        added = dict(zip(static, additions, strict=True))

        def add(name, attention):
            return attention + ops.cast(added.get(name, 0.0), attention.dtype)

        outputs = model(images, training=False, return_intermediates=True, attention_transform=add)
        return ops.take(outputs["logits"], label, axis=1)

    return gradient(logit, zeros)


def attention_by_layer(model: Any, intermediates: Mapping[str, Any]) -> dict[str, Any]:
    """Return all attention maps among a model's intermediates by their names.

    Raises:
        ValueError: if the model has no attention.
    """
    maps = {
        layer if kind in ("attention", layer) else f"{layer}.{kind}": ops.cast(values, "float32")
        for kind in KINDS
        for layer, values in intermediates.get(kind, {}).items()
    }
    hint = "Pass its encoder." if hasattr(model, "encoder") else "Use explain.grad_cam."
    require(maps, "model", "a transformer", model.name, hint)
    return maps


def _attention_and_grid(model, images, mean_heads=False):
    """Return the attention maps, and the number of rows and columns of positions."""
    _require_transformer(model)
    fusion = getattr(model, "fusion", "cross_attention")
    require(fusion == "cross_attention", "model", "DBCT with cross-attention", f"fusion={fusion!r}")

    def select(intermediates):
        maps = attention_by_layer(model, intermediates)
        if mean_heads:
            maps = {name: ops.mean(values, axis=1) for name, values in maps.items()}
        local = intermediates.get("local_features", intermediates["features"])
        return maps | {"grid": local[..., 0]}

    maps = forward(model, images, select)
    return maps, maps.pop("grid").shape[1:]


def _require_transformer(model):
    attends = getattr(model, "transforms_attention", False)
    expected = "attention over the whole image, as in ViT, RR-ViT, Hybrid RR-ViT, DBCT or LT-ViT"
    require(attends, "model", expected, model.name, "Use explain.occlusion.")
