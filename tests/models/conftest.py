"""Which models the harness runs over, and how they are built."""

import os

import keras
import numpy as np
import pytest

from xraylab import models
from xraylab.models.registry import SPECS

SIZE = 64

REQUESTED = os.environ.get("XRAYLAB_EVERY_MODEL", "")
"""The name of a model to be tested thoroughly, or any other text for all of them."""

EVERY_MODEL = bool(REQUESTED)
"""Whether the thorough tests run over more than the toys; ``make test-all`` sets it."""

NAMES = [REQUESTED] if REQUESTED in SPECS else models.list_models()

_FAMILIES = {models.spec(n).builder: n for n in reversed(SPECS) if not n.endswith("_toy")}

SHOWN = [n for n in NAMES if EVERY_MODEL or n.endswith("_toy") or n in _FAMILIES.values()]
"""The models of the quick tests: the toys, and of each family the first of full size."""

THOROUGH = [n for n in NAMES if EVERY_MODEL or n.endswith("_toy") or n == "rr_vit"]
"""The models of the thorough tests: the toys, which are the same code at a small size."""


def fresh(name, seed=0, **options):
    """Build a model at the harness's size with weights that the seed decides."""
    keras.utils.set_random_seed(seed)
    return models.build(name, image_size=SIZE, **options)


def randomise(model, seed=1):
    """Move all weights, so that no branch is silent as a fresh one may be (γ = 0, means of 0)."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name = variable.path.rsplit("/", 1)[-1]
        if name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.dtype.startswith("float"):
            variable.assign_add(rng.normal(0, 0.02, variable.shape))
    return model


def sublayers(layer):
    """Return all layers inside a layer."""
    found = {}
    queue = [value for name, value in vars(layer).items() if not name.startswith("_")]
    while queue:
        value = queue.pop()
        if isinstance(value, keras.layers.Layer) and id(value) not in found:
            found[id(value)] = value
            queue += [v for name, v in vars(value).items() if not name.startswith("_")]
        elif isinstance(value, list | tuple):
            queue += value
    return list(found.values())


def settle(model, images):
    """Let all batch norms take the statistics of some images, so that values stay of order one.

    In MedViT with moved weights they grow from layer to layer. Attention scores of 1e13 are finite,
    but rounded by 1e6, and XLA, which rounds them in two ways, makes nan of them. Where values do
    not grow it would do harm: channels that hardly vary over few images magnify what is rounded.
    """
    norms = [x for x in sublayers(model) if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(images, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model


@pytest.fixture(scope="session")
def batch():
    """Four images of noise and their labels."""
    rng = np.random.default_rng(0)
    images = rng.random((4, SIZE, SIZE, 1)).astype(np.float32)
    return images, (rng.random((4, 14)) < 0.3).astype(np.float32)
