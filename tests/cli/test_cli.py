"""The command line as a newcomer uses it, read as text."""

import dataclasses
import inspect
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from xraylab import evaluation, training
from xraylab.cli.train import train

from .command import LABELS, TRAIN, xraylab, xraylab_apart


@pytest.fixture(scope="module")
def run(image_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "run"
    text = xraylab_apart(*TRAIN, "--data", image_file, "--out", out)
    assert "epoch 2/2" in text
    assert f"next: xraylab evaluate {out} --split test" in text
    return out


def test_help_is_there_for_every_command():
    for command in (
        (),
        ("doctor",),
        ("models",),
        ("data",),
        ("recipes",),
        ("train",),
        ("runs",),
        ("resume",),
        ("delete",),
        ("evaluate",),
        ("calibrate",),
        ("bench",),
        *(("results", word) for word in ("record", "list", "compare", "check", "table")),
    ):
        assert "Usage" in xraylab(*command, "--help")
    assert "Usage" in xraylab_apart("--help")


def test_doctor_tries_a_convolution():
    text = xraylab_apart("doctor")
    assert "a convolution works" in text
    for topic in ("Platform", "Versions", "Back end", "Disk", "Data"):
        assert topic in text


def test_what_train_is_not_told_is_as_the_recipe_has_it():
    fields = {field.name for field in dataclasses.fields(training.Recipe)}
    own = {"name", "out", "settings", "resume", "max_hours"}
    for name, parameter in inspect.signature(train).parameters.items():
        assert name in own or (name in fields and parameter.default is None), name


def test_recipes_are_listed_and_shown_with_their_changes():
    text = xraylab("recipes")
    assert "rr_vit_64_as_published" in text
    text = xraylab("recipes", "dbct_224_tuned")
    for words in ("xraylab train dbct_224_tuned", "decay_exclusions", "False", "True", "pham2026"):
        assert words in text


def test_a_recipe_trains_with_other_settings(image_file, tmp_path):
    text = xraylab(
        "train", "rr_vit_64_tuned", "--data", image_file, "--size", "16", "--epochs", "1",
        "--label-names", LABELS, "--set", "ema=0.9", "--set", "augmentation.rotate=2",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert "finished 1 epoch" in text
    recipe = training.Run(tmp_path / "run").recipe
    assert recipe.ema == 0.9
    assert recipe.augmentation == {"presets": "images", "rotate": 2}
    assert recipe.loss == "asymmetric"


def test_models_and_data_are_listed():
    text = xraylab("models")
    assert "rr_vit_toy" in text
    assert "292,046" in text
    assert "316,622" in xraylab("models", "rr_vit", "--size", "128")
    text = xraylab("data")
    assert "phantom" in text
    assert "chestmnist" in text


def test_evaluate_prints_scores_floors_and_intervals(run):
    text = xraylab_apart("evaluate", run, "--split", "test", "--replicates", "50")
    for word in ("Macro AUC", "All negative", "Prevalence", "95 % interval", "First"):
        assert word in text
    scores = json.loads((run / "scores-test.json").read_text())
    assert f"{scores['score']['macro_auc']:.4f}" in text
    assert scores["intervals"]["macro_auc"]["low"] <= scores["score"]["macro_auc"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("models", "rr_vti"), "Did you mean 'rr_vit"),
        (("evaluate", "nowhere"), "there is no such folder"),
        (("train", "rr_vit", "--data", "nowhere.npz", "--out", "x"), "nowhere.npz"),
        (("train", "rr_vit", "--epochs", "0", "--out", "x"), "epochs must be"),
        (("train", "rr_vti", "--out", "x"), "Did you mean 'rr_vit"),
        (("recipes", "dbct_64"), "Did you mean 'dbct_64_tuned"),
        (("train", "rr_vit", "--set", "lss=a", "--out", "x"), "Did you mean 'loss"),
        (("train", "rr_vit", "--set", "augmentation.presets=image", "--out", "x"), "images"),
    ],
)
def test_mistakes_are_answered_in_words(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = xraylab(*arguments, expect=1)
    assert message in text
    assert not (tmp_path / "x").exists()


def test_a_run_is_not_overwritten(run, image_file):
    assert "--resume" in xraylab(*TRAIN, "--data", image_file, "--out", run, expect=1)
    assert "finished 2 epochs" in xraylab(*TRAIN, "--data", image_file, "--out", run, "--resume")


def test_runs_are_listed_resumed_elsewhere_and_deleted(run, image_file, tmp_path):
    moved = tmp_path / "runs" / "moved"
    shutil.copytree(run, moved)
    (moved / "report.json").unlink()
    images = tmp_path / "elsewhere.npz"
    shutil.copy(image_file, images)
    text = xraylab("runs", tmp_path / "runs")
    assert "2/2" in text
    assert "xraylab resume" in text
    assert "finished 2 epochs" in xraylab("resume", moved, "--data", images)
    assert "48 images" in xraylab("evaluate", moved, "--data", images, "--replicates", 10)
    assert "finished" in xraylab("runs", tmp_path / "runs")
    assert "deleted" in xraylab("delete", moved, "--yes")
    assert not moved.exists()
    assert "nothing was deleted" in xraylab("delete", tmp_path, "--yes", expect=1)
    assert images.exists()
    assert "no runs in" in xraylab("runs", tmp_path / "runs")


def test_ctrl_c_says_how_to_go_on(image_file, tmp_path):
    out = tmp_path / "run"
    command = [*TRAIN, "--data", str(image_file), "--out", str(out)]
    command[command.index("--epochs") + 1] = "5000"
    process = subprocess.Popen(
        [sys.executable, "-c", "from xraylab.cli import main; main()", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (out / "history.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped after step" in errors
    assert "--resume continues" in errors
    assert "Traceback" not in errors


def test_bench_measures_a_model(monkeypatch):
    found = json.loads(xraylab("bench", "rr_vit_toy", "--size", 32, "--rounds", 3, "--json"))
    assert found["latency_p50"] > 0
    measured = evaluation.DeviceCost(**found)
    monkeypatch.setattr(evaluation, "device_cost", lambda *args, **options: measured)
    text = xraylab("bench", "rr_vit_toy", "--size", 32)
    assert f"{found['latency_p50']:.1f} ms (median)" in text
    assert "images/s" in text


def test_bench_of_no_model():
    assert "unknown model 'rr_vti'" in xraylab("bench", "rr_vti", expect=1)
