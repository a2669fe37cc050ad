"""Saliency of pixels for each label: Grad-CAM and occlusion."""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from xraylab.arguments import require, require_choice
from xraylab.explain.forward import check_images, check_labels, forward, gradient
from xraylab.models import predict_logits

BATCH_SIZE = 256
"""Number of occluded images that are held at a time."""


def grad_cam(model: Any, images: ArrayLike, labels: ArrayLike | None = None) -> np.ndarray:
    """Compute Grad-CAM: the evidence for each label at each position of the last feature map.

    The channels of the feature map are summed, each weighted by the spatial mean of the derivative
    of the label's logit with respect to it; negative sums are set to 0. Only the classifier behind
    the map is run more than once.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, num_labels, rows, columns) float32, at least 0, in units of the logit.

    Args:
        model: a model whose logits depend on its last feature map: the CNNs, MedViT, EfficientViT,
            DBCT.
        images: the images.
        labels: indices of the labels; None selects all.

    Raises:
        ValueError: if the model classifies tokens, a label is out of range, or the images do not
            fit.

    References: Selvaraju et al. 2017 (``selvaraju2017``), Eqs. 1 and 2.
    """
    expected, hint = "a model that classifies a feature map", "Use explain.gradient_attention."
    require(hasattr(model, "classify"), "model", expected, model.name, hint)
    indices = check_labels(model, labels)

    def select(intermediates):
        features = ops.cast(intermediates["features"], "float32")
        maps = []
        for label in indices:

            def logit(inputs, label=label):
                return model.classify(inputs[0], training=False)[:, label]

            (slopes,) = gradient(logit, [features])
            weights = ops.mean(slopes, axis=(1, 2), keepdims=True)
            maps.append(ops.relu(ops.sum(weights * features, axis=-1)))
        return ops.stack(maps, axis=1)

    return forward(model, images, select)


def occlusion(
    model: Any, images: ArrayLike, labels: ArrayLike | None = None, *, side: int | None = None
) -> np.ndarray:
    """Compute the decrease of each label's logit when a square of the image is covered.

    A covered square takes the mean grey level of the image.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, num_labels, size / side, size / side) float32, in units of the logit;
        negative where covering the square increases the logit.

    Args:
        model: any model of :func:`xraylab.models.build`.
        images: the images.
        labels: indices of the labels; None selects all, at no further cost.
        side: side of the square in pixels, a divisor of the image's size. The default is the
            largest one with at least eight squares in a row.

    Raises:
        ValueError: if an argument is out of range, or the images do not fit.

    References: Zeiler and Fergus 2014 (``zeiler2014``), Sect. 4.2.
    """
    images, indices = check_images(model, images), check_labels(model, labels)
    size = images.shape[1]
    divisors = [s for s in range(1, size + 1) if size % s == 0]
    if side is None:
        side = max(s for s in divisors if s <= max(1, size // 8))
    require_choice("side", side, divisors)
    cells = np.arange((size // side) ** 2).reshape(size // side, size // side)
    cell_of_pixel = np.kron(cells, np.ones((side, side), int))[..., None]
    batches = np.split(cells.reshape(-1, 1, 1, 1), range(BATCH_SIZE, cells.size, BATCH_SIZE))
    logits = predict_logits(model, images)[:, indices]
    decreases = []
    for image, own in zip(images, logits, strict=True):
        covered = (np.where(cell_of_pixel == batch, image.mean(), image) for batch in batches)
        predictions = np.concatenate([predict_logits(model, batch) for batch in covered])
        decreases.append((own - predictions[:, indices]).T)
    return np.stack(decreases).reshape(len(images), len(indices), *cells.shape)
