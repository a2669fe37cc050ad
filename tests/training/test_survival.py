"""Training loses nothing: killed, stopped by a signal or a deadline, it goes on as if never."""

import importlib
import multiprocessing
import os
import random
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from xraylab import cli, data, training
from xraylab.training import interrupt
from xraylab.training import loop as loop_module
from xraylab.training.checkpoint import list_checkpoints, read_newest_checkpoint
from xraylab.training.loop import Loop

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

fit_module = importlib.import_module("xraylab.training.fit")  # its name is that of the function

# Kills

LIFE = """
import os, time
import tensorflow
from xraylab import training
# What has to survive a kill is the same, and tracing would cost four seconds a life.
tensorflow.config.run_functions_eagerly(True)
# A slow disk, so that some kills meet a file that is being written.
flush = os.fsync
os.fsync = lambda number: (flush(number), time.sleep(0.02))
training.fit(recipe, out, resume=True, progress=False, checkpoint_seconds=0.0)
"""

MOMENTS = (
    ["writing best.weights", "writing history", "writing best.weights"]
    + 5 * ["any moment", "a step later", "writing step-"]
    + 2 * ["any moment"]
)
"""When to kill: by the clock, after some progress, or while a certain file is being written."""


@pytest.fixture(scope="module")
def begin():
    """Return what begins a life of a run, in a process whose long imports are done already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow", "xraylab.training", "xraylab.models.rr_vit"])

    def begin(recipe, out):
        process = context.Process(target=exec, args=(LIFE, {"recipe": recipe, "out": out}))
        process.start()
        return process

    return begin


def wait_until(happened, process):
    """Wait until something has happened or the process is over."""
    deadline = time.monotonic() + 60
    while process.is_alive() and not happened():
        assert time.monotonic() < deadline, "nothing happens any more"
        time.sleep(0.001)


def kill(process, moment, draw, longest, out):
    """Kill a process at one of :data:`MOMENTS`, by the clock after ``longest`` seconds at most."""
    known, before = set(leftovers(out)), newest_step(out)
    if moment == "any moment":
        end = time.monotonic() + draw.uniform(0.0, longest)
        # Two steps at most, so that twenty kills find room in one run, however fast it is.
        wait_until(lambda: time.monotonic() > end or newest_step(out) > before + 1, process)
    elif moment == "a step later":
        wait_until(lambda: newest_step(out) > before, process)
        time.sleep(draw.uniform(0.0, 0.1))
    else:
        name = moment.removeprefix("writing ")
        wait_until(lambda: any(name in new for new in set(leftovers(out)) - known), process)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "the run was over before; make it longer"


def newest_step(out):
    """Return the number in the name of a run's newest checkpoint, -1 if there is none."""
    found = list_checkpoints(out / "checkpoints")
    return int(found[0].stem.removeprefix("step-")) if found else -1


@on_tensorflow
def test_killed_twenty_times_it_ends_with_the_same_weights(image_file, tmp_path, begin):
    random_parts = {
        "augmentation": {"presets": "images"},
        "model_options": {"dropout": 0.2, "depth": 1},
    }
    recipe = make_recipe(image_file, epochs=9, ema=0.9, **random_parts)
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "killed"
    began = time.monotonic()
    begin(recipe, undisturbed).join()
    longest = (time.monotonic() - began) / 6
    assert len(MOMENTS) == 20
    for number, moment in enumerate(MOMENTS):
        kill(begin(recipe, out), moment, random.Random(number), longest, out)
    caught = leftovers(out)
    begin(recipe, out).join()
    assert_same_run(training.Run(undisturbed), training.Run(out))
    # Some were hit while they wrote: a checkpoint, the weights, the history.
    for name in ("step-", "best.weights", "history"):
        assert any(name in left for left in caught), caught


# Signals and deadlines


def test_a_signal_ends_the_step_and_leaves_a_checkpoint(tmp_path, traced):
    """Within an epoch, of which the losses so far must not be lost either."""
    out, former = tmp_path / "run", signal.getsignal(signal.SIGTERM)
    told = stop_after(4, signal.SIGTERM, traced.recipe, out, checkpoint_seconds=1e9)
    assert (told.step, told.out_of_time) == (4, False)
    assert "stopped after step 4; resume the run in" in str(told)
    assert signal.getsignal(signal.SIGTERM) is former
    assert read_newest_checkpoint(training.Run(out)).state["step"] == 4
    assert_same_run(traced, train(traced.recipe, out, resume=True))


@pytest.mark.parametrize("step", [1, 3, 5, 6])
def test_ctrl_c_after_any_step(tmp_path, plain, tiny, step):
    """The third and the sixth are followed by the judging of their epoch."""
    assert stop_after(step, signal.SIGINT, plain.recipe, tmp_path / "run").step == step
    assert_same_run(plain, train(plain.recipe, tmp_path / "run", resume=True))


@pytest.mark.parametrize("epoch", [1, 2])
def test_ctrl_c_while_an_epoch_is_judged(tmp_path, monkeypatch, plain, tiny, epoch):
    """Not one more step is taken, and the epoch is not judged again."""
    judge, judged = fit_module.OBJECTIVES["classification"].judge, []

    def judge_and_stop(*args):
        judged.append(len(judged) + 1)
        if judged[-1] == epoch:
            os.kill(os.getpid(), signal.SIGINT)
        return judge(*args)

    monkeypatch.setattr(fit_module.OBJECTIVES["classification"], "judge", judge_and_stop)
    with pytest.raises(training.TrainingInterrupted, match=f"after step {3 * epoch}"):
        train(plain.recipe, tmp_path / "run")
    assert_same_run(plain, train(plain.recipe, tmp_path / "run", resume=True))
    assert judged == [1, 2]


def test_a_second_ctrl_c_stops_at_once(image_file, tmp_path, monkeypatch, tiny):
    def twice(loop):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    after_step(monkeypatch, 2, twice)
    with pytest.raises(KeyboardInterrupt):
        train(make_recipe(image_file), tmp_path / "run", checkpoint_seconds=0.0)
    assert read_newest_checkpoint(training.Run(tmp_path / "run")).state["step"] == 1


class Clock:
    """A clock that goes on only when something takes its time."""

    def __init__(self, monkeypatch, step, judging, saving):
        self.now = 1000.0
        self.sleep = time.sleep
        for module in (fit_module, loop_module, interrupt):
            monkeypatch.setattr(module, "time", self)

        def slow(function, seconds):
            def wrapper(*args, **kwargs):
                self.now += seconds
                return function(*args, **kwargs)

            return wrapper

        monkeypatch.setattr(Loop, "_step", slow(self.hollow_step, step))
        objective = fit_module.OBJECTIVES["classification"]
        monkeypatch.setattr(
            objective, "judge", slow(lambda *args: ({"val_macro_auc": 0.5}, 0.5), judging)
        )
        monkeypatch.setattr(
            loop_module, "save_checkpoint", slow(loop_module.save_checkpoint, saving)
        )

    def monotonic(self):
        return self.now

    @staticmethod
    def hollow_step(loop, inputs, targets):
        loop.state["step"] += 1
        loop.state["loss_sums"]["loss"] = 0.0
        return 0.0


@pytest.mark.parametrize("seconds", [40, 100, 150, 300])
def test_the_time_that_was_given_is_kept(image_file, tmp_path, monkeypatch, tiny, seconds):
    """Steps of 10 s, a judging of 25 s, checkpoints of 2 s: stop, go on, and end in time."""
    clock = Clock(monkeypatch, step=10.0, judging=25.0, saving=2.0)
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
            assert "the time is up" in str(error)
            assert clock.now <= end
            state = read_newest_checkpoint(training.Run(out)).state
            assert state["step"] == error.step
            steps.append((state["step"], len(state["history"])))
    assert steps == sorted(set(steps)), "each time, it must get further"
    assert len(run.history) == 2
    assert (len(steps) > 0) is (seconds < 200)


def test_the_command_line_says_what_goes_on(monkeypatch, capsys):
    """Status 75 when the time was up, 130 after Ctrl-C; with --resume only where it belongs."""
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
        told = capsys.readouterr().err
        assert "stopped after step 12" in told
        assert ("the time is up" in told) is out_of_time
        assert f"continues:\n{command}{missing}\n" in told


def test_a_run_goes_on_with_the_teacher_that_it_began_with(image_file, tmp_path, plain, tiny):
    teacher, out = tmp_path / "teacher", tmp_path / "run"
    shutil.copytree(plain.path, teacher)
    recipe = make_recipe(image_file, objective="distillation", teacher=str(teacher))
    stop_after(2, signal.SIGINT, recipe, out)
    with (teacher / "best.weights.h5").open("ab") as stream:
        stream.write(b"trained further")
    with pytest.raises(ValueError, match=r"begun with another teacher than .* Put the old one"):
        train(recipe, out, resume=True)
    shutil.copy(plain.path / "best.weights.h5", teacher)
    assert len(train(recipe, out, resume=True).history) == 2


# Numbers that are none


@pytest.mark.parametrize("what", ["a loss", "a weight", "a moment", "a statistic"])
def test_a_run_that_diverges_names_a_good_checkpoint(image_file, tmp_path, monkeypatch, tiny, what):
    """The loss shows it at the next step; a checkpoint must not wait for that."""

    def poison(loop):
        variables = {
            "a loss": loop.model.trainable_variables,
            "a weight": loop.model.trainable_variables,
            "a moment": [v for v in loop.model.optimizer.variables if "velocity" in v.name],
            "a statistic": loop.average.variables,
        }[what]
        variables[0].assign(variables[0] * np.nan)

    # A loss: the weights break in the middle of an interval without checkpoints.
    after_step(monkeypatch, 3 if what == "a loss" else 2, poison)
    with pytest.raises(
        training.TrainingDiverged, match=r"lower learning rate than 0\.003"
    ) as caught:
        train(
            make_recipe(image_file, epochs=1, num_images=96, ema=0.9), tmp_path / "run",
            checkpoint_seconds=1e9 if what == "a loss" else 0.0,
        )  # fmt: skip
    step, good = (4, 0) if what == "a loss" else (2, 1)
    assert f"after step {step}." in str(caught.value)
    named = Path(str(caught.value).split("checkpoint is ")[1])
    assert named.name == f"step-{good:09d}.npz"
    with np.load(named) as file:
        assert all(np.isfinite(file[name]).all() for name in file.files if name != "state")


# Averaged weights


def test_the_averaged_weights_are_those_that_are_judged_and_kept(traced, image_file):
    saved = read_newest_checkpoint(traced)
    averages, live = (
        [a for name, a in saved.arrays.items() if name.startswith(group) and a.dtype == "f4"]
        for group in ("average/", "model/")
    )
    kept = traced.load_model("last").get_weights()
    for array, average, weights in zip(kept, averages, live, strict=True):
        np.testing.assert_array_equal(array, average)
        assert (array != weights).any()
    split = data.load(image_file, split="val", label_names=LABELS)
    objective = fit_module.OBJECTIVES["classification"](traced.recipe, {})
    scores, merit = objective.judge(traced.load_model("best"), split)
    best = max(traced.history, key=lambda row: row["val_macro_auc"])
    assert merit == pytest.approx(best["val_macro_auc"], abs=1e-6)
    assert scores["val_binary_crossentropy"] == pytest.approx(
        best["val_binary_crossentropy"], rel=1e-5
    )
