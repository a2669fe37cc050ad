"""The files of a run, and which runs can be resumed, with a tiny model."""

import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy.special import expit

from xraylab import data, metrics, training
from xraylab.findings import CHEXPERT_FINDINGS, FINDINGS
from xraylab.models import predict_logits
from xraylab.training.checkpoint import list_checkpoints
from xraylab.training.report import commit
from xraylab.training.start import require_labels

from .conftest import LABELS, tiny_models
from .conftest import make_recipe as small_recipe

pytestmark = pytest.mark.usefixtures("tiny")


def make_recipe(image_file, **changes):
    return small_recipe(image_file, **({"epochs": 4, "num_images": None} | changes))


@pytest.fixture(scope="module")
def finished(image_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    with tiny_models():
        return training.fit(make_recipe(image_file), out, progress=False)


def weights(run, which="last"):
    return run.load_model(which).get_weights()


def assert_same_weights(run, other, which="last"):
    for mine, theirs in zip(weights(run, which), weights(other, which), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_files_of_a_run(finished, image_file):
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
    probabilities = expit(predict_logits(finished.load_model("best"), split))
    score = metrics.score(np.asarray(split.labels), probabilities, label_names=LABELS)
    for name in ("macro_auc", "micro_auc", "macro_f1"):
        assert getattr(score, name) == pytest.approx(best[f"val_{name}"], abs=1e-6)
    assert report["scores"]["val"]["macro_auc"] == best["val_macro_auc"]


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
    with pytest.raises(ValueError, match=r"Expected: batch_size=16. Received: batch_size=9"):
        training.fit(
            make_recipe(image_file, batch_size=9), finished.path, resume=True, progress=False
        )


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


def test_a_damaged_checkpoint_is_skipped(image_file, tmp_path, finished):
    out = tmp_path / "run"
    shutil.copytree(finished.path, out)
    (out / "report.json").unlink()
    (out / "last.weights.h5").unlink()
    newest = list_checkpoints(out / "checkpoints")[0]
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="is damaged and was skipped"):
        resumed = training.fit(make_recipe(image_file), out, resume=True, progress=False)
    assert_same_weights(finished, resumed)


def test_a_checkpoint_of_another_model_is_refused(image_file, tmp_path, plain, finished):
    out = tmp_path / "run"
    shutil.copytree(finished.path, out)
    (out / "report.json").unlink()
    shutil.rmtree(out / "checkpoints")
    shutil.copytree(plain.checkpoints, out / "checkpoints")
    with pytest.raises(ValueError, match="belongs to another model"):
        training.fit(make_recipe(image_file), out, resume=True, progress=False)


def test_a_loss_that_is_not_finite_stops_the_run(image_file, tmp_path):
    with pytest.raises(training.TrainingDiverged, match=r"learning rate below 1e\+20"):
        training.fit(
            make_recipe(image_file, learning_rate=1e20, warmup=0.0),
            tmp_path / "run",
            progress=False,
        )


def test_a_run_may_move_with_its_images(image_file, tmp_path, finished):
    moved, images = tmp_path / "moved", tmp_path / "elsewhere.npz"
    shutil.copytree(finished.path, moved)
    shutil.copy(image_file, images)
    again = training.fit(make_recipe(images), moved, resume=True, progress=False)
    assert_same_weights(finished, again)


def test_no_run_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="path that does not exist"):
        training.Run(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="folder without it"):
        training.Run(tmp_path)
    with pytest.raises(FileNotFoundError, match="--out 'my runs/it'"):
        training.Run("my runs/it")


def test_weights_that_are_not_there_yet(image_file, tmp_path, finished):
    run = training.Run(finished.path)
    with pytest.raises(ValueError, match=r"one of 'best', 'last'\. Received: 'first'"):
        run.load_model("first")
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "run.json").write_bytes((finished.path / "run.json").read_bytes())
    with pytest.raises(FileNotFoundError, match="finished 0 of 4 epochs"):
        training.Run(begun).load_model()
    for text, expected in (("{", "JSON"), ("{}", "a run with its recipe"), ("[]", "a run with")):
        (begun / "run.json").write_text(text)
        with pytest.raises(ValueError, match=f"Expected: {expected}"):
            training.Run(begun)


# Folders and data that do not belong to the run


def test_remains_of_a_run_are_not_continued(image_file, tmp_path, plain):
    """As after an interrupted deletion, or without run.json."""
    out = tmp_path / "run"
    shutil.copytree(plain.path, out)
    (out / "run.json").unlink()
    for part in ("checkpoints", "report.json"):
        before = sorted(path.name for path in out.rglob("*"))
        for resume in (False, True):
            with pytest.raises(FileExistsError, match=r"holds parts of a run without run\.json"):
                training.fit(make_recipe(image_file, seed=7), out, resume=resume, progress=False)
        assert sorted(path.name for path in out.rglob("*")) == before, part
        shutil.rmtree(out / "checkpoints", ignore_errors=True)  # then the report remains


def test_labels_are_those_of_the_data_unless_named(tmp_path):
    recipe = training.Recipe(data="phantom", size=32, num_images=64, epochs=1)
    run = training.fit(recipe, tmp_path / "run", progress=False)
    assert run.recipe.label_names == FINDINGS
    assert training.fit(recipe, run.path, resume=True, progress=False).report
    with pytest.raises(ValueError, match=r"phantom|label"):
        training.fit(recipe.replace(label_names=CHEXPERT_FINDINGS), tmp_path / "x", progress=False)
    assert not (tmp_path / "x").exists()


def test_a_label_that_is_always_unknown_is_refused(image_file):
    split = data.load(image_file, label_names=LABELS)
    labels = np.array(split.labels, dtype=np.float32)
    labels[:, 1] = np.nan
    unknown = SimpleNamespace(labels=labels, label_names=LABELS)
    with pytest.raises(ValueError, match="label 'second' is unknown in every training image"):
        require_labels(make_recipe(image_file), unknown)
    with pytest.raises(ValueError, match="Expected: a, b, c"):
        require_labels(make_recipe(image_file, label_names=("a", "b", "c")), split)


def test_fields_of_the_recipe_can_be_changed(image_file, tmp_path, tiny):
    run = training.fit(make_recipe(image_file), tmp_path / "run", progress=False, epochs=1)
    assert (run.recipe.epochs, run.report["epochs"]) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "focal", "loss_options": {"gama": 1}}, "'gama'. Did you mean 'gamma'"),
        ({"loss_options": {"y_true": 1}}, "Invalid argument loss_options"),
        (
            {"objective": "distillation", "teacher": "t", "teacher_options": {"weight": "best"}},
            "Did you mean 'weights'",
        ),
        ({"objective": "distillation", "teacher": "t", "model": "vit_toy"}, "argument teacher"),
        ({"loss": "focal", "loss_options": {"gamma": -1}}, "gamma"),
        ({"augmentation": {"presets": "cxr", "translate": 1.5}}, "in the range"),
    ],
)
def test_invalid_options_leave_no_folder(image_file, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        training.fit(make_recipe(image_file, **changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_invalid_arguments_leave_no_folder(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'dbct_64_tuned"):
        training.fit("dbct_64_tune", tmp_path / "run")
    with pytest.raises(ValueError, match="Did you mean 'epochs'"):
        training.fit("dbct_64_tuned", tmp_path / "run", epoch=1)
    with pytest.raises(ValueError, match=r"Received: weights='best'. Did you mean 'start_from'"):
        training.fit("dbct_64_tuned", tmp_path / "run", weights="best")
    with pytest.raises(ValueError, match=r"Expected: a name, .* its own compile and fit"):
        training.fit(keras.Model(), tmp_path / "run")
    with pytest.raises(ValueError, match="Invalid argument max_hours"):
        training.fit("dbct_64_tuned", tmp_path / "run", max_hours=0)
    with pytest.raises(ValueError, match=r"monitor='val_loss'. Pass EarlyStopping"):
        early = keras.callbacks.EarlyStopping(patience=1)
        training.fit("dbct_64_tuned", tmp_path / "run", callbacks=[early])
    with pytest.raises(ValueError, match="The run keeps the best weights itself"):
        early = keras.callbacks.EarlyStopping("val_macro_auc", restore_best_weights=True)
        training.fit("dbct_64_tuned", tmp_path / "run", callbacks=[early])
    assert not (tmp_path / "run").exists()
