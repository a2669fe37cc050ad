"""The benchmark of a training step: what each of its parts does; no speed is asserted."""

import time

import numpy as np
import pytest


@pytest.fixture
def benchmark(load_benchmark):
    return load_benchmark("training_step")


@pytest.fixture
def prepared(benchmark, tmp_path):
    return benchmark.prepared("rr_vit", tmp_path, 2, steps=4)


def test_only_the_step_changes_the_weights(benchmark, prepared):
    _, model = prepared
    parts = benchmark.functions(*prepared)
    assert tuple(parts) == benchmark.PARTS
    weights = model.get_weights()
    changed = {}
    for name, part in parts.items():
        part()
        part()  # the learning rate of the first step is zero
        pairs = zip(weights, model.get_weights(), strict=True)
        changed[name] = any(np.any(before != now) for before, now in pairs)
    assert changed == {"batch": False, "forward": False, "gradient": False, "step": True}


@pytest.mark.parametrize("slow", ["batch", "step"])
def test_training_waits_for_a_slow_batch_but_not_during_a_slow_step(
    benchmark, prepared, monkeypatch, slow
):
    batches, model = prepared
    model.fit(batches, verbose=0)  # compiles
    prepare, train = batches.prepare, model.train_function

    def wait_before(function):
        return lambda *arguments: (time.sleep(0.5), function(*arguments))[1]

    if slow == "batch":
        monkeypatch.setattr(batches, "prepare", wait_before(prepare))
    else:
        model.train_function = wait_before(train)
    share = benchmark.wait_share(batches, model)
    assert (share > 0.5) == (slow == "batch")


def test_precision_is_that_of_the_layers(benchmark, tmp_path):
    _, model = benchmark.prepared("rr_vit", tmp_path, 2, precision="mixed_bfloat16")
    assert model.blocks[0].compute_dtype == "bfloat16"
