"""Simulated images that several tests of this folder share."""

from functools import cache

import numpy as np
import pytest

from xraylab import phantom
from xraylab.findings import FINDINGS
from xraylab.phantom.scene import build_scene


def labels_with(num_images, *findings):
    """Return label vectors (num_images, 14) in which exactly these findings are present."""
    return np.tile(np.isin(FINDINGS, findings).astype(np.uint8), (num_images, 1))


@pytest.fixture(scope="session")
def simulate_with():
    """Return a cached function that simulates images 0, 1, ... with the same findings."""

    @cache
    def simulate(findings, num_images, size, **parameters):
        labels = labels_with(num_images, *findings)
        return phantom.simulate(np.arange(num_images), size=size, labels=labels, **parameters)

    return simulate


@pytest.fixture(scope="session")
def scene_with():
    """Return a cached function that builds the scene of images 0, 1, ... with the same findings."""

    @cache
    def build(num_images, *findings, size=64):
        labels = labels_with(num_images, *findings)
        return build_scene(np.arange(num_images), size, 0, labels, phantom.PhantomConfig())

    return build
