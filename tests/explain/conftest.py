"""Small models with random weights, and random images."""

import keras
import numpy as np
import pytest

from xraylab import models
from xraylab.explain import forward

from ..conftest import EVERY_MODEL, SHALLOW

SIZE = 32


def build_model(name, size=SIZE, **options):
    """Build a model in which no two variables are equal."""
    keras.utils.set_random_seed(0)
    if name == "lt_vit_toy" and not EVERY_MODEL:
        options = SHALLOW[name] | options
    model = models.build(name, image_size=size, **{"num_labels": 3, **options})
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        value = np.asarray(variable)
        variable.assign(value + 0.1 * rng.normal(size=value.shape))
    return model


def some(*cases, of):
    """Return the cases that every run tests; ``make test-all`` tests all of them."""
    return of if EVERY_MODEL else cases


@pytest.fixture(scope="session")
def toy():
    """Return a function that builds each model once."""
    built = {}

    def get(name, size=SIZE, **options):
        key = (name, size, *options.items())
        if key not in built:
            built[key] = build_model(name, size, **options)
        return built[key]

    return get


@pytest.fixture(autouse=True)
def compile_seldom(request, monkeypatch):
    """Compile calls of toys only where many follow, or where compilation is the subject."""
    if "compiled" not in request.node.name and not EVERY_MODEL:
        monkeypatch.setattr(forward, "EAGER_CALLS", 20)


@pytest.fixture(scope="session")
def images():
    """Return three images of uniform noise, (3, 32, 32, 1)."""
    return np.random.default_rng(2).random((3, SIZE, SIZE, 1)).astype(np.float32)
