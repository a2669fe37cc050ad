"""What only one architecture has: label tokens, patches that ask a map, boxes to look into."""

from dataclasses import dataclass

import numpy as np
from keras import ops

from xraylab.explain.attention_maps import attention
from xraylab.explain.looking import look


def label_maps(model, images, layers=None):
    """Return what each label token of LT-ViT reads from each place, mean over heads and blocks.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, num_labels, rows, columns); what is missing to a sum of 1 is read from
        other label tokens.

    Args:
        model: LT-ViT, of any size.
        images: the images.
        layers: names of the label blocks, as ``"block_11"``; None takes all of them.

    Raises:
        ValueError: if the model has no label tokens, a block has none, or the images are not such
            as it takes.
    """
    if not getattr(model, "num_label_blocks", 0):
        raise ValueError(f"{model.name} has no label tokens; LT-ViT has")
    first = model.first_label_block
    known = [f"block_{i}" for i in range(first, first + model.num_label_blocks)]
    wanted = known if layers is None else [layers] if isinstance(layers, str) else list(layers)
    if not wanted:
        raise ValueError("layers: expected at least one name, got none; None takes all")
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"layers: label tokens go through {', '.join(known)}; {unknown[0]!r} came")
    found = attention(model, images, [f"{name}.label_attention" for name in wanted])
    side = model.image_size // model.patch_size
    mean = np.mean([maps.mean(axis=1) for maps in found.values()], axis=0)
    return mean[..., : side * side].reshape(len(mean), -1, side, side)


def cross_attention(model, images):
    """Return what each patch of DBCT reads from each place of the convolutional map.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, heads, patch rows, patch columns, rows, columns); the last two axes sum
        to 1.

    Raises:
        ValueError: if the model has no such attention, or the images are not such as it takes.
    """
    if getattr(model, "cross_attention", None) is None:
        raise ValueError(f"{model.name} has no cross-attention; DBCT has")
    maps = attention(model, images, "cross_attention")["cross_attention"]
    patches, places = (round(count**0.5) for count in maps.shape[2:])
    return maps.reshape(*maps.shape[:2], patches, patches, places, places)


@dataclass(frozen=True)
class Region:
    """Where an MXA block looks again, and what it lets through.

    Attributes:
        boxes: (num_images, 4), left, top, right and bottom as fractions of the image's side.
        channel_gates: (num_images, channels) in [0, 1].
        spatial_gates: (num_images, rows, columns) in [0, 1], on the enlarged box.
    """

    boxes: np.ndarray
    channel_gates: np.ndarray
    spatial_gates: np.ndarray


def regions(model, images):
    """Return box and gates of each MXA block, by the block's name.

    Args:
        model: EfficientViT with MXA, of any size.
        images: (num_images, size, size, 1) float in [0, 1].

    Returns:
        dict of :class:`Region`.

    Raises:
        ValueError: if the model has no MXA, or the images are not such as it takes.
    """
    fields = ("boxes", "channel_gates", "spatial_gates")

    def keep(seen):
        if "boxes" not in seen:
            raise ValueError(f"{model.name} has no boxes; EfficientViT with MXA has")
        return {
            f"{field}/{layer}": ops.cast(found, "float32")
            for field in fields
            for layer, found in seen[field].items()
        }

    found = look(model, images, keep)
    layers = [name.split("/", 1)[1] for name in found if name.startswith("boxes/")]
    return {layer: Region(*(found[f"{field}/{layer}"] for field in fields)) for layer in layers}
