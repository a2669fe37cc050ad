"""Measured cost of a model, compared with the table of costs."""

import importlib
import json
import os
import subprocess
import sys

import pytest

from xraylab import evaluation
from xraylab.models.cost import recorded_cost

device_cost = importlib.import_module("xraylab.evaluation.device_cost")


@pytest.fixture(params=["this process", "a fresh process"])
def least_bytes(request, monkeypatch):
    """Measure in this process, which is faster; in a fresh one with ``make test-all``.

    Return the least memory to expect: this process has memory to spare from other tests.
    """
    if request.param == "this process":

        def run(command, **options):
            assert command[:3] == [sys.executable, "-m", device_cost.__name__]
            output = json.dumps(device_cost._measure(json.loads(command[3])))
            return subprocess.CompletedProcess(command, 0, stdout=output, stderr="")

        monkeypatch.setattr(device_cost.subprocess, "run", run)
        return 0
    if not os.environ.get("XRAYLAB_EVERY_MODEL"):
        pytest.skip("long; make test-all")
    return 1e6


def test_cost_of_a_small_model(least_bytes):
    found = evaluation.device_cost("rr_vit_toy", 32, rounds=5)
    known = recorded_cost("rr_vit_toy", 64)
    assert found.parameters < known.parameters  # fewer positions at half the size
    assert 0 < found.multiply_adds < known.multiply_adds
    assert 0 < found.latency_p50 <= found.latency_p95
    assert found.throughput["32"] > 0
    assert found.environment["backend"]
    if found.training_bytes is not None:
        assert min(found.training_bytes, found.inference_bytes) >= least_bytes
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
    with pytest.raises(RuntimeError, match=r"rr_vit_toy at 30 px failed: .*multiple"):
        evaluation.device_cost("rr_vit_toy", 30)
