"""Grad-CAM: which places of the last map speak for a label."""

import numpy as np
from keras import ops

from xraylab.explain.gradient import gradient
from xraylab.explain.looking import checked_labels, look


def grad_cam(model, images, labels=None):
    """Return how much each place of the model's last map speaks for each label.

    The map's channels are added up, each weighted by the mean derivative of the label's logit by
    it; what is left above zero is returned. Only the part of the model behind that map is run more
    than once.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, num_labels, rows, columns) float32, at least 0, in units of the logit.

    Args:
        model: one that answers from its last map: the CNNs, MedViT, EfficientViT, DBCT.
        images: the images.
        labels: numbers of the labels; None takes all.

    Raises:
        ValueError: if the model answers from something else, a label is none of the model's, or the
            images are not such as it takes.

    Source: ``selvaraju2017``, Eqs. 1 and 2.
    """
    if not hasattr(model, "classify"):
        raise ValueError(
            f"{model.name} answers from tokens, not from a map, so that it has no class activation "
            "map; explain.gradient_attention takes it"
        )
    labels = checked_labels(model, labels)

    def keep(seen):
        features = ops.cast(seen["features"], "float32")
        maps = []
        for label in labels:
            (slopes,) = gradient(
                lambda inputs, label=label: model.classify(inputs[0], training=False)[:, label],
                [features],
            )
            weights = ops.mean(slopes, axis=(1, 2), keepdims=True)
            maps.append(ops.relu(ops.sum(weights * features, axis=-1)))
        return {"maps": ops.stack(maps, axis=1)}

    return look(model, images, keep)["maps"].astype(np.float32)
