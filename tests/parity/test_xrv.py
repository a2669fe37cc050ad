"""Our DenseNet-121 of TorchXRayVision against theirs, all weights and statistics random."""

import numpy as np
import pytest
from keras import ops

from xraylab.models.convert.torchxrayvision import load_xrv
from xraylab.models.xrv_densenet import OUTPUTS, XRVDenseNet121


@pytest.fixture(scope="module")
def xrv(torch):
    return pytest.importorskip("torchxrayvision", reason="torchxrayvision is not installed")


def their_range(images):
    """(n, side, side, 1) in [0, 1] → (n, 1, side, side) in [-1024, 1024]."""
    return (2 * images.transpose(0, 3, 1, 2) - 1) * np.float32(1024)


@pytest.mark.parametrize("side", [64, 224])
def test_logits(torch, xrv, random_weights, side):
    theirs = xrv.models.DenseNet(weights=None, num_classes=18, in_channels=1).eval()
    shapes = {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    state = random_weights.random_state(shapes, gain=0.5)
    theirs.load_state_dict({n: torch.tensor(v) for n, v in state.items()}, strict=False)
    ours = XRVDenseNet121(side)
    ours.build()
    load_xrv(ours, theirs.state_dict())
    images = random_weights.random_images(2, side)
    with torch.no_grad():
        features = theirs.features2(torch.tensor(their_range(images)))
        expected = theirs.classifier(features).numpy()
    logits = ops.convert_to_numpy(ours(images, training=False))
    assert expected.std() > 0.1
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_outputs_are_in_their_order(xrv):
    assert tuple(n.lower().replace(" ", "_") for n in xrv.models.DenseNet.targets) == OUTPUTS
