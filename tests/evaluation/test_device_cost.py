"""Measured cost of a model, compared with the table of costs."""

import subprocess

import pytest

from xraylab import evaluation
from xraylab.models.cost import recorded_cost


def test_cost_of_a_small_model():
    found = evaluation.device_cost("rr_vit_toy", 32, batch_sizes=(4,), rounds=5)
    known = recorded_cost("rr_vit_toy", 64)
    assert found.parameters < known.parameters  # fewer positions at half the size
    assert 0 < found.multiply_adds < known.multiply_adds
    assert 0 < found.latency_p50 <= found.latency_p95
    assert found.throughput["4"] > 0
    assert found.environment["backend"]
    if found.training_bytes is not None:
        assert min(found.training_bytes, found.inference_bytes) > 1e6
    assert found.rounds == 5


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match="Unknown model"):
        evaluation.device_cost("rr_vit_big")
    with pytest.raises(ValueError, match="argument rounds"):
        evaluation.device_cost("rr_vit_toy", rounds=0)


def test_failure_of_a_measurement_is_reported(monkeypatch):
    errors = "Traceback …\nValueError: Expected: a multiple of 4\n"
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr=errors)
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(RuntimeError, match=r"inference of rr_vit_toy at 30 px failed: .*multiple"):
        evaluation.device_cost("rr_vit_toy", 30)
