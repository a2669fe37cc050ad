"""The notebook that fills the results table: an interrupted session, continued in the next."""

import json
import signal
from functools import partial

import keras
import numpy as np
import pytest
import sync

from xraylab import data, io, results, training
from xraylab.data import chestmnist

PAGE = sync.BOOK / "appendix" / "fill_the_table.md"
PLAN = training.list_recipes("rr_vit_64_*")


class InterruptAtStep(keras.callbacks.Callback):
    """Interrupt the process as Ctrl-C does, after a number of steps."""

    def __init__(self, step):
        super().__init__()
        self.steps_left = step

    def on_train_batch_end(self, batch, logs=None):
        self.steps_left -= 1
        if self.steps_left == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def file_like_chestmnist(tmp_path, monkeypatch):
    """Write images in the layout of ChestMNIST where the package looks for it."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in zip(data.SPLITS, (130, 32, 32), strict=True):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 64, 64), np.uint8)
        arrays[f"{split}_labels"] = rng.integers(0, 2, (count, 14), np.uint8)
    path = tmp_path / "data" / "chestmnist" / "chestmnist_64.npz"
    path.parent.mkdir(parents=True)
    np.savez_compressed(path, **arrays)
    release = chestmnist.RELEASES[64]._replace(md5=io.md5(path))
    monkeypatch.setitem(chestmnist.RELEASES, 64, release)
    monkeypatch.setenv("XRAYLAB_DATA", str(tmp_path / "data"))


def run_notebook():
    """Run the code cells of the page in a new namespace and return it."""
    namespace = {"display": lambda *_: None}
    for cell in json.loads(sync.notebook(PAGE))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]).replace("%pip", "pass  # %pip"), namespace)
        if "PLAN" in namespace:
            namespace["PLAN"] = PLAN
            namespace["CHANGES"] |= {"epochs": 2, "xla": False, "model_options": {"depth": 1}}
    return namespace


def test_interrupted_session_continues_in_the_next(
    file_like_chestmnist, tmp_path, monkeypatch, capsys, eager
):
    monkeypatch.setenv("XRAYLAB_SCALE", "full")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(results, "record", partial(results.record, replicates=5))
    fit = training.fit
    interrupt = InterruptAtStep(3)  # in the second of two epochs of two steps
    monkeypatch.setattr(
        training, "fit", lambda *args, **kwargs: fit(*args, callbacks=[interrupt], **kwargs)
    )
    first = run_notebook()
    assert not first["measured"]
    assert "Stopped after step 3" in capsys.readouterr().out
    monkeypatch.setattr(training, "fit", fit)
    found = run_notebook()["measured"]
    printed = capsys.readouterr().out
    assert printed.count("Epoch 2/2") == 2 and printed.count("Epoch 1/2") == 1
    assert sorted(record.name for record in found) == sorted(f"{name}_seed0" for name in PLAN)
    for record in found:
        assert record.training.steps == 4
        assert not record.simulated
        assert record.data["test"].source == "chestmnist"
    # In a third session nothing is left to do.
    monkeypatch.setattr(training, "fit", None)
    again = run_notebook()["measured"]
    assert [record.name for record in again] == [record.name for record in found]
