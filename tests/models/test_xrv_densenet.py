"""The TorchXRayVision teacher: its size, recorded outputs of the PyTorch network, thresholds.

``tests/parity/make_fixtures.py`` wrote the recorded outputs, where PyTorch is installed.
"""

from pathlib import Path

import numpy as np
import pytest
from keras import ops

from xraylab import models
from xraylab.models.convert.torchxrayvision import load_xrv
from xraylab.models.xrv_densenet import OUTPUTS, XRVDenseNet121

from .random_weights import random_images, random_state

FIXTURE = Path(__file__).parent / "fixtures" / "xrv_densenet121.npz"


@pytest.fixture(scope="module")
def stored():
    with np.load(FIXTURE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def state(stored):
    shapes = [tuple(map(int, text.split())) for text in stored["shapes"]]
    shapes = dict(zip(stored["names"], shapes, strict=True))
    return random_state(shapes, gain=float(stored["gain"]))


@pytest.fixture(scope="module")
def model(stored):
    model = XRVDenseNet121(int(stored["image_size"]), name="xrv")
    model.build()
    return model


def test_size_is_the_published_one(model):
    assert model.count_params() - 2 * moving_channels(model) == 6_966_034
    assert len(OUTPUTS) == len(set(OUTPUTS)) == model.num_labels == 18


def moving_channels(model):
    """PyTorch does not count running means and variances as parameters."""
    return sum(v.shape[0] for v in model.weights if "moving_mean" in v.path)


def test_outputs_agree_with_the_pytorch_network(model, stored, state):
    assert load_xrv(model, state) is model
    images = random_images(2, model.image_size)
    out = model(images, training=False, return_intermediates=True)
    np.testing.assert_allclose(ops.convert_to_numpy(out["logits"]), stored["logits"], atol=1e-4)
    assert out["features"] is list(out["maps"].values())[-1]
    assert out["features"].shape[-1] == 1024


def test_another_networks_weights_change_nothing(model, state):
    before = model.get_weights()
    missing = {name: value for name, value in state.items() if "denselayer16" not in name}
    with pytest.raises(
        ValueError, match=r"has no array 'features.denseblock3.denselayer16.norm1.weight'"
    ):
        load_xrv(model, missing)
    with pytest.raises(ValueError, match="has no layer for"):
        load_xrv(model, state | {"features.extra.weight": np.zeros(3)})
    first = state["features.conv0.weight"]
    with pytest.raises(ValueError, match=r"Wrong shape of features\.conv0\.weight"):
        load_xrv(model, state | {"features.conv0.weight": np.repeat(first, 3, axis=1)})
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_the_head_may_stay(state):
    small = XRVDenseNet121(32, num_labels=5)
    small.build()
    head = ops.convert_to_numpy(small.head.kernel)
    with pytest.raises(ValueError, match=r"Received: \(1024, 18\)\. Pass head=False"):
        load_xrv(small, state)
    first = small.trunk[0].layers[1].kernel
    assert load_xrv(small, state, head=False) is small
    np.testing.assert_array_equal(ops.convert_to_numpy(small.head.kernel), head)
    expected = state["features.conv0.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(ops.convert_to_numpy(first), expected)
    with pytest.raises(ValueError, match=r"a model of class XRVDenseNet121\. Received: RRViT"):
        load_xrv(models.build("rr_vit_toy"), state)


def test_config_round_trip():
    model = XRVDenseNet121(64, num_labels=5, name="small")
    again = XRVDenseNet121.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    with pytest.raises(ValueError, match="at least 32 px"):
        XRVDenseNet121(28)
