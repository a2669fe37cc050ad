"""Reconstructions of RR-ViT and Hybrid RR-ViT, with covered patches."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument, require
from xraylab.explain.forward import check_images, forward


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


def reconstruct(model: Any, images: ArrayLike, masked: ArrayLike | None = None) -> Reconstruction:
    """Reconstruct images, with some patches covered by the mean grey level of the image.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].

    Args:
        model: RR-ViT or Hybrid RR-ViT of any size.
        images: the images.
        masked: (rows, columns) or (num_images, rows, columns) of bool, the patches to cover; rows
            and columns must divide the size. None covers none.

    Raises:
        ValueError: if the model does not reconstruct, or the mask or the images do not fit.
    """
    images = check_images(model, images)
    reconstructs = hasattr(model, "decoder") and hasattr(model, "head")
    require(reconstructs, "model", "RR-ViT or Hybrid RR-ViT", model.name)
    inputs = images if masked is None else _cover(images, np.asarray(masked))
    names = ("reconstruction", "logits")
    found = forward(model, inputs, lambda intermediates: {n: intermediates[n] for n in names})
    return Reconstruction(inputs, error=np.abs(found["reconstruction"] - images), **found)


def _cover(images, masked):
    """Return the images with the masked patches in their mean grey level."""
    size = images.shape[1]
    known = masked.dtype == bool and masked.shape[:-2] in ((), (len(images),))
    if not known or masked.ndim < 2 or any(n == 0 or size % n for n in masked.shape[-2:]):
        shapes = f"(rows, columns) or ({len(images)}, rows, columns)"
        expected = f"bool of shape {shapes}, rows and columns dividing {size}"
        raise invalid_argument("masked", expected, f"{masked.dtype} of shape {masked.shape}")
    rows, columns = masked.shape[-2:]
    covered = np.kron(masked, np.ones((size // rows, size // columns), bool))[..., None]
    return np.where(covered, images.mean(axis=(1, 2, 3), keepdims=True), images)
