"""Losses of multi-label classifiers and of image reconstruction, on any Keras backend.

Each loss of the labels exists twice: as a function that returns one value per image and label, and
as a :class:`keras.losses.Loss` that reduces them and can be given to ``model.compile``. A label
that is NaN is unknown: it costs nothing and does not count in a mean. Predictions are logits unless
``from_logits=False`` is given.
"""

from xraylab.losses.classes import (
    ALIASES,
    LOSSES,
    AsymmetricLoss,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    Distillation,
    DoubleSigmoidCrossentropy,
    LabelLoss,
    WeightedBinaryCrossentropy,
    get,
    option_names,
    resolve_name,
)
from xraylab.losses.functions import (
    asymmetric,
    binary_crossentropy,
    binary_focal_crossentropy,
    distillation,
    double_sigmoid_crossentropy,
    match_rank,
    prepare,
    reconstruction_error,
    weighted_binary_crossentropy,
)

__all__ = [
    "ALIASES",
    "LOSSES",
    "AsymmetricLoss",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "Distillation",
    "DoubleSigmoidCrossentropy",
    "LabelLoss",
    "WeightedBinaryCrossentropy",
    "asymmetric",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "distillation",
    "double_sigmoid_crossentropy",
    "get",
    "match_rank",
    "option_names",
    "prepare",
    "reconstruction_error",
    "resolve_name",
    "weighted_binary_crossentropy",
]
