"""Training on several devices and in several processes: the same weights, and no one left waiting.

The processes run on this machine's processor, which JAX can also split into several devices, and
speak with each other on the loopback interface.
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

from xraylab.training import distribute
from xraylab.training.distribute import Cluster

pytest.importorskip("jax", reason="JAX is not installed")

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
        for name in distribute.VARIABLES:
            environment.pop(name, None)
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
        """Return a recipe with all that several processes could get wrong: it has dropout too."""
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
            "label_names": ["first", "second", "third"],
        }
        return defaults | changes

    def train(self, *fits, seconds=90, devices=1, signals=()):
        """Let one process for each list of ``(recipe, out)`` train; return what came of them."""
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
        told = json.loads(self._process.stdout.readline())
        return told | {"said": [log.read_text() for log in logs]}


@pytest.fixture(scope="module")
def server(tmp_path_factory, image_file):
    server = Server(tmp_path_factory.mktemp("cluster"), image_file)
    yield server
    server.close()


@pytest.fixture(scope="module")
def logs(server):
    """Train in one process, on two devices and in two processes; return what the two said.

    Before that, the two are asked for what they must refuse, which may not keep them from going on.
    """
    alone, devices, together = (
        [(server.recipe(), server.folder / kind)] for kind in ("alone", "devices", "together")
    )
    with np.load(server.image_file) as file:
        arrays = dict(file)
    arrays["train_images"] = 255 - arrays["train_images"]
    np.savez(server.folder / "other.npz", **arrays)
    other = server.recipe(data=str(server.folder / "other.npz"), learning_rate=1e-3)
    refused = [
        [(server.recipe(), server.folder / "unlike"), (server.recipe(), server.folder / "mine")],
        [(other, server.folder / "unlike"), (server.recipe(), server.folder / "theirs")],
    ]
    for told, codes in (
        (server.train(alone), [0]),
        (server.train(devices, devices=2), [0]),
        (server.train(*(bad + together for bad in refused)), [2, 2]),
    ):
        assert told["codes"] == codes, "\n".join(told["said"])
    return told["said"]


@pytest.fixture(scope="module")
def trained(server, logs):
    """Return the folder of what was trained."""
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


def test_one_process_writes(trained):
    run = trained / "together"
    alone = {path.name for path in (trained / "alone").rglob("*")}
    assert {path.name for path in run.rglob("*")} == alone
    assert len(json.loads((run / "report.json").read_text())["environment"]["devices"]) == 2


def test_stopped_and_killed_it_ends_with_the_same_weights(server, trained):
    out = server.folder / "disturbed"
    fits = [(server.recipe(), out)]

    def disturb(*signals):
        at = str(out / "checkpoints")
        told = server.train(fits, fits, signals=[(n, rank, at, step) for n, rank, step in signals])
        assert told["sent"], "\n".join(told["said"])
        return told

    killed = disturb((signal.SIGTERM, 1, 2), (signal.SIGKILL, 1, 5))
    for said in killed["said"]:
        assert "TrainingInterrupted: stopped after step" in said
    assert killed["codes"][0] not in (0, None)
    assert killed["seconds_after_signal"][0] < 30
    assert "ProcessLost: another process has ended" in killed["said"][0]
    assert "--resume" in killed["said"][0]

    killed = disturb((signal.SIGKILL, 0, 8))
    assert killed["codes"][1] not in (0, None)
    assert killed["seconds_after_signal"][1] < 30
    # JAX may end it before it can speak; what it said at the beginning has to do then.
    assert "If one process ends, all of them end" in killed["said"][1]

    finished = server.train(fits, fits)
    assert finished["codes"] == [0, 0], "\n".join(finished["said"])
    undisturbed = trained / "together"
    for name, value in weights(undisturbed).items():
        np.testing.assert_array_equal(weights(out)[name], value, err_msg=name)
    assert history(out) == history(undisturbed)


def test_processes_that_would_not_train_the_same(trained, logs):
    for said in logs:
        assert "the recipe's learning_rate is 0.003 in process 0 and 0.001 in process 1" in said
        assert "the fingerprint of the train images is" in said
        assert "val images" not in said
    assert not (trained / "unlike").exists()


def test_a_folder_that_is_not_shared(logs):
    assert "ProcessLost: process 1 of 2 failed: FileNotFoundError" in logs[0]
    assert "on a disk that they share" in logs[1]


def test_every_part_of_a_batch_is_shared():
    rows = np.arange(12)
    shares = [Cluster(rank, 3, 3).share(rows, parts=2) for rank in range(3)]
    assert [share.tolist() for share in shares] == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]


def test_a_batch_that_does_not_divide():
    with pytest.raises(ValueError, match=r"a batch of 10 images .* 4 devices; .*8 or 12"):
        Cluster(0, 2, 4).require_batch(10)
    with pytest.raises(ValueError, match=r"batch_size=4$"):
        Cluster(0, 2, 4).require_batch(3)


GOOD = dict(zip(distribute.VARIABLES, ("10.0.0.1:5000", "2", "1"), strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({distribute.PROCESS_ID: "2"}, "must be from 0 to 1.* 2 came"),
        ({distribute.PROCESS_ID: "first"}, "must be a whole number; 'first' came"),
        ({distribute.NUM_PROCESSES: "-2"}, "must be a whole number; '-2' came"),
        ({distribute.NUM_PROCESSES: None}, "came without KERAS_DISTRIBUTION_NUM_PROCESSES"),
        ({distribute.ADDRESSES: "10.0.0.1"}, "as 10.0.0.1:5000.*'10.0.0.1' came"),
        ({distribute.ADDRESSES: "a:1,b:1,c:1"}, "those of all 2 processes"),
    ],
)
def test_half_a_cluster(monkeypatch, changes, message):
    for name, value in (GOOD | changes).items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        distribute.join()


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="about the other back ends")
def test_other_back_ends_train_alone(monkeypatch):
    monkeypatch.setattr(distribute, "accelerators", lambda: ("gpu:0", "gpu:1"))
    with pytest.warns(UserWarning, match="one of the 2 accelerators.*KERAS_BACKEND=jax"):
        assert distribute.join() == Cluster()
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError, match="can only train on JAX"):
        distribute.join()
