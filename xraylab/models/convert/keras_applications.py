"""ImageNet weights of ``keras.applications`` for the convolutional baselines, from a file.

Nothing is downloaded. The files are the "no-top" ones that ``keras.applications`` itself uses, as
``resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5``, or those written by its ``save_weights``.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from xraylab.models.cnn import CNNClassifier
from xraylab.models.convert.state_dict import assign_arrays, require_model
from xraylab.models.densenet import DenseNet
from xraylab.models.efficientnet import EfficientNet
from xraylab.models.resnet import ResNet
from xraylab.models.weights import opened, require_file

NETWORKS = {ResNet: "ResNet50", DenseNet: "DenseNet121", EfficientNet: "EfficientNetB0"}
"""Our classes and their names in ``keras.applications``."""

UNNAMED = {"branch", "shortcut", "spatial", "narrow", "last"}
"""Parts of our blocks that have no name in ``keras.applications``."""

IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def load_imagenet(model: CNNClassifier, source: str | Path) -> CNNClassifier:
    """Load ImageNet weights into the trunk of a model; its head is unchanged.

    Args:
        model: ``resnet50``, ``densenet121`` or ``efficientnet_b0`` of
            :func:`xraylab.models.build`, built with ``pixels="imagenet"``.
        source: path of the no-top weight file of the same network of ``keras.applications``.

    Returns:
        The model.

    Raises:
        OSError: if there is no such file, or it is no weight file.
        ValueError: if the model is none of these, or the file holds another network's weights; the
            model is unchanged.
    """
    require_model(model, tuple(NETWORKS))
    network = next(name for cls, name in NETWORKS.items() if isinstance(model, cls))
    if model.pixels != "imagenet":
        raise ValueError(
            "ImageNet weights expect other grey levels. Expected: a model built with "
            f'pixels="imagenet". Received: {model.name} with pixels={model.pixels!r}'
        )
    # Keras reads its own formats, old and new, into its own network; ours is not changed yet.
    reference = getattr(keras.applications, network)(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    with opened(require_file(source)):
        reference.load_weights(source)
    copy_trunk(reference, model)
    return model


def copy_trunk(reference: Any, model: CNNClassifier) -> None:
    """Copy the weights of a network of ``keras.applications`` into the trunk of a model.

    Raises:
        ValueError: if a layer is missing or has another shape; the model is unchanged.
    """
    arrays = {}
    for layer in reference.layers:
        name = "normalization" if isinstance(layer, keras.layers.Normalization) else layer.name
        arrays |= {f"{name}/{v.path.split('/')[-1]}": v.numpy() for v in layer.weights}
    # With its ImageNet weights, and only then, keras.applications divides by the root of the
    # deviation once more after EfficientNet's normalisation.
    if model.pixels == "imagenet" and "normalization/variance" in arrays:
        arrays["normalization/variance"] = arrays["normalization/variance"] * IMAGENET_DEVIATION
    variables = {}
    for variable in model.weights:
        *parts, kind = variable.path.split("/")[1:]
        if parts[0] not in ("hidden", "head"):
            name = "_".join(part for part in parts if part not in UNNAMED)
            variables[f"{name}/{kind}"] = variable
    assign_arrays(variables, arrays, hint="Only the full-size network takes these weights")
