"""ImageNet weights of ``keras.applications`` for the convolutional baselines, from a file on disk.

Nothing is downloaded. The files are the "no-top" ones that ``keras.applications`` itself uses, as
``resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5``; what ``save_weights`` writes fits too.
"""

from pathlib import Path

import keras
import numpy as np

from xraylab.models.densenet import DenseNet
from xraylab.models.efficientnet import EfficientNet
from xraylab.models.resnet import ResNet
from xraylab.models.weights import count_arrays, require_model

NETWORKS = {ResNet: "ResNet50", DenseNet: "DenseNet121", EfficientNet: "EfficientNetB0"}
"""Our classes and what they are called in ``keras.applications``."""

INSIDE = {"branch", "shortcut", "look", "narrow", "last"}
"""Parts of our blocks that have no name in ``keras.applications``."""

IMAGENET_DEVIATION = np.float32([0.229, 0.224, 0.225])


def load_imagenet(model, source, head=False):
    """Load ImageNet weights into the trunk of a model; its head keeps the weights it has.

    Args:
        model: ``resnet50``, ``densenet121`` or ``efficientnet_b0`` of
            :func:`xraylab.models.build`, built with ``pixels="imagenet"``.
        source: path of the no-top weights file of the same network of ``keras.applications``.
        head: only False, for these files have no head; the other converters can load one.

    Returns:
        The model.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the model is none of these, the file holds another network's weights, or a
            head is asked for; the model then keeps its own.
    """
    require_model(model, tuple(NETWORKS))
    if head:
        raise ValueError(
            "ImageNet's no-top files hold no head: pass head=False to keep the model's own head"
        )
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"there is no weights file {path}")
    network = next(name for cls, name in NETWORKS.items() if isinstance(model, cls))
    if model.pixels != "imagenet":
        raise ValueError(
            f"{model.name} was built with pixels={model.pixels!r}, and ImageNet weights expect "
            'other grey levels; build it with pixels="imagenet"'
        )
    # Keras reads its own formats, old and new, into its own network: ours is not touched yet.
    reference = getattr(keras.applications, network)(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    try:
        held, needed = count_arrays(path), len(reference.weights)
        if held != needed:
            raise ValueError(f"it holds {held} arrays, {network} has {needed}")
        reference.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        detail = str(error).strip().split("\n")[0]
        raise ValueError(
            f"{path} does not hold the weights of {network} without its top: {detail}. "
            f"{model.name} keeps its weights"
        ) from error
    copy_trunk(reference, model)
    return model


def copy_trunk(reference, model):
    """Copy the weights of a network of ``keras.applications`` into the trunk of a model.

    Raises:
        ValueError: if a layer is missing or has another shape; the model then keeps its weights.
    """
    theirs = {}
    for layer in reference.layers:
        is_statistics = isinstance(layer, keras.layers.Normalization)
        name = "normalization" if is_statistics else layer.name
        theirs |= {f"{name}/{v.path.split('/')[-1]}": v.numpy() for v in layer.weights}
    assignments = []
    for variable in model.weights:
        *parts, what = variable.path.split("/")[1:]
        if parts[0] in ("hidden", "head"):
            continue
        name = "_".join(part for part in parts if part not in INSIDE) + f"/{what}"
        value = theirs.pop(name, None)
        if value is not None and value.shape[:2] == (1, 1) and len(variable.shape) == 2:
            value = value[0, 0]  # squeeze and excitation: a 1x1 convolution of one pixel is Dense
        if value is None or value.shape != tuple(variable.shape):
            came = "nothing" if value is None else value.shape
            raise ValueError(
                f"{variable.path} needs {tuple(variable.shape)}; {reference.name} has {came} of "
                f"the name {name}. Only the real network takes these weights, no variant of it"
            )
        assignments.append((variable, value))
    if theirs:
        raise ValueError(f"{model.name} has no place for {sorted(theirs)[:3]} of {reference.name}")
    for variable, value in assignments:
        # With its ImageNet weights, and only then, keras.applications divides by the root of the
        # deviation once more behind EfficientNet's normalisation.
        if variable.path.endswith("normalization/variance") and model.pixels == "imagenet":
            value = value * IMAGENET_DEVIATION
        variable.assign(value)
