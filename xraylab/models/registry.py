"""The registry: models by name, built when asked for."""

import difflib
import fnmatch
import importlib

from xraylab.models.cards import CARDS


def list_models(pattern="*"):
    """Return the names of the models, sorted; ``pattern`` filters them as a shell would."""
    return sorted(fnmatch.filter(CARDS, pattern))


def card(name):
    """Return the :class:`ModelCard` of a model.

    Raises:
        ValueError: if there is no such model; the message names the nearest ones.
    """
    if name not in CARDS:
        near = difflib.get_close_matches(name, CARDS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {list_models()}"
        raise ValueError(f"unknown model {name!r}; {hint}")
    return CARDS[name]


def build(name, image_size=64, num_labels=14, **options):
    """Build a model with fresh weights.

    Args:
        name: one of :func:`list_models`.
        image_size: side of the film in pixels.
        num_labels: number of labels, at least 1.
        options: any other argument of the architecture's class.

    Returns:
        A built ``keras.Model`` that takes images (batch, image_size, image_size, 1) float32 in
        [0, 1] and returns a dict with ``logits`` (batch, num_labels), before the sigmoid.

    Raises:
        ValueError: for an unknown name, or arguments the architecture cannot take.
    """
    module, class_name = card(name).builder.split(":")
    architecture = getattr(importlib.import_module(module), class_name)
    model = architecture(
        image_size=image_size,
        num_labels=num_labels,
        name=name,
        **{**card(name).options, **options},
    )
    model.build((None, image_size, image_size, 1))
    return model
