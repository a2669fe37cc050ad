"""Training on a small file: what it leaves, and that stopping it changes nothing."""

import importlib
import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from xraylab import data, losses, metrics, models, training
from xraylab.findings import CHEXPERT_FINDINGS, FINDINGS
from xraylab.models import predict_logits, sigmoid
from xraylab.training.checkpoint import list_checkpoints
from xraylab.training.compile import compile_model
from xraylab.training.objectives import Classification
from xraylab.training.recipe import LOSSES
from xraylab.training.report import commit
from xraylab.training.run import build_model, weights_facts, write_weights

from .conftest import LABELS
from .conftest import make_recipe as small_recipe

fit_module = importlib.import_module("xraylab.training.fit")


def make_recipe(image_file, **changes):
    return small_recipe(image_file, **({"epochs": 4, "num_images": None, "xla": False} | changes))


@pytest.fixture(scope="module")
def finished(image_file, tmp_path_factory):
    return training.fit(
        make_recipe(image_file), tmp_path_factory.mktemp("runs") / "whole", progress=False
    )


def weights(run, which="last"):
    return run.load_model(which).get_weights()


def assert_same_weights(run, other, which="last"):
    for mine, theirs in zip(weights(run, which), weights(other, which), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_it_learns_what_is_there(image_file, tmp_path):
    run = training.fit(make_recipe(image_file, epochs=40), tmp_path / "run", progress=False)
    assert run.report["scores"]["val"]["macro_auc"] > 0.9
    course = [row["loss"] for row in run.history]
    assert course[-1] < 0.5 * course[0]


def test_what_a_run_leaves(finished, image_file):
    report = json.loads((finished.path / "report.json").read_text())
    assert report["recipe"] == finished.recipe.to_dict()
    assert report["steps"] == 4 * (96 // 16)
    assert report["data"]["train"]["images"] == 96
    assert report["environment"]["versions"]["keras"] == keras.__version__
    assert report["simulated_images"] is False
    assert finished.facts["commit"] == commit()
    assert 0 < report["seconds"] < 600
    assert [row["epoch"] for row in finished.history] == [1, 2, 3, 4]
    best = max(finished.history, key=lambda row: row["val_macro_auc"])
    assert report["best_epoch"] == best["epoch"]
    assert len(list_checkpoints(finished.checkpoints)) == 2
    assert not list(finished.path.rglob("*tmp*"))
    # The best weights really are those of the best epoch.
    split = data.load(image_file, split="val", label_names=LABELS)
    probabilities = sigmoid(predict_logits(finished.load_model("best"), split))
    score = metrics.score(np.asarray(split.labels), probabilities, label_names=LABELS)
    assert score.macro_auc == pytest.approx(best["val_macro_auc"], abs=1e-6)
    assert report["scores"]["val"]["macro_auc"] == pytest.approx(score.macro_auc, abs=1e-12)


def test_the_same_recipe_gives_the_same_weights(finished, image_file, tmp_path):
    assert_same_weights(
        finished, training.fit(make_recipe(image_file), tmp_path / "again", progress=False)
    )


def test_another_seed_gives_other_weights(finished, image_file, tmp_path):
    other = training.fit(make_recipe(image_file, seed=1), tmp_path / "seed", progress=False)
    assert any((a != b).any() for a, b in zip(weights(finished), weights(other), strict=True))


def test_resuming_a_finished_run_returns_it(finished, image_file):
    before = (finished.path / "last.weights.h5").stat().st_mtime_ns
    training.fit(make_recipe(image_file), finished.path, resume=True, progress=False)
    assert (finished.path / "last.weights.h5").stat().st_mtime_ns == before


def test_a_run_is_not_overwritten(finished, image_file):
    with pytest.raises(FileExistsError, match="already holds a run"):
        training.fit(make_recipe(image_file), finished.path, progress=False)


def test_resuming_with_another_recipe(finished, image_file):
    with pytest.raises(ValueError, match="epochs was 4, now 9"):
        training.fit(make_recipe(image_file, epochs=9), finished.path, resume=True, progress=False)


def test_resuming_on_other_images(image_file, tmp_path):
    with np.load(image_file) as file:
        arrays = dict(file)
    own = tmp_path / "own.npz"
    np.savez(own, **arrays)
    recipe = make_recipe(own, epochs=1)
    training.fit(recipe, tmp_path / "run", progress=False)
    arrays["train_images"] = 255 - arrays["train_images"]
    np.savez(own, **arrays)
    with pytest.raises(ValueError, match="have changed since"):
        training.fit(recipe, tmp_path / "run", resume=True, progress=False)


def test_a_damaged_checkpoint_is_passed_over(image_file, tmp_path, finished):
    out = tmp_path / "run"
    shutil.copytree(finished.path, out)
    (out / "report.json").unlink()
    (out / "last.weights.h5").unlink()
    newest = list_checkpoints(out / "checkpoints")[0]
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="expected a whole checkpoint"):
        resumed = training.fit(make_recipe(image_file), out, resume=True, progress=False)
    assert_same_weights(finished, resumed)


def test_a_checkpoint_of_another_model_is_refused(image_file, tmp_path):
    out = tmp_path / "run"
    run = training.fit(make_recipe(image_file, epochs=1), out, progress=False)
    other = training.fit(
        make_recipe(image_file, epochs=1, model="rr_vit"), tmp_path / "other", progress=False
    )
    for path in list_checkpoints(run.checkpoints):
        path.unlink()
    source = list_checkpoints(other.checkpoints)[0]
    (run.checkpoints / source.name).write_bytes(source.read_bytes())
    (out / "report.json").unlink()
    with pytest.raises(ValueError, match="do not fit"):
        training.fit(make_recipe(image_file, epochs=1), out, resume=True, progress=False)


def test_a_loss_that_is_no_number_stops_the_run(image_file, tmp_path):
    with pytest.raises(training.TrainingDiverged, match="lower learning rate than 1e\\+20"):
        training.fit(
            make_recipe(image_file, learning_rate=1e20, warmup=0.0),
            tmp_path / "run",
            progress=False,
        )


@pytest.mark.parametrize("changes", [{"model": "rr_vti"}, {"size": 20}])
def test_a_recipe_that_cannot_be_built_leaves_no_folder(image_file, tmp_path, changes):
    with pytest.raises(ValueError, match=r"Did you mean 'rr_vit|multiples of 8"):
        training.fit(make_recipe(image_file, **changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_run_may_move_with_its_images(image_file, tmp_path, finished):
    moved, images = tmp_path / "moved", tmp_path / "elsewhere.npz"
    shutil.copytree(finished.path, moved)
    shutil.copy(image_file, images)
    again = training.fit(make_recipe(images), moved, resume=True, progress=False)
    assert_same_weights(finished, again)


def test_the_loss_that_is_trained_is_the_joint_loss(image_file):
    recipe = make_recipe(
        image_file,
        model="rr_vit_toy",
        reconstruction_weight=0.7,
        model_options={"dropout": 0.0},
    )
    model = build_model(recipe)
    compile_model(model, recipe, 100)
    split = data.load(image_file, split="val", label_names=LABELS)
    images, labels = split.to_dataset(16)[0]
    out = model(images, return_intermediates=True)
    error = np.mean(losses.reconstruction_error(images, out["reconstruction"]))
    expected = losses.BinaryCrossentropy()(labels, out["logits"]) + 0.7 * error
    logs = model.train_on_batch(images, labels, return_dict=True)
    assert float(logs["loss"]) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_that_is_trained_is_the_one_the_recipe_names(image_file, name):
    recipe = make_recipe(image_file, model="dbct_toy", loss=name)
    model = models.build("dbct_toy", image_size=16, num_labels=3)
    split = data.load(image_file, split="val", label_names=LABELS)
    compile_model(model, recipe, 100, Classification(recipe, {"train": split}))
    images, labels = split.to_dataset(16)[0]
    shares = {"prevalence": split.labels.mean(axis=0)} if name.startswith("weighted") else {}
    expected = losses.get(name, **shares)(labels, model(images))
    logs = model.train_on_batch(images, labels, return_dict=True)
    assert float(logs["loss"]) == pytest.approx(float(expected), rel=1e-6)


def test_no_run_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        training.Run(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="that file is missing"):
        training.Run(tmp_path)


def test_weights_that_are_not_there_yet(image_file, tmp_path, finished):
    run = training.Run(finished.path)
    with pytest.raises(ValueError, match="'best' or 'last'; 'first' came"):
        run.load_model("first")
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "run.json").write_bytes((finished.path / "run.json").read_bytes())
    with pytest.raises(FileNotFoundError, match="finished 0 of 4 epochs"):
        training.Run(begun).load_model()
    (begun / "run.json").write_text("{")
    with pytest.raises(ValueError, match="expected JSON"):
        training.Run(begun)


# What a folder or a source must not be taken for


def test_what_is_left_of_a_run_is_not_continued(image_file, tmp_path, plain, tiny):
    """As after a deletion that was killed, or a run.json that somebody lost."""
    out = tmp_path / "run"
    shutil.copytree(plain.path, out)
    (out / "run.json").unlink()
    before = sorted(path.name for path in out.rglob("*"))
    for resume in (False, True):
        with pytest.raises(
            FileExistsError, match=r"run\.json is missing, but checkpoints, history"
        ):
            training.fit(make_recipe(image_file, seed=7), out, resume=resume, progress=False)
    assert sorted(path.name for path in out.rglob("*")) == before


def test_labels_are_those_of_the_data_unless_named(tmp_path, tiny):
    recipe = training.Recipe(data="phantom", size=32, num_images=64, epochs=1)
    run = training.fit(recipe, tmp_path / "run", progress=False)
    assert run.recipe.label_names == FINDINGS
    assert training.fit(recipe, run.path, resume=True, progress=False).report
    with pytest.raises(ValueError, match="phantom has the 14 findings"):
        training.fit(replace(recipe, label_names=CHEXPERT_FINDINGS), tmp_path / "x", progress=False)
    assert fit_module._with_labels(replace(recipe, data="chexpert")).label_names == (
        CHEXPERT_FINDINGS
    )


def test_a_label_of_which_nothing_is_known(image_file):
    split = data.load(image_file, label_names=LABELS)
    split.labels[:, 1] = np.nan
    with pytest.raises(ValueError, match="of 'second' nothing is known in any training image"):
        fit_module._require_labels(make_recipe(image_file), split)
    with pytest.raises(ValueError, match="label_names are a, b, c"):
        fit_module._require_labels(make_recipe(image_file, label_names=("a", "b", "c")), split)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"loss": "binary_focal_crossentropy", "loss_options": {"gama": 1}},
            "takes no 'gama'. Did you mean",
        ),
        ({"loss_options": {"y_true": 1}}, "binary_crossentropy takes no 'y_true'"),
        ({"loss_options": {"shares": 1}}, "binary_crossentropy takes no 'shares'"),
        (
            {"objective": "distillation", "teacher": "t", "teacher_options": {"weight": "best"}},
            "Did you mean 'weights'",
        ),
    ],
)
def test_options_that_nothing_takes_leave_no_folder(image_file, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        training.fit(make_recipe(image_file, **changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_best_weights_know_their_epoch(plain, tmp_path, image_file, tiny):
    """A kill between the best weights and their checkpoint, and another judgement after it."""
    out = tmp_path / "run"
    shutil.copytree(plain.path, out)
    (out / "report.json").unlink()
    facts = {"epoch": 1, "merit": 2.0}  # better than any that will be judged again
    write_weights(out / "best.weights.h5", plain.load_model("best"), facts)
    run = training.fit(plain.recipe, out, resume=True, progress=False)
    assert run.report["best_epoch"] == 1
    assert weights_facts(out / "best.weights.h5") == facts
