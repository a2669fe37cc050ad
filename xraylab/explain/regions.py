"""Label maps of LT-ViT, cross-attention of DBCT, and boxes and gates of MXA."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument
from xraylab.explain.attention_maps import attention
from xraylab.explain.forward import forward


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
    if not getattr(model, "num_label_blocks", 0):
        raise invalid_argument("model", "LT-ViT, which has label tokens", model.name)
    blocks = range(model.first_label_block, model.first_label_block + model.num_label_blocks)
    maps = attention(model, images, [f"block_{i}.label_attention" for i in blocks])
    side = model.image_size // model.patch_size
    mean = np.mean([values.mean(axis=1) for values in maps.values()], axis=0)
    return mean[..., : side * side].reshape(len(mean), -1, side, side)


def cross_attention(model: Any, images: ArrayLike) -> np.ndarray:
    """Return the attention of each DBCT patch to each position of the convolutional map.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, heads, patch rows, patch columns, rows, columns); the sum over the
        last two axes is 1.

    Raises:
        ValueError: if the model has no cross-attention, or the images do not fit.
    """
    if getattr(model, "cross_attention", None) is None:
        raise invalid_argument("model", "DBCT, which has cross-attention", model.name)
    maps = attention(model, images, "cross_attention")["cross_attention"]
    patches, positions = (round(count**0.5) for count in maps.shape[2:])
    return maps.reshape(*maps.shape[:2], patches, patches, positions, positions)


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
        if "boxes" not in intermediates:
            raise invalid_argument("model", "EfficientViT with MXA", model.name)
        return {name: intermediates[name] for name in names}

    found = forward(model, images, select)
    return {layer: Region(*(found[name][layer] for name in names)) for layer in found["boxes"]}
