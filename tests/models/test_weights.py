"""Reading the state dicts of public models, on small layers."""

import keras
import numpy as np
import pytest
from keras import ops

from xraylab.layers import ConvNorm
from xraylab.models.convert.state_dict import StateDict


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


def parts():
    layer, head = ConvNorm(3), keras.layers.Dense(4)
    layer.build((None, 5, 5, 2))
    head.build((None, 3))
    return layer, head


def convert(source, layer, head, **options):
    state = StateDict(source)
    state.conv_norm("conv", "bn", layer)
    state.linear("head", head)
    state.assign(**options)


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
    layer, head = parts()
    convert(source, layer, head)
    x = np.random.default_rng(1).normal(size=(2, 5, 5, 2)).astype("f")
    y = x @ known["conv.weight"][:, :, 0, 0].T
    y = (y - known["bn.running_mean"]) / np.sqrt(known["bn.running_var"] + 1e-5)
    y = (y * known["bn.weight"] + known["bn.bias"]) @ known["head.weight"].T + known["head.bias"]
    got = ops.convert_to_numpy(head(layer(x, training=False)))
    np.testing.assert_allclose(got, y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("conv.weight"), "has no array 'conv.weight'"),
        (lambda a: a.update({"head.bias": np.zeros(5, "f")}), r"Wrong shape of head\.bias.*\(5,\)"),
        (lambda a: a.update({"extra.weight": np.zeros(1, "f")}), r"1 arrays .*'extra.weight'"),
    ],
)
def test_what_does_not_fit_changes_nothing(change, message):
    source = arrays()
    change(source)
    layer, head = parts()
    before = [*layer.get_weights(), *head.get_weights()]
    with pytest.raises(ValueError, match=message):
        convert(source, layer, head)
    for former, now in zip(before, [*layer.get_weights(), *head.get_weights()], strict=True):
        np.testing.assert_array_equal(former, now)


def test_some_may_be_left_over_on_purpose():
    convert(arrays() | {"teacher.weight": np.zeros(1, "f")}, *parts(), ignore=("teacher.",))


def test_pickled_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="reading a pickled file may run code"):
        StateDict(tmp_path / "model.pth")
    np.savez(tmp_path / "pickled.npz", weight=np.array([object()]))
    with pytest.raises(ValueError, match=r"allow_pickle"):
        StateDict(tmp_path / "pickled.npz")
