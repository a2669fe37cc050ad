"""Full disks, folders without write permission, and damaged files."""

import errno
import importlib
import os
import random
import resource
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from xraylab import training
from xraylab.io import atomic_write
from xraylab.training import callbacks as callbacks_module
from xraylab.training import run as run_module
from xraylab.training import start as start_module
from xraylab.training.checkpoint import list_checkpoints, read_newest_checkpoint, save_checkpoint

from .conftest import assert_same_run, leftovers, make_recipe, train

fit_module = importlib.import_module("xraylab.training.fit")  # its name is that of the function


@pytest.fixture
def full_disk(monkeypatch):
    """Return a function that fills the disk for a function, from its n-th call on."""

    def fill(module, name, from_call=1, room=10):
        function, calls = getattr(module, name), []

        def on_a_full_disk(*args, **kwargs):
            calls.append(name)
            if len(calls) < from_call:
                return function(*args, **kwargs)
            former = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, former[1]))
            try:
                return function(*args, **kwargs)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, former)

        monkeypatch.setattr(module, name, on_a_full_disk)

    return fill


@pytest.mark.parametrize(
    ("module", "name", "from_call", "file"),
    [
        (callbacks_module, "save_checkpoint", 3, "step-000000002.npz"),
        (callbacks_module, "write_weights", 2, "best.weights.h5|last.weights.h5"),
        (callbacks_module, "write_json", 2, "history.json"),
        (fit_module, "write_report", 1, "report.json"),
    ],
    ids=["checkpoint", "weights", "history", "report"],
)
def test_a_full_disk_is_reported_and_loses_nothing(
    image_file, tmp_path, monkeypatch, full_disk, plain, tiny, module, name, from_call, file
):
    out = tmp_path / "run"
    with monkeypatch.context():
        full_disk(module, name, from_call)
        with pytest.raises(OSError, match=f"[Tt]oo large: .*({file})"):
            train(plain.recipe, out, checkpoint_seconds=0.0)
        assert leftovers(out) == []
    monkeypatch.undo()
    assert_same_run(plain, train(plain.recipe, out, resume=True))


def test_weights_are_written_completely_or_not_at_all(tmp_path, full_disk, traced, tiny_compiled):
    """For any free space: HDF5 itself would end the process."""
    path, model = tmp_path / "some.weights.h5", traced.load_model("best")
    run_module.write_weights(path, model)
    content = path.read_bytes()
    for room in (0, 1000, len(content) // 2, len(content) - 1):
        full_disk(run_module, "write_weights", room=room)
        with pytest.raises(OSError, match="too large"):
            run_module.write_weights(path, traced.load_model("last"))
        assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["some.weights.h5"]


def test_a_folder_that_cannot_be_created(image_file, tmp_path, tiny):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="run"):
        train(make_recipe(image_file), tmp_path / "file" / "run")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_a_folder_that_cannot_be_written(image_file, tmp_path, monkeypatch, tiny, code):
    def refuse(path, value):
        with atomic_write(path):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(start_module.io, "write_json", refuse)
    with pytest.raises(OSError, match=f"{os.strerror(code)}: .*run.json"):
        train(make_recipe(image_file), tmp_path / "run")
    assert [p.name for p in (tmp_path / "run").iterdir()] == [".lock"]


def unfinish(run, out):
    """Copy a run as it was before it finished."""
    shutil.copytree(run.path, out)
    (out / "report.json").unlink()
    (out / "last.weights.h5").unlink()
    return out


def content_of(folder):
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path: path.read_bytes() for path in paths if path.name != ".lock"}


def test_a_truncated_checkpoint_is_skipped_and_replaced(tmp_path, plain, tiny):
    out = unfinish(plain, tmp_path / "run")
    newest = list_checkpoints(out / "checkpoints")[0]
    later = newest.with_name("step-000000099.npz")  # of a later step
    later.write_bytes(newest.read_bytes()[:1000])
    newest.write_bytes(b"")
    with pytest.warns(UserWarning, match="is damaged and was skipped") as caught:
        again = train(plain.recipe, out, resume=True, checkpoint_seconds=0.0)
    messages = [str(w.message) for w in caught if "damaged" in str(w.message)]
    assert [newest.name in text for text in messages] == [False, True]
    assert_same_run(plain, again)
    assert later not in list_checkpoints(again.checkpoints)
    assert len(list_checkpoints(again.checkpoints)) == 2
    assert read_newest_checkpoint(again).path == newest


@pytest.mark.filterwarnings("ignore:.*is damaged and was skipped")
@pytest.mark.parametrize("damage", ["truncated", "removed"])
def test_a_run_without_checkpoints_does_not_start_again(tmp_path, plain, tiny, damage):
    """It would overwrite the best weights, which are all that remains."""
    out = unfinish(plain, tmp_path / "run")
    for path in list_checkpoints(out / "checkpoints"):
        if damage == "removed":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-1])
    before = content_of(out)
    with pytest.raises(training.CheckpointError, match="another folder to train"):
        train(plain.recipe, out, resume=True)
    assert content_of(out) == before


def test_a_run_killed_before_its_first_checkpoint_starts(tmp_path, plain, tiny):
    out = tmp_path / "run"
    out.mkdir()
    shutil.copy(plain.path / "run.json", out)
    assert_same_run(plain, train(plain.recipe, out, resume=True))


@pytest.mark.parametrize("keep", [0, 1, 100])
def test_a_truncated_run_json_is_reported(tmp_path, plain, tiny, keep):
    out = unfinish(plain, tmp_path / "run")
    (out / "run.json").write_text((out / "run.json").read_text()[:keep])
    before = content_of(out)
    with pytest.raises(ValueError, match=r"run.json is damaged. Expected: JSON"):
        train(plain.recipe, out, resume=True)
    assert content_of(out) == before


@pytest.mark.filterwarnings("ignore:.*is damaged and was skipped")
def test_a_checkpoint_with_a_wrong_byte_is_never_misread(tmp_path):
    """For a flipped bit in any byte, the checkpoint is read as it was written or not at all."""
    state, arrays = {"step": 7}, {"model/00000": np.arange(5, dtype=np.float32)}
    path = save_checkpoint(tmp_path, arrays, state)
    run = SimpleNamespace(checkpoints=tmp_path, history=[], path=tmp_path)
    whole, rng, refused = path.read_bytes(), random.Random(0), 0
    for index in range(len(whole)):
        wrong = bytearray(whole)
        wrong[index] ^= 1 << rng.randrange(8)
        path.write_bytes(wrong)
        try:
            found = read_newest_checkpoint(run)
        except training.CheckpointError:
            refused += 1
            continue
        assert found.state == state
        np.testing.assert_array_equal(found.arrays["model/00000"], arrays["model/00000"])
    assert refused > len(whole) / 2
