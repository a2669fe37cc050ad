"""Propagate relevance from a transformer's output back to positions, one attention map a block."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def propagate(
    model: Any,
    maps: dict[str, np.ndarray],
    grid: Sequence[int],
    *,
    residual: float = 1.0,
    attention: float = 1.0,
    label: int | None = None,
) -> np.ndarray:
    """Compute how much of the output comes from each position of the image.

    After a block a token is ``residual`` times itself plus ``attention`` times what it attends to.
    The row of the output token is multiplied by these matrices, from the last block to the first.

    Shapes:
        maps: (num_images, queries, keys) by name, heads reduced: one for each block, and
            ``cross_attention`` or ``block_i.label_attention`` if the model has them.
        returns: (num_images, rows, columns), or (num_images, num_labels, rows, columns) for a model
            with label tokens unless ``label`` is given.

    Args:
        model: the transformer that the maps come from.
        grid: number of rows and columns of positions.
        label: the label of interest, for a model with label tokens.
    """
    blocks = [block.name for block in model.blocks]
    if "cross_attention" in maps:
        # Without the residual connection the output is what the patches attend to, and no more.
        last = (residual, attention) if model.residual else (0.0, 1.0)
        return _to_patches(maps, blocks, grid, residual, attention, last)
    if any(name.endswith(".label_attention") for name in maps):
        rows = np.eye(model.num_labels)[slice(None) if label is None else [label]]
        result = _to_label_tokens(maps, blocks, rows, residual, attention)
        result = result.reshape(*result.shape[:2], *grid)
        return result if label is None else result[:, 0]
    return _to_class_token(maps, blocks, residual, attention).reshape(-1, *grid)


def _to_class_token(maps, blocks, residual, attention):
    """Propagate from the [CLS] token, which is the first: (num_images, num_patches)."""
    images, num_tokens, _ = maps[blocks[-1]].shape
    row = np.zeros((images, 1, num_tokens))
    row[:, :, 0] = 1.0
    for name in reversed(blocks):
        row = residual * row + attention * row @ maps[name]
    return row[:, 0, 1:]


def _to_label_tokens(maps, blocks, rows, residual, attention):
    """Propagate from label tokens, weighted by rows: (num_images, num_rows, num_patches)."""
    images, num_patches, _ = maps[blocks[0]].shape
    labels = np.broadcast_to(rows, (images, *rows.shape))
    patches = np.zeros((images, len(rows), num_patches))
    for name in reversed(blocks):
        patches = residual * patches + attention * patches @ maps[name]
        if f"{name}.label_attention" not in maps:
            continue
        to_patches, to_labels = np.split(maps[f"{name}.label_attention"], [num_patches], axis=2)
        patches = patches + attention * labels @ to_patches
        mixed = attention * labels @ to_labels if to_labels.shape[2] else 0.0
        labels = residual * labels + mixed
    return patches


def _to_patches(maps, blocks, grid, residual, attention, last):
    """Propagate from the mean of patches that attend to a finer map: (num_images, *grid).

    Args:
        last: the two factors of the cross-attention.
    """
    images, num_patches, _ = maps["cross_attention"].shape
    row = np.full((images, 1, num_patches), 1.0 / num_patches)
    from_map = last[1] * row @ maps["cross_attention"]
    row = last[0] * row
    for name in reversed(blocks):
        row = residual * row + attention * row @ maps[name]
    side = round(num_patches**0.5)
    finer = grid[0] // side
    # What comes from a patch is spread evenly over the positions that it covers.
    spread = np.kron(row.reshape(images, side, side), np.ones((1, finer, finer))) / finer**2
    return spread + from_map.reshape(images, *grid)
