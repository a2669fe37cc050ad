"""The benchmark of a training step: what each of its parts does; no speed is asserted."""

import numpy as np
import pytest

from xraylab.models.cost import recorded_cost


@pytest.fixture
def benchmark(load_benchmark):
    return load_benchmark("training_step")


def test_only_the_step_changes_the_weights(benchmark, tmp_path, monkeypatch):
    compiled = []

    def prepare(*arguments):
        compiled.append(prepared(*arguments))
        return compiled[0]

    prepared = benchmark.prepared
    monkeypatch.setattr(benchmark, "prepared", prepare)
    parts, count = benchmark.functions("rr_vit", tmp_path, 2)
    assert tuple(parts) == benchmark.PARTS
    assert count == recorded_cost("rr_vit", benchmark.SIZE).multiply_adds

    [(_, model)] = compiled
    weights = model.get_weights()
    changed = {}
    for name, part in parts.items():
        part()
        part()  # the learning rate of the first step is zero
        pairs = zip(weights, model.get_weights(), strict=True)
        changed[name] = any(np.any(before != now) for before, now in pairs)
    assert changed == {"batch": False, "forward": False, "gradient": False, "step": True}
