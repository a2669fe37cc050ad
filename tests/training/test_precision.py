"""The fastest dtype policy follows from the compute capability of the accelerator."""

from types import SimpleNamespace

import keras
import pytest

from xraylab.training import start as precision


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((6, 0), "float32"),  # P100
        ((7, 0), "mixed_float16"),  # V100
        ((7, 5), "mixed_float16"),  # T4
        ((8, 0), "mixed_bfloat16"),  # A100
        ((9, 0), "mixed_bfloat16"),  # H100
        (None, "float32"),  # an accelerator without a compute capability
    ],
)
def test_fastest_precision_of_a_gpu(monkeypatch, capability, expected):
    monkeypatch.setattr(precision, "accelerators", lambda: ("gpu:0",))
    monkeypatch.setattr(precision, "compute_capability", lambda: capability)
    assert precision.fastest_precision() == expected


def test_fastest_precision_of_a_cpu(monkeypatch):
    monkeypatch.setattr(precision, "accelerators", lambda: ())
    monkeypatch.setattr(precision, "compute_capability", lambda: (9, 0))
    assert precision.fastest_precision() == "float32"


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="replaces functions of TensorFlow"
)
def test_compute_capability_of_tensorflow(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"])
    details = {"compute_capability": (7, 5)}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    assert precision.compute_capability() == (7, 5)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert precision.compute_capability() is None


def test_compute_capability_of_jax(monkeypatch):
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    for text, expected in (("8.9", (8, 9)), (None, None)):
        device = SimpleNamespace(compute_capability=text)
        monkeypatch.setattr(jax, "local_devices", lambda device=device: [device])
        assert precision.compute_capability() == expected
