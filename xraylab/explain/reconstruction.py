"""What RR-ViT and Hybrid RR-ViT paint again, with patches covered and heads switched off."""

from dataclasses import dataclass

import numpy as np
from keras import ops

from xraylab.explain.looking import attention_layers, checked_images


@dataclass(frozen=True)
class Reconstruction:
    """An image, what the model was shown of it, and what it painted.

    Attributes:
        shown: (num_images, size, size, 1), the images with the masked patches covered.
        painted: (num_images, size, size, 1), the model's reconstruction, unbounded.
        error: (num_images, size, size, 1), absolute distance from the images as they were.
        logits: (num_images, num_labels), what the model answered meanwhile.
    """

    shown: np.ndarray
    painted: np.ndarray
    error: np.ndarray
    logits: np.ndarray


def reconstruct(model, images, *, masked=None, heads_off=(), fill=None):
    """Return what a model paints of images of which it sees a part, with a part of its attention.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].

    Args:
        model: RR-ViT or Hybrid RR-ViT, of any size.
        images: the images.
        masked: (rows, columns) or (num_images, rows, columns) of bool, the patches to cover; rows
            and columns must divide the size. None covers nothing.
        heads_off: pairs of a block's name and the number of a head in it: ``("block_0", 2)``. A
            head that is off reads nothing: its map is zero.
        fill: grey level of covered patches, in [0, 1]; by default each image's own mean.

    Returns:
        :class:`Reconstruction`.

    Raises:
        ValueError: if the model rebuilds nothing, a block or head is unknown, the mask does not fit
            the images, or the images are not such as the model takes.
    """
    images = checked_images(images)
    if not hasattr(model, "decoder"):
        raise ValueError(
            f"{model.name} rebuilds nothing; RR-ViT and Hybrid RR-ViT paint the image again"
        )
    shown = images if masked is None else _cover(images, masked, fill)
    off = _checked_heads(model, heads_off)

    def switch(name, attention):
        heads = off.get(name, ())
        if not heads:
            return attention
        on = np.array([head not in heads for head in range(attention.shape[1])])
        return attention * ops.cast(on[None, :, None, None], attention.dtype)

    answers = [
        model(
            image[None],
            training=False,
            return_intermediates=True,
            attention_transform=switch if off else None,
        )
        for image in shown
    ]
    painted, logits = (
        np.concatenate([ops.convert_to_numpy(seen[name]) for seen in answers])
        for name in ("reconstruction", "logits")
    )
    return Reconstruction(shown, painted, np.abs(painted - images), logits)


def _cover(images, masked, fill):
    """Return images with the masked patches in one grey."""
    masked = np.asarray(masked)
    if fill is not None and not 0 <= fill <= 1:
        raise ValueError(f"fill: expected a grey level in [0, 1], got {fill}")
    size = images.shape[1]
    fits = masked.dtype == bool and masked.ndim in (2, 3) and 0 not in masked.shape
    if (
        not fits
        or any(size % side for side in masked.shape[-2:])
        or (masked.ndim == 3 and len(masked) != len(images))
    ):
        raise ValueError(
            f"masked: expected bool of shape (rows, columns) or ({len(images)}, rows, columns), "
            f"both dividing {size}; got {masked.dtype} of shape {masked.shape}"
        )
    rows, columns = masked.shape[-2:]
    covered = np.kron(masked, np.ones((size // rows, size // columns), bool))[..., None]
    level = images.mean(axis=(1, 2, 3), keepdims=True) if fill is None else fill
    return np.where(covered, np.float32(level), images)


def _checked_heads(model, heads_off):
    """Return the heads to switch off by the name of their block."""
    layers, off = attention_layers(model), {}
    for pair in heads_off:
        if isinstance(pair, str) or len(np.atleast_1d(np.array(pair, object))) != 2:
            raise ValueError(
                f"heads_off: expected pairs of a block's name and a head, as [('block_0', 2)]; "
                f"{pair!r} came"
            )
        name, head = pair
        if name not in layers:
            raise ValueError(
                f"heads_off: {model.name} has no block {name!r}; it has {', '.join(layers)}"
            )
        count = layers[name].num_heads
        if head not in range(count):
            raise ValueError(f"heads_off: {name} has heads 0 to {count - 1}; {head} came")
        off.setdefault(name, set()).add(int(head))
    return off
