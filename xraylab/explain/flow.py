"""From the answer back to the image: a row of shares, multiplied by one map of attention a block."""

import numpy as np


def reach(model, maps, grid, *, keep=1.0, read=1.0, label=None):
    """Return how much reaches the answer from each place of the image.

    In each block a token passes on ``keep`` of itself and ``read`` of what it reads.

    Shapes:
        maps: (num_images, queries, keys) by name, one a block, and what else the model has.
        returns: (num_images, rows, columns), or (num_images, num_labels, rows, columns) of a model
        with label tokens unless ``label`` names one.

    Args:
        model: the transformer that the maps are of.
        maps: attention, mean over heads, or what counts of it.
        grid: rows and columns of the places.
        keep: share of itself that a token passes on.
        read: share of what it reads.
        label: the one label wanted, of a model with label tokens.
    """
    blocks = [block.name for block in model.blocks]
    if "cross_attention" in maps:
        # Without the residual a patch has nothing of its own left when it answers.
        last = (keep, read) if model.residual else (0.0, 1.0)
        return _of_patches(maps, blocks, grid, keep, read, last)
    if any(name.endswith(".label_attention") for name in maps):
        asked = range(model.num_labels) if label is None else [label]
        found = _of_label_tokens(maps, blocks, np.eye(model.num_labels)[asked], keep, read)
        found = found.reshape(*found.shape[:2], *grid)
        return found if label is None else found[:, 0]
    return _of_class_token(maps, blocks, keep, read).reshape(-1, *grid)


def _of_class_token(maps, blocks, keep, read):
    """Return what reaches the [CLS] token, which is the first: (num_images, num_patches)."""
    images, num_tokens, _ = maps[blocks[-1]].shape
    row = np.zeros((images, 1, num_tokens))
    row[:, :, 0] = 1.0
    for name in reversed(blocks):
        row = keep * row + read * row @ maps[name]
    return row[:, 0, 1:]


def _of_label_tokens(maps, blocks, rows, keep, read):
    """Return what reaches label tokens: (num_images, num_rows, num_patches).

    Args:
        rows: (num_rows, num_labels), which label tokens answer.
    """
    images, num_patches, _ = maps[blocks[0]].shape
    by_label = np.broadcast_to(rows, (images, *rows.shape))
    by_place = np.zeros((images, len(rows), num_patches))
    for name in reversed(blocks):
        by_place = keep * by_place + read * by_place @ maps[name]
        if f"{name}.label_attention" not in maps:
            continue
        to_places, to_labels = np.split(maps[f"{name}.label_attention"], [num_patches], axis=2)
        by_place = by_place + read * by_label @ to_places
        if to_labels.shape[2]:
            by_label = keep * by_label + read * by_label @ to_labels
        else:
            by_label = keep * by_label
    return by_place


def _of_patches(maps, blocks, grid, keep, read, last):
    """Return what reaches the mean of patches that read from a finer map: (num_images, *grid).

    Args:
        last: ``keep`` and ``read`` of that reading.
    """
    images, num_patches, _ = maps["cross_attention"].shape
    row = np.full((images, 1, num_patches), 1.0 / num_patches)
    from_map = last[1] * row @ maps["cross_attention"]
    row = last[0] * row
    for name in reversed(blocks):
        row = keep * row + read * row @ maps[name]
    side = round(num_patches**0.5)
    finer = grid[0] // side
    # What a patch has counts as evenly spread over the places that it covers.
    spread = np.kron(row.reshape(images, side, side), np.ones((1, finer, finer))) / finer**2
    return spread + from_map.reshape(images, *grid)
