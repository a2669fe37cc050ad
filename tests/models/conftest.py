"""Which models the harness runs over, and how they are built."""

import os

import keras
import numpy as np
import pytest

from xraylab import models
from xraylab.models.registry import SPECS

from ..conftest import EVERY_MODEL, SHALLOW

SIZE = 64

REQUESTED = os.environ.get("XRAYLAB_EVERY_MODEL", "")
"""The name of a model to be tested thoroughly, or any other text for all of them."""

NAMES = [REQUESTED] if REQUESTED in SPECS else models.list_models()

TESTED = [n for n in NAMES if EVERY_MODEL or (n.endswith("_toy") and n != "efficientvit_toy")]
"""The models of the harness: the toys, which are the same code at a small size.

``efficientvit_toy`` is left out because ``efficientvit_mxa_toy`` contains all of its layers."""

full_size = pytest.mark.skipif(not EVERY_MODEL, reason="a full-size model: make test-all")


def fresh(name, seed=0, **options):
    """Build a model at the harness's size with weights that the seed decides, a toy shallow."""
    keras.utils.set_random_seed(seed)
    shallow = {} if EVERY_MODEL else SHALLOW.get(name, {})
    return models.build(name, **{"image_size": SIZE} | shallow | options)


def randomise(model, seed=1):
    """Change all weights, so that no branch is zero, as initial branches may be (γ = 0)."""
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
    """Set the statistics of all batch norms to those of some images, so that values stay near one.

    In MedViT with random weights they grow from layer to layer. Attention scores of 1e13 are
    rounded by 1e6, differently in two kernels of XLA, which gives NaN. Elsewhere this would do
    harm: dividing by the variance of nearly constant channels amplifies rounding errors.
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
