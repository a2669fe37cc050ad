"""Refuse losses and metrics that mistake logits for probabilities, or the other way round."""

import inspect
from typing import Any

import keras

RESOLVED_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")
"""Names that Keras resolves by the shape of the labels, for several labels to a softmax metric."""

OF_PROBABILITIES = (
    *("dice", "tversky", "poisson", "kl_divergence"),
    *("Dice", "Tversky", "Poisson", "KLDivergence"),
)
"""Functions and classes of Keras that read probabilities and have no ``from_logits``."""


CATEGORICAL = "categorical"
"""In the names of losses and metrics of Keras that expect one label per image."""


def require_matching_outputs(model: Any, loss: Any, metrics: Any) -> None:
    """Raise a ValueError if a loss or metric contradicts the model's ``classifier_activation``.

    Args:
        model: a ``xraylab.models.base.ImageModel``.
        loss, metrics: as for ``keras.Model.compile``, metrics in any nesting.
    """
    if model.num_labels is None:
        return
    for kind, values in (("loss", loss), ("metric", metrics)):
        for value in keras.tree.flatten(values):
            if value is not None:
                _require_match(model, kind, value)


def _require_match(model, kind, value):
    """Check one loss or metric."""
    if inspect.isclass(value):
        value = value()  # as Keras does
    returns_logits = model.classifier_activation is None
    name = name_of(value)
    if name in RESOLVED_BY_SHAPE and isinstance(value, str):
        if returns_logits or model.num_labels > 1:
            threshold = 0.0 if returns_logits else 0.5
            use = f"keras.metrics.BinaryAccuracy(threshold={threshold})"
            use = "xraylab.losses.BinaryCrossentropy()" if kind == "loss" else use
            raise ValueError(
                f"Keras resolves the {kind} {name!r} by the shape of the labels, which is wrong "
                f"for several labels. Use {use}"
            )
        return
    if model.num_labels > 1 and is_of_keras(value) and CATEGORICAL in _kind(value).lower():
        raise ValueError(
            f"The {kind} {name!r} assumes that each image has exactly one label. Expected: a "
            f"{kind} of several labels at a time. Received: {name!r}. Use "
            "xraylab.losses.BinaryCrossentropy() and the metrics of xraylab.metrics"
        )
    if isinstance(value, str):
        value = (keras.losses if kind == "loss" else keras.metrics).get(value)
    resolved: Any = value
    if isinstance(resolved, keras.metrics.FBetaScore) and resolved.threshold is None:
        raise ValueError(
            f"The metric {name!r} without a threshold takes the largest output of each image for "
            "the only positive label. Expected: threshold=0.5, and a model with "
            "classifier_activation='sigmoid'. Received: threshold=None"
        )
    expects_logits, argument = _expectation(value)
    if expects_logits is None or expects_logits == returns_logits:
        return
    output, expected = ("logits", "probabilities")[:: 1 if returns_logits else -1]
    setting = returns_logits if argument == "from_logits" else 0.0 if returns_logits else 0.5
    build = f"Either pass {argument}={setting} to the {kind}, or build" if argument else "Build"
    activation = "'sigmoid'" if returns_logits else "None"
    raise ValueError(
        f"{model.name} returns {output}. Expected: a {kind} of {output}. Received: {name!r}, which "
        f"expects {expected}. {build} the model with classifier_activation={activation}"
    )


def name_of(value: Any) -> str:
    """Return the name of a loss or metric: a name, a function or an object."""
    if isinstance(value, str):
        return value
    return getattr(value, "name", None) or getattr(value, "__name__", type(value).__name__)


def is_of_keras(value: Any) -> bool:
    """Return whether a loss or metric is one of Keras: a name, a function or an object."""
    return isinstance(value, str) or getattr(value, "__module__", "").startswith("keras.")


def _kind(value):
    """Return the name that Keras gives to a loss or metric, or to its class."""
    return value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)


def _expectation(value):
    """Return whether a loss or metric expects logits (None: either), and the argument for it."""
    if hasattr(value, "get_config"):
        options = value.get_config()
        if hasattr(value, "from_logits"):
            options = {**options, "from_logits": value.from_logits}
    else:
        parameters = inspect.signature(value).parameters
        options = {name: parameter.default for name, parameter in parameters.items()}
    kind = _kind(value)
    if isinstance(value, keras.metrics.FBetaScore) or (
        is_of_keras(value) and kind in OF_PROBABILITIES
    ):
        return False, None
    if "from_logits" in options:
        return bool(options["from_logits"]), "from_logits"
    if "thresholds" in options:
        thresholds = keras.tree.flatten(options["thresholds"])
        return all(t is not None and t <= 0 for t in thresholds), "thresholds"
    if isinstance(options.get("threshold"), int | float):
        return options["threshold"] <= 0, "threshold"
    if "num_thresholds" in options:
        return False, None
    return None, None
