"""Reconstructions of RR-ViT and Hybrid RR-ViT, with covered patches and disabled heads."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument, require
from xraylab.explain.forward import call, check_fill, check_images


@dataclass(frozen=True)
class Reconstruction:
    """The inputs and outputs of a model that reconstructs images.

    Attributes:
        inputs: (num_images, size, size, 1), the images with the masked patches covered.
        reconstruction: (num_images, size, size, 1), the model's reconstruction, unbounded.
        error: (num_images, size, size, 1), absolute difference from the images without mask.
        logits: (num_images, num_labels), predicted from the same inputs.
    """

    inputs: np.ndarray
    reconstruction: np.ndarray
    error: np.ndarray
    logits: np.ndarray


def reconstruct(
    model: Any,
    images: ArrayLike,
    *,
    masked: ArrayLike | None = None,
    heads_off: Iterable[tuple[str, int]] = (),
    fill: float | None = None,
) -> Reconstruction:
    """Reconstruct images with some patches covered and some attention heads disabled.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].

    Args:
        model: RR-ViT or Hybrid RR-ViT of any size.
        images: the images.
        masked: (rows, columns) or (num_images, rows, columns) of bool, the patches to cover; rows
            and columns must divide the size. None covers none.
        heads_off: pairs of a block's name and a head's index, for example ``("block_0", 2)``. The
            attention map of a disabled head is zero.
        fill: grey level of covered patches, in [0, 1]; the default is the mean of each image.

    Raises:
        ValueError: if the model does not reconstruct, a block or head is unknown, or the mask or
            the images do not fit.
    """
    images = check_images(model, images)
    require(hasattr(model, "decoder"), "model", "RR-ViT or Hybrid RR-ViT", model.name)
    inputs = images if masked is None else _cover(images, np.asarray(masked), fill)
    masks = _head_masks(model, heads_off)
    # Compiled from the first call on: an eager call would hold every attention map.
    outputs = [call(model, _outputs, image[None], masks, eager=0) for image in inputs]
    reconstruction, logits = (
        np.concatenate([ops.convert_to_numpy(values) for values in part])
        for part in zip(*outputs, strict=True)
    )
    return Reconstruction(inputs, reconstruction, np.abs(reconstruction - images), logits)


def _outputs(model, images, masks):
    """Return reconstruction and logits, each attention map multiplied by its block's head mask."""
    by_block = {block.name: mask for block, mask in zip(model.blocks, masks, strict=True)}

    def mask_heads(name, attention):
        return attention * ops.cast(by_block[name][None, :, None, None], attention.dtype)

    outputs = model(
        images, training=False, return_intermediates=True, attention_transform=mask_heads
    )
    return outputs["reconstruction"], outputs["logits"]


def _cover(images, masked, fill):
    """Return the images with the masked patches in one grey level."""
    check_fill(fill)
    size = images.shape[1]
    known = masked.dtype == bool and masked.shape[:-2] in ((), (len(images),))
    if not known or masked.ndim < 2 or any(n == 0 or size % n for n in masked.shape[-2:]):
        shapes = f"(rows, columns) or ({len(images)}, rows, columns)"
        expected = f"bool of shape {shapes}, rows and columns dividing {size}"
        raise invalid_argument("masked", expected, f"{masked.dtype} of shape {masked.shape}")
    rows, columns = masked.shape[-2:]
    covered = np.kron(masked, np.ones((size // rows, size // columns), bool))[..., None]
    level = images.mean(axis=(1, 2, 3), keepdims=True) if fill is None else fill
    return np.where(covered, np.float32(level), images)


def _head_masks(model, heads_off):
    """Return one float array a block, 0 for each disabled head and 1 for the others."""
    masks = {block.name: np.ones(block.attention.num_heads, np.float32) for block in model.blocks}
    known = [(name, head) for name, mask in masks.items() for head in range(len(mask))]
    for pair in heads_off:
        if tuple(pair) not in known:
            heads = ", ".join(f"{name} 0 to {len(mask) - 1}" for name, mask in masks.items())
            expected = f"pairs of block and head as [('block_0', 2)], among {heads}"
            raise invalid_argument("heads_off", expected, repr(pair))
        block, head = pair
        masks[block][head] = 0
    return list(masks.values())
