"""The command line: listings, training, evaluation, errors."""

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from xraylab import evaluation, models, training
from xraylab.cli import app, console
from xraylab.cli.training import train
from xraylab.io import read_json
from xraylab.training.run import lock_run

from .command import LABELS, TRAIN, xraylab

ROOT = Path(__file__).parents[2]
COMMANDS = {command.callback.__name__ for command in app.registered_commands}


def test_every_command_has_help():
    results = ("record", "list", "compare", "check", "table", "matrix")
    assert {"doctor", "models", "data", "recipes", "train", "runs", "evaluate"} <= COMMANDS
    for command in [(), *((name,) for name in COMMANDS), *(("results", name) for name in results)]:
        assert "Usage" in xraylab(*command, "--help")


def test_importing_the_command_line_does_not_import_keras():
    code = "import sys, xraylab.cli; sys.exit('keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "xraylab", "--version"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == xraylab("--version")


def test_doctor_tests_a_convolution():
    text = xraylab("doctor")
    assert "a convolution works" in text
    for topic in ("Platform", "Versions", "Backend", "Disk", "Data"):
        assert topic in text


def test_train_options_default_to_the_recipe():
    fields = training.Recipe().to_dict()
    others = {"context", "name", "out", "settings", "resume", "max_hours"}
    for name, parameter in inspect.signature(train).parameters.items():
        assert name in others or (name in fields and parameter.default is None), name


def test_a_recipe_shows_what_was_tried_and_recorded(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = xraylab("recipes", "rr_vit_64_tuned")
    assert "loss=binary_crossentropy" in text
    record = read_json(ROOT / "book" / "results" / "rr_vit_64_nih_scratch.json")
    assert f"{record['intervals']['macro_auc']['value']:.3f} [" in text
    assert "SIMULATED" in text


def test_recipes_are_listed_and_shown_with_their_changes():
    assert "rr_vit_64_published" in xraylab("recipes")
    text = xraylab("recipes", "dbct_224_tuned")
    for words in ("xraylab train dbct_224_tuned", "decay_exclusions", "False", "True", "pham2026"):
        assert words in text
    text = xraylab("recipes", "efficientvit_m5_224_published")
    for words in ("as the source", "as its public", "assumed", "differs from", "App. P", "ema ="):
        assert words in text


@pytest.fixture
def requested(run, monkeypatch):
    """Collect the recipes that ``xraylab train`` passes on, instead of training."""
    recipes = []

    def fit(recipe, out, **options):
        recipes.append(recipe)
        return training.Run(run)

    monkeypatch.setattr(training, "fit", fit)
    return recipes


def test_options_override_a_recipe(requested, image_file, tmp_path, eager):
    xraylab(
        "train", "rr_vit_64_tuned", "--data", image_file, "--size", "16", "--lr", "0.01",
        "--label-names", LABELS.replace(",", ", "), "--set", "ema=0.9",
        "--set", "augmentation.rotate=2", "--out", tmp_path / "run",
    )  # fmt: skip
    (recipe,) = requested
    assert (recipe.model, recipe.data, recipe.size) == ("rr_vit", str(image_file), 16)
    assert recipe.label_names == tuple(LABELS.split(","))
    assert (recipe.ema, recipe.learning_rate) == (0.9, 0.01)
    assert recipe.augmentation == {"presets": "cxr", "rotate": 2}
    assert recipe.loss == "asymmetric"


def test_the_outcome_of_pre_training_names_its_error_and_the_next_command(tmp_path, monkeypatch):
    report = {"scores": {"val": {"masked_error": 0.125}}, "best_epoch": 1}
    report |= {"seconds": 2.0, "simulated_images": True}
    recipe = training.Recipe(model="lt_vit_toy", objective="masked_reconstruction", epochs=1)
    finished = SimpleNamespace(recipe=recipe, report=report, path=tmp_path)
    monkeypatch.setattr(training, "fit", lambda *args, **options: finished)
    text = xraylab("train", "lt_vit_toy", "--out", tmp_path, "--resume")
    assert "validation error on masked pixels 0.1250 of full range on SIMULATED images" in text
    assert f"next: xraylab train lt_vit_toy --size 64 --set start_from={tmp_path}" in text


def test_models_and_data_are_listed():
    text = xraylab("models")
    assert "rr_vit_toy" in text
    assert "292,046" in text
    assert "316,622" in xraylab("models", "rr_vit", "--size", "128")
    text = xraylab("data")
    assert "phantom" in text
    assert "chestmnist" in text


def test_evaluate_prints_scores_baselines_and_intervals(run):
    text = xraylab("evaluate", run, "--split", "test", "--replicates", "50")
    for word in (
        "Macro AUC",
        "Micro F1",
        "All negative",
        "Prevalence",
        "Frequent",
        "95 % interval",
        "First",
    ):
        assert word in text
    scores = json.loads((run / "scores-test.json").read_text())
    assert f"{scores['score']['macro_auc']:.4f}" in text
    assert scores["intervals"]["macro_auc"]["low"] <= scores["score"]["macro_auc"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("models", "rr_vti"), "id you mean 'rr_vit"),
        (("train", "rr_vit", "--epochs", "0", "--out", "x"), "epochs"),
        (("train", "rr_vti", "--out", "x"), "id you mean 'rr_vit"),
        (("train", "rr_vit", "--loss", "asymetric", "--out", "x"), "id you mean 'asymmetric"),
        (("recipes", "dbct_64"), "id you mean 'dbct_64_tuned"),
        (("train", "rr_vit", "--set", "lss=a", "--out", "x"), "id you mean 'loss"),
        (("train", "rr_vit", "--set", "augmentation.presets=slide", "--out", "x"), "slides"),
        (("train", "rr_vit", "--data", "chestminst", "--out", "x"), "Did you mean 'chestmnist'?"),
        (("train", "rr_vit", "--data", "nowhere.npz", "--out", "x"), "nowhere.npz'"),
        (("train", "rr_vit", "--data", ".", "--out", "x"), "--label-names effusion,mass"),
        (("data", "check", "."), "--label-names effusion,mass"),
        (("results", "compare", "a", "b"), "results record RUN --folder book/results"),
        (("bench", "rr_vti"), "rr_vti"),
        (("bench", "[/x]"), "'[/x]'"),
    ],
)
def test_errors_name_the_mistake(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in xraylab(*arguments, expect=1)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "rr_vit", "--out", "a_file"), "'a_file' is a file"),
        (("evaluate", "nowhere"), "'nowhere' does not exist"),
        (("evaluate", "a_file"), "evaluation.evaluate(model, split)"),
    ],
)
def test_invalid_paths_are_rejected(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").touch()
    text = xraylab(*arguments, expect=2)
    assert message in " ".join(line.strip("│ ") for line in text.splitlines())
    assert [path.name for path in tmp_path.iterdir()] == ["a_file"]


def test_short_loss_names_are_accepted(requested, tmp_path):
    xraylab(*TRAIN, "--loss", "focal", "--out", tmp_path / "run")
    assert requested[0].loss == "binary_focal_crossentropy"


def test_a_run_is_not_overwritten(run, image_file):
    assert "--resume" in xraylab(*TRAIN, "--data", image_file, "--out", run, expect=1)
    assert "finished 2 epochs" in xraylab(*TRAIN, "--data", image_file, "--out", run, "--resume")


def test_a_moved_run_is_listed_resumed_and_evaluated(run, image_file, tmp_path):
    moved = tmp_path / "runs" / "moved run"
    shutil.copytree(run, moved)
    (moved / "report.json").unlink()
    images = tmp_path / "elsewhere.npz"
    shutil.copy(image_file, images)
    text = xraylab("runs", tmp_path / "runs")
    assert "2/2" in text
    assert f"continue with: xraylab resume '{moved}'" in text
    assert "finished 2 epochs" in xraylab("resume", moved, "--data", images)
    assert "48 images" in xraylab("evaluate", moved, "--data", images, "--replicates", 10)
    assert "finished" in xraylab("runs", tmp_path / "runs")


def test_delete_removes_a_run(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert "deleted" in xraylab("delete", copy, "--yes")
    assert not list(tmp_path.iterdir())
    assert "no runs in" in xraylab("runs", tmp_path)


def test_delete_refuses_what_is_not_a_run(run, tmp_path):
    copy, link, parent = tmp_path / "copy", tmp_path / "link", tmp_path / "parent"
    shutil.copytree(run, copy)
    link.symlink_to(copy)
    parent.symlink_to(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text("[]")
    (other / "thesis.txt").touch()
    for path in (link, parent / "copy"):
        assert "Nothing was deleted" in xraylab("delete", path, "--yes", expect=1)
    assert "run.json is damaged" in xraylab("delete", other, "--yes", expect=1)
    assert "is not a run" in xraylab("delete", tmp_path, "--yes", expect=1)
    assert (copy / "run.json").exists()
    assert (other / "thesis.txt").exists()


def test_delete_refuses_a_run_that_is_training(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    with lock_run(copy):
        assert "Another process is training" in xraylab("delete", copy, "--yes", expect=1)
    assert (copy / "run.json").exists()


def test_names_are_printed_as_text(run, tmp_path):
    folder = tmp_path / ("deep" * 40) / "[red]\x1b[31mrun[/] :key:"
    shutil.copytree(run, folder)
    text = xraylab("runs", tmp_path)
    assert "\x1b" not in text
    rows = [line.split("│") for line in text.splitlines() if "│" in line]
    path = "".join(cells[1].strip() for cells in rows)  # long paths are wrapped, never cut off
    assert path == str(folder).replace("\x1b", "\\x1b")
    assert "\x1b" not in xraylab("evaluate", tmp_path / "[/]\x1b[31m", expect=2).split("│")[-1]
    assert console.plain("a\u202eb\x9b\n") == "a\\u202eb\\x9b\n"


def test_files_of_other_programs_are_listed_as_unreadable(tmp_path):
    for name, content in (("a", "[]"), ("b", "{}"), ("c", "no JSON")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(content)
    assert xraylab("runs", tmp_path).count("cannot be read") == 3


def test_the_command_that_continues_is_that_of_the_interrupted_one(run, tmp_path, monkeypatch):
    def fit(recipe, out, **options):
        raise training.TrainingInterrupted(out, step=3, out_of_time=True)

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, "train")
    assert xraylab("resume", "train", expect=75).endswith("continues:\nxraylab resume train\n")
    arguments = ("train", "rr_vit_toy", "--out", "new")
    continued = "xraylab train rr_vit_toy --out new --resume\n"
    for options in ((), ("--resume",)):
        assert xraylab(*arguments, *options, expect=75).endswith(f"continues:\n{continued}")
    text = xraylab("--debug", *arguments, expect=75)
    assert text.endswith("xraylab --debug train rr_vit_toy --out new --resume\n")
    assert "Traceback" not in text


def test_debug_raises_errors():
    with pytest.raises(ValueError, match="id you mean 'rr_vit"):
        xraylab("--debug", "models", "rr_vti")


def test_ctrl_c_leaves_a_checkpoint(image_file, tmp_path):
    out, ended = tmp_path / "run", threading.Event()

    def interrupt():
        while not (out / "history.json").exists() and not ended.wait(0.05):
            pass
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        arguments = (*TRAIN, "--data", image_file, "--out", out, "--epochs", 5000)
        text = xraylab(*arguments, expect=130)
    finally:
        ended.set()
        thread.join()
    assert "--resume continues" in text
    assert "Traceback" not in text


def test_calibrate_reports_negative_slopes(run, tmp_path, monkeypatch):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    text = xraylab("calibrate", copy)
    assert "Threshold, youden" in text
    saved = json.loads((copy / "calibration.json").read_text())
    assert len(saved["thresholds"]["f1"]) == len(saved["label_names"]) == 3
    logits = models.predict_logits
    monkeypatch.setattr(models, "predict_logits", lambda *arguments: -logits(*arguments))
    text = xraylab("calibrate", copy)
    negative = evaluation.load_calibration(copy).platt.negative_slopes
    names = ", ".join(saved["label_names"][k] for k in negative)
    assert names
    assert text.count("negative slope") == text.count(f"negative slope for {names}.") == 1


def test_bench_prints_the_measured_cost(monkeypatch):
    environment = {"backend": "TensorFlow", "devices": ["CPU"]}
    cost = evaluation.DeviceCost(
        "x", 32, 12_345, None, 1.25, 2.5, {"32": 640.0}, 1, 2, 3, environment
    )
    measured = []

    def device_cost(*arguments, **options):
        measured.append((arguments, options))
        return cost

    monkeypatch.setattr(evaluation, "device_cost", device_cost)
    text = xraylab("bench", "rr_vit_toy", "--size", 32, "--rounds", 3)
    assert measured == [(("rr_vit_toy", 32), {"rounds": 3})]
    for words in ("12,345", "1.2 ms (median)", "640.0 images/s", "not available on this system"):
        assert words in text
