"""Reading the state dicts of public models, on small layers."""

import keras
import numpy as np
import pytest
from keras import ops

from xraylab.layers.base import Layer
from xraylab.layers.convolution import ConvNorm
from xraylab.models.convert.state_dict import load_state_dict


def arrays():
    """A 2→3 channel convolution with its normalisation, and a linear layer, as PyTorch lays out."""
    rng = np.random.default_rng(0)
    return {
        "conv.weight": rng.normal(size=(3, 2, 1, 1)).astype("f"),
        "bn.weight": rng.normal(size=3).astype("f"),
        "bn.bias": rng.normal(size=3).astype("f"),
        "bn.running_mean": rng.normal(size=3).astype("f"),
        "bn.running_var": rng.uniform(0.5, 1, size=3).astype("f"),
        "bn.num_batches_tracked": np.array(7),
        "head.weight": rng.normal(size=(4, 3)).astype("f"),
        "head.bias": rng.normal(size=4).astype("f"),
    }


RULES = ((r"^block/convolution", "conv"), (r"^block/norm", "bn"))


class Network(Layer):
    def __init__(self):
        super().__init__()
        self.block = ConvNorm(3, name="block")
        self.head = keras.layers.Dense(4, name="head")
        self.build((None, 5, 5, 2))

    def call(self, x):
        return self.head(self.block(x, training=False))


@pytest.mark.parametrize("form", ["mapping", "npz", "safetensors"])
def test_every_array_is_assigned(form, tmp_path):
    source = known = arrays()
    if form == "npz":
        source = tmp_path / "weights.npz"
        np.savez(source, **known)
    elif form == "safetensors":
        save_file = pytest.importorskip("safetensors.numpy").save_file
        source = tmp_path / "weights.safetensors"
        save_file(known, source)
    network = Network()
    load_state_dict(network, source, RULES)
    x = np.random.default_rng(1).normal(size=(2, 5, 5, 2)).astype("f")
    y = x @ known["conv.weight"][:, :, 0, 0].T
    y = (y - known["bn.running_mean"]) / np.sqrt(known["bn.running_var"] + 1e-5)
    y = (y * known["bn.weight"] + known["bn.bias"]) @ known["head.weight"].T + known["head.bias"]
    got = ops.convert_to_numpy(network(x))
    np.testing.assert_allclose(got, y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("conv.weight"), "has no array 'conv.weight'"),
        (lambda a: a.update({"head.bias": np.zeros(5, "f")}), r"Wrong shape of head\.bias.*\(5,\)"),
        (lambda a: a.update({"extra.weight": np.zeros(1, "f")}), r"1 arrays.*'extra.weight'"),
    ],
)
def test_what_does_not_fit_changes_nothing(change, message):
    source = arrays()
    change(source)
    network = Network()
    before = network.get_weights()
    with pytest.raises(ValueError, match=message):
        load_state_dict(network, source, RULES)
    for former, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(former, now)


def test_the_head_may_stay():
    network = Network()
    head = network.head.get_weights()
    source = arrays() | {"head.bias": np.zeros(5, "f")}
    load_state_dict(network, source, RULES, head="head.")
    np.testing.assert_array_equal(network.head.get_weights()[0], head[0])
    np.testing.assert_array_equal(network.block.norm.gamma, source["bn.weight"])


def test_pickled_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="reading a pickled file may run code"):
        load_state_dict(Network(), tmp_path / "model.pth", RULES)
    np.savez(tmp_path / "pickled.npz", weight=np.array([object()]))
    with pytest.raises(ValueError, match=r"allow_pickle"):
        load_state_dict(Network(), tmp_path / "pickled.npz", RULES)
