"""The registry: the specification of every model, and the functions that build them.

To add an architecture, write its file and add its rows to ``specs.toml``. A family names its class
by its module, so that listing the models does not import Keras.
"""

import fnmatch
import importlib
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from xraylab.arguments import did_you_mean


@dataclass(frozen=True)
class ModelSpec:
    """What is known of a model without building it.

    Attributes:
        name: the name that :func:`build` takes.
        builder: ``module:class`` of the Keras model, relative to ``xraylab.models``.
        source: bibliography key of the source.
        summary: one line on what it is.
        reconstructed: what the source leaves open and is a choice of this package.
        options: arguments in which this model differs from the defaults of its class.
    """

    name: str
    builder: str
    source: str
    summary: str
    reconstructed: str
    options: dict

    def architecture(self) -> Any:
        """Import and return the class of the model."""
        module, class_name = self.builder.split(":")
        return getattr(importlib.import_module(f"xraylab.models.{module}"), class_name)


def _read_specs() -> dict[str, ModelSpec]:
    """Read the specifications of ``specs.toml``."""
    specs = {}
    text = resources.files("xraylab.models").joinpath("specs.toml").read_text(encoding="utf-8")
    for family in tomllib.loads(text)["families"]:
        models = family.pop("models")
        for name, row in models.items():
            inherited = specs[row.pop("options_of")].options if "options_of" in row else {}
            options = {**inherited, **row.pop("options", {})}
            specs[name] = ModelSpec(name=name, options=options, **family, **row)
    return specs


SPECS = _read_specs()
"""The specifications by name, family after family in the order of the book."""


def list_models(pattern: str = "*") -> list[str]:
    """Return the sorted names of the models that match a shell pattern."""
    return sorted(fnmatch.filter(SPECS, pattern))


def spec(name: str) -> ModelSpec:
    """Return the :class:`ModelSpec` of a model.

    Raises:
        ValueError: if there is no such model; the message suggests similar names.
    """
    if name not in SPECS:
        hint = did_you_mean(name, SPECS, most=3) or f"Known: {', '.join(list_models())}"
        raise ValueError(f"Unknown model. Received: {name!r}. {hint}")
    return SPECS[name]


def build(
    name: str,
    image_size: int = 64,
    num_labels: int = 14,
    weights: str | Path | None = None,
    classifier_activation: str | None = None,
    **options: Any,
) -> Any:
    """Build a model.

    Two models of one name can be parts of one functional model only if one is renamed, as by
    ``model.name = "second"``.

    Weights of another image size are loaded with a warning, as a start for fine-tuning: those of
    convolutions as they are, learned positions resized by bicubic interpolation, except that of
    [CLS]. Calibration and thresholds do not carry over. Refused are weights that the size gives
    another shape or meaning: those of DBCT, whose fixed positions count along the sequence, and of
    EfficientViT, whose attention biases belong to the distances in a window. Shipped weights, of
    64 px, lose this much macro AUC on 1,414 test images of the NIH subset at 128 px if they are not
    fine-tuned: 0.030 (rr_vit), 0.075 (lt_vit_tiny), 0.129 (efficientnet_b0), 0.142 (densenet121).

    Args:
        name: one of :func:`list_models`.
        image_size: side of the image in pixels.
        num_labels: number of labels, at least 1.
        weights: None for initial weights, ``"pretrained"`` for weights shipped with the package,
            the path of a ``.weights.h5`` or ``.keras`` file, or the folder of a run. If they were
            trained on another number of labels, the head keeps its initial weights, with a
            warning. For another image size see above.
        classifier_activation: None for logits or ``"sigmoid"`` for probabilities.
        options: other arguments of the class of the model.

    Returns:
        A built ``keras.Model`` that maps images (batch, image_size, image_size, 1) float32 in
        [0, 1] to (batch, num_labels); see ``xraylab.models.base.ImageModel``.

    Raises:
        FileNotFoundError: if there is no such weight file.
        ValueError: for an unknown name, invalid arguments, or weights of another model or of an
            image size that does not fit.

    Example::

        model = models.build("dbct", image_size=64, num_labels=14)
        model.compile("adamw", losses.BinaryCrossentropy(), metrics=[metrics.MacroAUC()])
        model.fit(images, labels)
    """
    architecture = spec(name).architecture()
    _require_options(name, architecture, options)
    model = architecture(
        image_size=image_size,
        num_labels=num_labels,
        classifier_activation=classifier_activation,
        name=name,
        **{**spec(name).options, **options},
    )
    model.build((None, model.image_size, model.image_size, 1))
    if weights is not None:
        from xraylab.models.weights import load_for_model

        load_for_model(model, weights)
    return model


def build_shipped(name: str) -> Any:
    """Build a model as its shipped weights need it, of several image sizes the largest.

    Raises:
        KeyError: if no weights come with xraylab for this model.
    """
    from xraylab.models.weights import largest_shipped, recorded_architecture

    path = largest_shipped()[name]
    options = recorded_architecture(path)
    del options["architecture"]
    return build(name, weights=path, **options)


def build_gmml(name: str = "lt_vit_toy", image_size: int = 64, **options: Any) -> Any:
    """Build the masked pre-training model of an LT-ViT.

    Args:
        name: one of ``list_models("lt_vit_*")``, whose encoder is trained.
        image_size: side of the image in pixels.
        options: other arguments of ``xraylab.models.gmml.GMML``.

    Returns:
        A built ``GMML``, which maps corrupted images to reconstructions;
        ``xraylab.models.gmml.load_encoder`` transfers its encoder to an LT-ViT.

    Raises:
        ValueError: for an unknown name, a model that is no LT-ViT, or invalid arguments.
    """
    if spec(name).builder != "lt_vit:LTViT":
        raise ValueError(
            f"GMML trains the encoder of an LT-ViT. Expected: one of "
            f"{', '.join(list_models('lt_vit_*'))}. Received: {name!r}"
        )
    gmml = importlib.import_module("xraylab.models.gmml")
    encoder = {k: v for k, v in spec(name).options.items() if k in gmml.ENCODER_ARGUMENTS}
    model = gmml.GMML(image_size=image_size, name=f"gmml_{name}", **{**encoder, **options})
    model.build((None, model.image_size, model.image_size, 1))
    return model


def _require_options(name, architecture, options):
    """Raise a ValueError for arguments that an architecture does not have."""
    from xraylab.layers.base import constructor_arguments

    general = ("image_size", "num_labels", "classifier_activation")
    known = sorted(set(constructor_arguments(architecture)) - set(general))
    for option in options:
        if option in (*known, "dtype", "trainable"):
            continue
        hint = did_you_mean(option, [*known, *general])
        raise ValueError(
            f"{name} has no argument {option!r}. {f'{hint} ' if hint else ''}"
            f"Options: {', '.join(known) or 'none'}"
        )
