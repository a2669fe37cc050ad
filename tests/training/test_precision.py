"""The fastest dtype policy follows from the compute capability of the accelerator."""

from types import SimpleNamespace

import keras
import pytest

from xraylab.training.start import fastest_precision


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((6, 0), "float32"),  # P100
        ((7, 0), "mixed_float16"),  # V100
        ((7, 5), "mixed_float16"),  # T4
        ((8, 0), "mixed_bfloat16"),  # A100
        ((9, 0), "mixed_bfloat16"),  # H100
        (None, "float32"),  # no GPU
    ],
)
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_fastest_precision_of_a_gpu(monkeypatch, backend, capability, expected):
    module = pytest.importorskip(backend)
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    if backend == "tensorflow":
        gpus, details = ["gpu"] if capability else [], {"compute_capability": capability}
        monkeypatch.setattr(module.config, "list_physical_devices", lambda kind: gpus)
        monkeypatch.setattr(module.config.experimental, "get_device_details", lambda gpu: details)
    else:
        text = {"compute_capability": "{}.{}".format(*capability)} if capability else {}
        monkeypatch.setattr(module, "local_devices", lambda: [SimpleNamespace(**text)])
    assert fastest_precision() == expected
