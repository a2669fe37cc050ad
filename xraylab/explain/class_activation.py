"""Grad-CAM: class activation maps weighted by gradients."""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument
from xraylab.explain.forward import check_labels, forward, gradient


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
    if not hasattr(model, "classify"):
        expected, hint = "a model that classifies a feature map", "Use explain.gradient_attention."
        raise invalid_argument("model", expected, model.name, hint)
    indices = check_labels(model, labels)

    def select(intermediates):
        features = ops.cast(intermediates["features"], "float32")
        maps = []
        for label in indices:
            (slopes,) = gradient(
                lambda inputs, label=label: model.classify(inputs[0], training=False)[:, label],
                [features],
            )
            weights = ops.mean(slopes, axis=(1, 2), keepdims=True)
            maps.append(ops.relu(ops.sum(weights * features, axis=-1)))
        return {"maps": ops.stack(maps, axis=1)}

    return forward(model, images, select)["maps"]
