"""Training on several devices and in several processes gives the weights of one process.

The processes run on the CPU, which JAX can also split into several devices, and communicate over
the loopback interface.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from xraylab.training import distribution
from xraylab.training.batches import TrainingBatches
from xraylab.training.distribution import Cluster

pytest.importorskip("jax", reason="JAX is not installed")

long = pytest.mark.long

SERVER = Path(__file__).with_name("cluster_server.py")


class Server:
    """The process that starts all others; see ``cluster_server.py``."""

    def __init__(self, folder, image_file):
        self.folder, self.image_file = folder, image_file
        environment = os.environ | {
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            # Compiling is most of the work here; none of it is compared with anything optimised.
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        }
        environment.pop(distribution.NUM_PROCESSES, None)
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def close(self):
        """End it and all that it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def recipe(self, **changes):
        """Return a recipe with augmentation, dropout, averaged weights and micro-batches."""
        defaults = {
            "model": "rr_vit_toy",
            "model_options": {"depth": 1},
            "data": str(self.image_file),
            "size": 16,
            "epochs": 2,
            "batch_size": 16,
            "learning_rate": 3e-3,
            "ema": 0.9,
            "accumulation": 2,
            "augmentation": {"presets": "cxr+mixup"},
            "label_names": ["first", "second", "third"],
        }
        return defaults | changes

    def train(self, *fits, seconds=90, devices=1, signals=()):
        """Start one process for each list of ``(recipe, out)``; return exit codes and output."""
        logs = [self.folder / f"process-{rank}.log" for rank in range(len(fits))]
        group = {
            "logs": [str(log) for log in logs],
            "fits": [[(recipe, str(out)) for recipe, out in each] for each in fits],
            "environment": {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"},
            "seconds": seconds,
            "signals": signals,
        }
        self._process.stdin.write(json.dumps(group) + "\n")
        self._process.stdin.flush()
        result = json.loads(self._process.stdout.readline())
        return result | {"output": [log.read_text() for log in logs]}


@pytest.fixture(scope="module")
def server(tmp_path_factory, image_file):
    server = Server(tmp_path_factory.mktemp("cluster"), image_file)
    yield server
    server.close()


@pytest.fixture(scope="module")
def trained(server):
    """Train in one process, on two devices and in two processes; return the folder."""
    for kind, processes, devices in (("alone", 1, 1), ("devices", 1, 2), ("together", 2, 1)):
        fits = processes * [[(server.recipe(), server.folder / kind)]]
        result = server.train(*fits, devices=devices)
        assert result["codes"] == processes * [0], "\n".join(result["output"])
    return server.folder


def weights(run):
    """Return the last weights of a run by name."""
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            found[name] = item[()]

    with h5py.File(run / "last.weights.h5") as file:
        file.visititems(note)
    return found


def history(run):
    rows = json.loads((run / "history.json").read_text())
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@long
@pytest.mark.parametrize("kind", ["devices", "together"])
def test_the_weights_are_those_of_one_process(trained, kind):
    one, many = (weights(trained / each) for each in ("alone", kind))
    assert one.keys() == many.keys()
    for key, value in one.items():
        # After 12 steps of up to 0.003 each. Where a gradient is nearly nothing, Adam makes a
        # whole step of its rounding.
        np.testing.assert_allclose(many[key], value, atol=2e-4, err_msg=key)
    rows = [history(trained / each) for each in ("alone", kind)]
    for mine, theirs in zip(*rows, strict=True):
        assert theirs == pytest.approx(mine, rel=1e-5)


@long
def test_one_process_writes(trained):
    run = trained / "together"
    alone = {path.name for path in (trained / "alone").rglob("*")}
    assert {path.name for path in run.rglob("*")} == alone
    assert len(json.loads((run / "report.json").read_text())["environment"]["devices"]) == 2


@long
def test_an_interrupted_cluster_ends_with_the_same_weights(server, trained):
    out = server.folder / "interrupted"
    fits = [(server.recipe(), out)]
    signals = [(signal.SIGTERM, 1, str(out / "checkpoints"), 2)]
    stopped = server.train(fits, fits, signals=signals)
    assert stopped["sent"], "\n".join(stopped["output"])
    assert stopped["codes"] == [0, 0], "\n".join(stopped["output"])
    for output in stopped["output"]:
        assert "TrainingInterrupted: Stopped after step" in output
    uninterrupted = trained / "together"
    for name, value in weights(uninterrupted).items():
        np.testing.assert_array_equal(weights(out)[name], value, err_msg=name)
    assert history(out) == history(uninterrupted)


def test_every_process_reads_its_rows_of_each_micro_batch():
    batches = object.__new__(TrainingBatches)
    batches.batch_size, batches.micro_batches, batches.start = 12, 2, 0
    batches._batch = lambda step: (np.arange(12), np.arange(12), np.ones(12, np.float32))
    rows = []
    for rank in range(3):
        batches.cluster = Cluster(rank, 3, 3)
        rows.append([batches[part][0].tolist() for part in range(2)])
        assert batches[0][2].tolist() == [2.0, 2.0]
    assert rows == [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]


def test_a_batch_that_does_not_divide():
    with pytest.raises(ValueError, match=r"number of devices, 4\. Received: 10"):
        Cluster(0, 2, 4).require_batch(10)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="for the other backends")
def test_other_backends_use_one_device(monkeypatch):
    assert distribution.join() == Cluster()
    monkeypatch.setenv(distribution.NUM_PROCESSES, "2")
    with pytest.raises(RuntimeError, match="Several processes can train on JAX only"):
        distribution.join()
