"""The registry: models by name, built when asked for."""

import fnmatch
import importlib
import inspect

from xraylab.models.cards import CARDS
from xraylab.suggest import did_you_mean


def list_models(pattern="*"):
    """Return the names of the models, sorted; ``pattern`` filters them as a shell would."""
    return sorted(fnmatch.filter(CARDS, pattern))


def card(name):
    """Return the :class:`ModelCard` of a model.

    Raises:
        ValueError: if there is no such model; the message names the nearest ones.
    """
    if name not in CARDS:
        hint = did_you_mean(name, CARDS, most=3) or f"There are {list_models()}"
        raise ValueError(f"unknown model {name!r}. {hint}")
    return CARDS[name]


def build(name, image_size=64, num_labels=14, **options):
    """Build a model with fresh weights.

    Args:
        name: one of :func:`list_models`.
        image_size: side of the image in pixels.
        num_labels: number of labels, at least 1.
        options: any other argument of the architecture's class.

    Returns:
        A built ``keras.Model`` that takes images (batch, image_size, image_size, 1) float32 in
        [0, 1] and returns a dict with ``logits`` (batch, num_labels), before the sigmoid. To train
        it with Keras alone, ``model.compile("adam", {"logits": losses.BinaryCrossentropy()})`` and
        ``model.fit(images, {"logits": labels})``; with all that a run should have, use
        :func:`xraylab.training.fit`.

    Raises:
        ValueError: for an unknown name, or arguments the architecture cannot take.
    """
    module, class_name = card(name).builder.split(":")
    architecture = getattr(importlib.import_module(module), class_name)
    _require_options(name, architecture, options)
    model = architecture(
        image_size=image_size,
        num_labels=num_labels,
        name=name,
        **{**card(name).options, **options},
    )
    model.build((None, image_size, image_size, 1))
    return model


def _require_options(name, architecture, options):
    """Refuse arguments that an architecture does not take, naming those it does."""
    known = set()
    for cls in architecture.__mro__:
        if cls.__module__.startswith("xraylab."):
            known |= inspect.signature(cls.__init__).parameters.keys()
    known -= {"self", "kwargs", "image_size", "num_labels"}
    for option in options:
        if option not in known and option not in ("dtype", "trainable"):
            hint = did_you_mean(option, known)
            raise ValueError(
                f"{name} takes no argument {option!r}. {f'{hint} ' if hint else ''}"
                f"It takes {', '.join(sorted(known)) or 'none'}"
            )


def build_gmml(name="lt_vit_toy", image_size=64, **options):
    """Build the masked pre-training of an LT-ViT, with fresh weights.

    Args:
        name: one of ``list_models("lt_vit_*")``: whose encoder is to be trained.
        image_size: side of the image in pixels.
        options: any other argument of :class:`xraylab.models.gmml.GMML`.

    Returns:
        A built ``GMML``, which takes corrupted images and returns a dict with ``reconstruction``;
        :func:`xraylab.models.gmml.load_encoder` hands its encoder on.

    Raises:
        ValueError: for an unknown name, one that is no LT-ViT, or arguments out of range.
    """
    if card(name).builder != "xraylab.models.lt_vit:LTViT":
        raise ValueError(
            f"GMML trains the encoder of an LT-ViT, one of {list_models('lt_vit_*')}; {name!r} came"
        )
    gmml = importlib.import_module("xraylab.models.gmml")
    of_encoder = {k: v for k, v in card(name).options.items() if k in gmml.ENCODER_ARGUMENTS}
    model = gmml.GMML(image_size=image_size, name=f"gmml_{name}", **{**of_encoder, **options})
    model.build((None, image_size, image_size, 1))
    return model
