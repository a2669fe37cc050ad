"""Runs that were killed, stopped by a signal or a deadline end as uninterrupted ones do."""

import multiprocessing
import os
import pkgutil
import random
import shlex
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from xraylab import cli, data, training
from xraylab.training import callbacks, interrupts, start
from xraylab.training.checkpoint import list_checkpoints, read_newest_checkpoint
from xraylab.training.objectives import Classification
from xraylab.training.run import lock_run

from .conftest import (
    LABELS,
    after_step,
    assert_same_run,
    leftovers,
    make_recipe,
    on_tensorflow,
    stop_after,
    train,
)

# Kills

LIFE = """
import os, time
import tensorflow
from xraylab import training
# Eager execution survives a kill in the same way, and saves four seconds of tracing.
tensorflow.config.run_functions_eagerly(True)
# A slow disk, so that some kills happen while a file is being written.
flush = os.fsync
os.fsync = lambda number: (flush(number), time.sleep(0.02))
training.fit(recipe, out, resume=True, progress=False, checkpoint_seconds=0.0)
"""

MOMENTS = (
    ["writing best.weights", "writing history", "writing best.weights"]
    + 5 * ["any moment", "a step later", "writing step-"]
    + 2 * ["any moment"]
)
"""When to kill: at a random time, after some progress, or while a certain file is written."""


@pytest.fixture(scope="module")
def begin():
    """Return a function that starts a run in a process that has already imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow", "xraylab.training", "xraylab.models.rr_vit"])

    def begin(recipe, out):
        process = context.Process(target=exec, args=(LIFE, {"recipe": recipe, "out": out}))
        process.start()
        return process

    return begin


def wait_until(happened, process):
    """Wait until something has happened or the process has ended."""
    deadline = time.monotonic() + 60
    while process.is_alive() and not happened():
        assert time.monotonic() < deadline, "nothing happens any more"
        time.sleep(0.001)


def kill(process, moment, draw, longest, out):
    """Kill a process at one of :data:`MOMENTS`, after ``longest`` seconds at most."""
    known, before = set(leftovers(out)), newest_step(out)
    if moment == "any moment":
        end = time.monotonic() + draw.uniform(0.0, longest)
        # Two steps at most, so that one run has room for twenty kills on any machine.
        wait_until(lambda: time.monotonic() > end or newest_step(out) > before + 1, process)
    elif moment == "a step later":
        wait_until(lambda: newest_step(out) > before, process)
        time.sleep(draw.uniform(0.0, 0.1))
    else:
        name = moment.removeprefix("writing ")
        wait_until(lambda: any(name in new for new in set(leftovers(out)) - known), process)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "the run ended before; make it longer"


def newest_step(out):
    """Return the step of a run's newest checkpoint, -1 if there is none."""
    found = list_checkpoints(out / "checkpoints")
    return int(found[0].stem.removeprefix("step-")) if found else -1


def kill_at(moments, recipe, tmp_path, begin):
    """Compare a run that is killed at some moments with an uninterrupted one; return leftovers."""
    uninterrupted, out, caught = tmp_path / "uninterrupted", tmp_path / "killed", []
    start = time.monotonic()
    begin(recipe, uninterrupted).join()
    longest = (time.monotonic() - start) / 6
    for number, moment in enumerate(moments):
        kill(begin(recipe, out), moment, random.Random(number), longest, out)
        caught += leftovers(out)
    begin(recipe, out).join()
    assert_same_run(training.Run(uninterrupted), training.Run(out))
    assert leftovers(out) == []
    return caught


RANDOM_PARTS = {"augmentation": {"presets": "cxr"}, "ema": 0.9}


@on_tensorflow
def test_a_killed_run_ends_with_the_same_weights(image_file, tmp_path, begin):
    options = {"model_options": {"dropout": 0.2, "depth": 1}, "epochs": 3}
    recipe = make_recipe(image_file, **options, **RANDOM_PARTS)
    kill_at(["a step later", "writing best.weights"], recipe, tmp_path, begin)


@on_tensorflow
@pytest.mark.long
def test_a_run_killed_twenty_times_ends_with_the_same_weights(image_file, tmp_path, begin):
    options = {"model_options": {"dropout": 0.2, "depth": 1}, "epochs": 9}
    recipe = make_recipe(image_file, **options, **RANDOM_PARTS)
    assert len(MOMENTS) == 20
    caught = kill_at(MOMENTS, recipe, tmp_path, begin)
    for name in ("step-", "best.weights", "history"):
        assert any(name in left for left in caught), caught


def test_a_second_process_is_refused(tmp_path, plain, tiny):
    out = tmp_path / "run"
    out.mkdir()
    with (
        lock_run(out),
        pytest.raises(training.RunLocked, match=r"Another process is training in .*run"),
    ):
        train(plain.recipe, out, resume=True)
    assert not (out / "run.json").exists()
    assert_same_run(plain, train(plain.recipe, out, resume=True))


# Signals and time limits


def test_a_signal_stops_after_the_step_with_a_checkpoint(tmp_path, traced, tiny_compiled):
    """Also in the middle of an epoch, of which the mean loss must continue."""
    out, former = tmp_path / "run", signal.getsignal(signal.SIGTERM)
    error = stop_after(4, signal.SIGTERM, traced.recipe, out, checkpoint_seconds=1e9)
    assert (error.step, error.out_of_time) == (4, False)
    assert "Stopped after step 4. Resume the run in" in str(error)
    assert signal.getsignal(signal.SIGTERM) is former
    assert read_newest_checkpoint(training.Run(out)).state["step"] == 4
    assert_same_run(traced, train(traced.recipe, out, resume=True))


@pytest.mark.parametrize("step", [3, 5, 6])
def test_ctrl_c_after_any_step(tmp_path, plain, tiny, step):
    """Steps 3 and 6 are followed by the validation of their epoch."""
    assert stop_after(step, signal.SIGINT, plain.recipe, tmp_path / "run").step == step
    assert_same_run(plain, train(plain.recipe, tmp_path / "run", resume=True))


def test_ctrl_c_during_validation(tmp_path, monkeypatch, plain, tiny):
    """No further step is taken, and the epoch is not validated twice."""
    validate, epochs = Classification.validate, []

    def validate_and_stop(*args):
        epochs.append(len(epochs) + 1)
        if epochs[-1] == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return validate(*args)

    monkeypatch.setattr(Classification, "validate", validate_and_stop)
    with pytest.raises(training.TrainingInterrupted, match="after step 3"):
        train(plain.recipe, tmp_path / "run")
    assert_same_run(plain, train(plain.recipe, tmp_path / "run", resume=True))
    assert epochs == [1, 2]


def test_a_second_ctrl_c_stops_at_once(image_file, tmp_path, monkeypatch, tiny):
    def twice(recorder):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    after_step(monkeypatch, 2, twice)
    with pytest.raises(KeyboardInterrupt):
        train(make_recipe(image_file), tmp_path / "run", checkpoint_seconds=0.0)
    assert read_newest_checkpoint(training.Run(tmp_path / "run")).state["step"] == 1


class Clock:
    """A clock that advances only by the assumed durations of operations."""

    def __init__(self, monkeypatch, step, validation, checkpoint):
        self.now = 1000.0
        for module in (callbacks, interrupts):
            monkeypatch.setattr(module, "time", self)

        def slow(owner, name, seconds):
            function = getattr(owner, name)

            def wrapper(*args, **kwargs):
                self.now += seconds
                return function(*args, **kwargs)

            monkeypatch.setattr(owner, name, wrapper)

        slow(callbacks.Checkpointer, "on_train_batch_end", step)
        slow(Classification, "validate", validation)
        slow(callbacks, "save_checkpoint", checkpoint)

    def monotonic(self):
        return self.now


@pytest.mark.parametrize("seconds", [1, 40, 100, 300])
def test_the_time_limit_is_respected(image_file, tmp_path, monkeypatch, tiny, seconds):
    """Steps of 10 s, a validation of 25 s, checkpoints of 2 s: stop soon after, and progress."""
    clock = Clock(monkeypatch, step=10.0, validation=25.0, checkpoint=2.0)
    out, steps = tmp_path / "run", []
    for _ in range(20):
        end = clock.now + seconds
        try:
            run = train(
                make_recipe(image_file), out, resume=True, max_hours=seconds / 3600,
                checkpoint_seconds=1e9,
            )  # fmt: skip
            break
        except training.TrainingInterrupted as error:
            assert error.out_of_time
            assert "Time limit reached" in str(error)
            assert end < clock.now <= end + 10 + 25 + 2
            state = read_newest_checkpoint(training.Run(out)).state
            assert state["step"] == error.step
            steps.append((state["step"], len(state["history"])))
    assert steps == sorted(set(steps)), "each call must make progress"
    assert len(run.history) == 2
    assert (len(steps) > 0) is (seconds < 200)


def test_the_command_line_prints_how_to_continue(monkeypatch, capsys):
    """Status 75 after the time limit, 130 after Ctrl-C; with --resume only where it belongs."""
    for out_of_time, command, status, missing in (
        (True, "xraylab train rr_vit --out 'my runs/x'", 75, " --resume"),
        (False, "xraylab train rr_vit --out 'my runs/x' --resume", 130, ""),
        (True, "xraylab resume 'my runs/x' --max-hours 2", 75, ""),
    ):
        monkeypatch.setattr(sys, "argv", shlex.split(command))

        def stop(out_of_time=out_of_time):
            raise training.TrainingInterrupted("my runs/x", 12, out_of_time)

        monkeypatch.setattr(cli, "app", stop)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == status
        printed = capsys.readouterr().err
        assert "topped after step 12" in printed
        assert ("Time limit reached" in printed) is out_of_time
        assert f"continues:\n{command}{missing}\n" in printed


# More epochs, and callbacks of the user


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_is_extended_to_more_epochs(image_file, tmp_path, plain, tiny, capsys, finished):
    out = tmp_path / "run"
    if finished:
        shutil.copytree(plain.path, out)
    else:
        stop_after(2, signal.SIGINT, plain.recipe, out)
    longer = plain.recipe.replace(epochs=4)
    run = train(longer, out, resume=True)
    assert "extended from 2 to 4 epochs" in capsys.readouterr().out
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4]
    assert run.facts["extended"] == [{"from": 2, "to": 4, "after_epoch": 2 * finished}]
    assert run.recipe == longer
    assert run.report["epochs"] == 4
    if finished:  # the two epochs that were there are unchanged
        assert run.history[:2] == plain.history
    with pytest.raises(ValueError, match=r"another recipe. Expected: epochs=4. Received: epochs=3"):
        train(plain.recipe.replace(epochs=3), out, resume=True)


def test_an_extended_run_follows_the_longer_schedule(image_file, tmp_path, plain, tiny):
    """Extended before its first step, it equals a run of that length."""
    longer = plain.recipe.replace(epochs=3)
    out = tmp_path / "run"
    out.mkdir()
    shutil.copy(plain.path / "run.json", out)
    assert_same_run(train(longer, out, resume=True), train(longer, tmp_path / "whole"))


def test_a_run_killed_while_it_is_extended_is_not_finished(tmp_path, plain, tiny, monkeypatch):
    out, longer = tmp_path / "run", plain.recipe.replace(epochs=3)
    shutil.copytree(plain.path, out)
    with monkeypatch.context() as patch:
        patch.setattr(start.io, "write_json", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(longer, out, resume=True)
    assert len(train(longer, out, resume=True).history) == 3


class Recorder(keras.callbacks.Callback):
    def __init__(self, stop_at=None):
        super().__init__()
        self.calls, self.logs, self.stop_at = [], [], stop_at

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(batch)

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))
        if epoch + 1 == self.stop_at:
            self.model.stop_training = True


def test_callbacks_are_called_with_validation_scores(tmp_path, plain, tiny):
    recorder = Recorder()
    run = train(plain.recipe, tmp_path / "run", callbacks=[recorder])
    assert recorder.calls == [0, 1, 2, 0, 1, 2]
    names = {"loss", "val_macro_auc", "val_binary_crossentropy"}
    assert [{n: logs[n] for n in names} for logs in recorder.logs] == [
        {n: row[n] for n in names} for row in run.history
    ]
    assert_same_run(plain, run)


def test_a_callback_may_stop_training(image_file, tmp_path, tiny):
    recipe = make_recipe(image_file, epochs=5)
    early = keras.callbacks.EarlyStopping("val_macro_auc", mode="max", patience=99)
    run = train(recipe, tmp_path / "run", callbacks=[early, Recorder(stop_at=2)])
    assert len(run.history) == run.report["epochs"] == 2
    assert run.load_model("last")


# Values that are not finite


@pytest.mark.parametrize(
    ("what", "broken", "found", "good"),
    [
        ("a loss", 3, 4, 0),  # the weights break between two checkpoints
        ("a loss", 1, 4, 0),  # and between two checks
        ("a loss", 4, 6, 0),
        ("a weight", 2, 2, 1),
        ("a moment", 2, 2, 1),
        ("a statistic", 2, 2, 1),
        ("a weight", 6, 6, 5),  # the last step of the epoch, before its validation
    ],
)
def test_a_run_that_diverges_names_a_good_checkpoint(
    image_file, tmp_path, monkeypatch, tiny, what, broken, found, good
):
    """The loss is NaN one step later; a checkpoint must not wait for that, nor for a check."""
    monkeypatch.setattr(callbacks, "CHECK_STEPS", 4)

    def poison(recorder):
        variables = {
            "a loss": recorder.model.trainable_variables,
            "a weight": recorder.model.trainable_variables,
            "a moment": [v for v in recorder.model.optimizer.variables if "velocity" in v.name],
            "a statistic": recorder.evaluated.average.variables,
        }[what]
        variables[0].assign(variables[0] * np.nan)

    after_step(monkeypatch, broken, poison)
    with pytest.raises(training.TrainingDiverged, match=r"learning rate below 0\.003") as caught:
        train(
            make_recipe(image_file, epochs=1, num_images=96, ema=0.9), tmp_path / "run",
            checkpoint_seconds=1e9 if what == "a loss" else 0.0,
        )  # fmt: skip
    assert f"after step {found}." in str(caught.value)
    named = Path(str(caught.value).split("checkpoint is ")[1])
    assert named.name == f"step-{good:09d}.npz"
    with np.load(named) as file:
        assert all(np.isfinite(file[name]).all() for name in file.files if name != "state")


@pytest.mark.parametrize("own", [False, True])
def test_the_loss_is_read_every_few_steps(image_file, tmp_path, monkeypatch, tiny_compiled, own):
    """Keras converts it after each step only for a callback of the user that receives it."""
    monkeypatch.setattr(callbacks, "CHECK_STEPS", 4)
    name, reads, thread = "keras.src.backend.convert_to_numpy", [], threading.current_thread()
    convert = pkgutil.resolve_name(name)

    def count(value):
        if threading.current_thread() is thread and keras.ops.is_tensor(value):
            reads.append(recorder.steps)
        return convert(value)

    class Steps(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_begin(self, batch, logs=None):
            self.steps += 1

    class Reader(Steps):
        def on_train_batch_end(self, batch, logs=None):
            assert type(logs["loss"]) is float

    recorder = Reader() if own else Steps()
    monkeypatch.setattr(name, count)
    recipe = make_recipe(image_file, epochs=1, num_images=96, batch_size=8)
    train(recipe, tmp_path / "run", callbacks=[recorder])
    within = [step for step in reads if 1 <= step < 12]  # a checkpoint follows the last step
    assert within == ([*range(1, 12)] if own else [4, 8])


# Averaged weights


def test_averaged_weights_are_validated_and_saved(traced, image_file, tiny_compiled):
    saved = read_newest_checkpoint(traced)
    averages, live = (
        [a for name, a in saved.arrays.items() if name.startswith(group) and a.dtype == "f4"]
        for group in ("average/", "model/")
    )
    weights = traced.load_model("last").get_weights()
    for array, average, current in zip(weights, averages, live, strict=True):
        np.testing.assert_array_equal(array, average)
        assert (array != current).any()
    split = data.load(image_file, split="val", label_names=LABELS)
    scores, value = Classification(traced.recipe).validate(traced.load_model("best"), split)
    best = max(traced.history, key=lambda row: row["val_macro_auc"])
    assert value == pytest.approx(best["val_macro_auc"], abs=1e-6)
    assert scores["val_binary_crossentropy"] == pytest.approx(
        best["val_binary_crossentropy"], rel=1e-5
    )
