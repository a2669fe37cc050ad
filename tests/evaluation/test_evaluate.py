"""Evaluation of models and runs on splits."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from xraylab import data, evaluation, metrics, models, training
from xraylab.findings import CHEXPERT_FINDINGS, FINDINGS, match_labels

LABELS = ("first", "second", "third")


@pytest.fixture(scope="module")
def run(image_file, tmp_path_factory):
    recipe = training.Recipe(
        model="rr_vit_toy",
        model_options={"depth": 1},
        data=str(image_file),
        size=16,
        epochs=1,
        batch_size=16,
        label_names=LABELS,
        xla=False,
    )
    return training.fit(recipe, tmp_path_factory.mktemp("runs") / "run", progress=False)


@pytest.fixture(scope="module")
def split(image_file):
    return data.load(image_file, split="test", label_names=LABELS, progress=False)


def test_model_on_a_split(run, split):
    model = run.load_model("best")
    found = evaluation.evaluate(model, split, replicates=20, progress=False)
    probabilities = expit(models.predict_logits(model, split))
    assert found.score == metrics.score(split.labels, probabilities, label_names=LABELS)
    assert len(found.score.baselines) == 4
    assert found.intervals["macro_auc"].value == pytest.approx(found.score.macro_auc)
    assert (found.split, found.fingerprint) == ("test", split.fingerprint)
    assert found.run is None


def test_an_evaluation_is_shown_in_one_line_and_as_a_table(run, split):
    found = evaluation.evaluate(run, split, replicates=20, progress=False)
    macro_auc = found.intervals["macro_auc"]
    assert f"{split.source}, test split: macro AUC {macro_auc:.3f}, best baseline 0.5" in repr(
        found
    )
    assert f"Score(48 images, macro_auc={macro_auc.value:.3f}, micro_auc=" in repr(found.score)
    assert max(len(repr(found)), len(repr(found.score))) < 300
    frame = found.to_frame()
    assert frame.index.tolist() == [*evaluation.SCORES, *LABELS]
    assert frame.loc["macro_auc"].tolist() == [macro_auc.value, macro_auc.low, macro_auc.high]
    labels = pd.DataFrame(found.score.per_finding)
    assert labels["roc_auc"].tolist() == frame.loc[[*LABELS], "value"].tolist()


def test_run_path_and_named_split_agree(run, split):
    prevalence = run.facts["train_prevalence"]
    options = {"replicates": 20, "progress": False}
    of_model = evaluation.evaluate(run.load_model("best"), split, prevalence=prevalence, **options)
    of_run = evaluation.evaluate(run, "test", **options)
    assert of_run == evaluation.evaluate(str(run.path), **options)
    assert of_run.score == of_model.score == evaluation.evaluate(run, split, **options).score
    assert of_run.intervals == of_model.intervals
    assert (of_run.weights, of_run.epochs) == ("best", 1)
    assert (run.path / "scores-test.json").exists()


def test_scores_of_other_images_are_not_stored(run):
    evaluation.evaluate(run, replicates=5, progress=False)
    file = run.path / "scores-test.json"
    former = file.read_bytes()
    options = {"num_images": 20, "size": run.recipe.size, "progress": False}
    found = evaluation.evaluate(run, data_options=options, replicates=5, progress=False)
    assert found.score.num_images == 20
    assert file.read_bytes() == former


def test_a_run_is_scored_on_its_own_training_images(run, tmp_path):
    """Those of ``num_images``, not all images of the file."""
    own = tmp_path / "run"
    shutil.copytree(run.path, own)
    facts = json.loads((own / "run.json").read_text())
    facts["recipe"]["num_images"] = 48
    (own / "run.json").write_text(json.dumps(facts))
    found = evaluation.evaluate(own, "train", replicates=5, progress=False)
    assert found.score.num_images == 48
    assert json.loads((own / "scores-train.json").read_text())["score"]["num_images"] == 48


def test_a_relative_path_of_the_own_file_is_the_own_file(run, image_file, tmp_path, monkeypatch):
    """With the table of patients of the recipe, and stored."""
    own, table = tmp_path / "run", tmp_path / "patients.csv"
    shutil.copytree(run.path, own, ignore=shutil.ignore_patterns("scores-*"))
    rows = [f"test,{i},{i // 2}" for i in range(48)]
    table.write_text("\n".join(["split,row,patient", *rows]))
    facts = json.loads((own / "run.json").read_text())
    facts["recipe"]["data_options"] = {"table": str(table)}
    (own / "run.json").write_text(json.dumps(facts))
    monkeypatch.chdir(image_file.parent)
    options = {"replicates": 5, "progress": False}
    found = evaluation.evaluate(own, source=image_file.name, **options)
    assert (own / "scores-test.json").exists()
    assert found == evaluation.evaluate(own, **options)


def test_arguments_that_would_be_ignored_are_refused(run, split):
    with pytest.raises(ValueError, match="source and data_options"):
        evaluation.evaluate(run, split, source="phantom")
    with pytest.raises(ValueError, match=r"weights\. Expected: no value for a model"):
        evaluation.evaluate(run.load_model("best"), split, weights="last")


def test_plain_keras_model_on_a_split(split):
    model = keras.Sequential(
        [keras.Input((16, 16, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    probabilities = evaluation.predict(model, split)
    expected = expit(model.predict(split.images[..., np.newaxis] / np.float32(255), verbose=0))
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    found = evaluation.evaluate(model, split, replicates=5, progress=False)
    assert set(LABELS) < set(found.intervals)


def test_plain_keras_model_that_returns_probabilities_is_refused(split):
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, "sigmoid")])
    message = r"Expected: a model that returns logits.* evaluation\.bootstrap\(split.*activation"
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate(model, split, replicates=5, progress=False)
    probabilities = model.predict(split.arrays()[0], verbose=0)  # as the message says
    assert "macro_auc" in evaluation.bootstrap(split.labels, probabilities, 5)


def test_neighboring_logits_keep_different_probabilities(split):
    logits = np.nextafter(np.float32(6), np.float32([5, 7]))

    class TwoLogits(keras.Model):
        def call(self, x):
            return keras.ops.tile([[logits[0]], [logits[1]]], [keras.ops.shape(x)[0] // 2, 1])

    two = split.subset(slice(0, 2))
    low, high = evaluation.predict(TwoLogits(), two)[:, 0]
    assert low < high
    assert expit(logits[0]) == expit(logits[1])


def test_model_without_a_split_is_refused(run):
    with pytest.raises(ValueError, match=r"Expected: a split of xraylab\.data\.load"):
        evaluation.evaluate(run.load_model("best"), "test")


def test_arrays_are_scored_by_bootstrap_or_as_a_split(run, split):
    model, (x, y) = run.load_model("best"), split.arrays()
    hint = r"evaluation\.bootstrap\(y, p\).*data\.Split\(images, labels"
    for images in (iter([x]), split.to_dataset(8), [x]):
        with pytest.raises(ValueError, match=rf"Expected: a split of xraylab\.data.*{hint}"):
            evaluation.predict(model, images)
    with pytest.raises(ValueError, match=rf"Received: images and labels\. .*{hint}"):
        evaluation.evaluate(model, x, y)
    with pytest.raises(ValueError, match=rf"Received: ndarray\. .*{hint}"):
        evaluation.evaluate(model, x)
    expected = evaluation.predict(model, split)
    np.testing.assert_allclose(evaluation.predict(model, x), expected, rtol=1e-6)
    own = data.Split(split.images, split.labels, label_names=LABELS)
    options = {"replicates": 5, "progress": False}
    assert evaluation.evaluate(model, own, **options).intervals == evaluation.bootstrap(
        y, expected, 5, label_names=LABELS
    )


def test_labels_are_matched_by_name(run, split):
    """The model predicts the images' labels 2 and 0 in other columns; it does not know "other"."""
    other = replace(split, label_names=("third", "other", "first"))
    found = evaluation.evaluate(run, other, match="names", replicates=5, progress=False)
    probabilities = expit(models.predict_logits(run.load_model(), other))[:, [2, 0]]
    prevalence = np.asarray(run.facts["train_prevalence"])[[2, 0]]
    names = {"label_names": ("third", "first"), "prevalence": prevalence}
    assert found.score == metrics.score(other.labels[:, [0, 2]], probabilities, **names)
    assert found.intervals["first"].value == pytest.approx(found.score.per_finding[1].roc_auc)
    assert found.unmatched == ("other",)
    same, alike = (
        evaluation.evaluate(run, split, match=match, replicates=5, progress=False)
        for match in ("order", "names")
    )
    assert same == alike and same.unmatched == ()


def test_other_sources_keep_their_own_labels(run, image_file):
    options = {"source": image_file.parent / image_file.name, "replicates": 5, "progress": False}
    names = {"data_options": {"label_names": ["x", "second", "third"]}}
    found = evaluation.evaluate(run, match="names", **names, **options)
    assert [row.label for row in found.score.per_finding] == ["second", "third"]
    with pytest.raises(ValueError, match='Pass match="names"'):
        evaluation.evaluate(run, **names, **options)


def test_chexpert_and_chestx_ray14_share_seven_labels():
    indices = match_labels(FINDINGS, CHEXPERT_FINDINGS)
    pairs = {FINDINGS[k]: CHEXPERT_FINDINGS[j] for k, j in enumerate(indices) if j is not None}
    equal = ["atelectasis", "cardiomegaly", "pneumonia", "pneumothorax", "consolidation", "edema"]
    assert pairs == {name: name for name in equal} | {"effusion": "pleural_effusion"}


@pytest.mark.parametrize(
    ("known", "match", "message"),
    [
        (LABELS[::-1], "order", "Expected: images with the model's labels third, second, first"),
        (None, "names", r"Expected: a model with label_names.*Set model\.label_names"),
        (("a", "b", "c"), "names", "Expected: some of these: .* a, b, c. Received: .* first, sec"),
        (LABELS, "name", "Did you mean 'names'"),
    ],
)
def test_labels_that_do_not_match(run, split, known, match, message):
    model = run.load_model()
    model.label_names = known
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate(model, split, match=match, replicates=5, progress=False)


def test_a_plain_keras_model_can_name_its_labels(split):
    outputs = keras.layers.Dense(3, bias_initializer=keras.initializers.Constant(-5.0))
    model = keras.Sequential([keras.layers.Flatten(), outputs])
    model.label_names = ["second", "first", "third"]
    logits = model.predict(split.images[..., np.newaxis] / np.float32(255), verbose=0)
    found = evaluation.evaluate(model, split, match="names", replicates=5, progress=False)
    auc = metrics.score(split.labels, expit(logits)[:, [1, 0, 2]].astype(float)).macro_auc
    assert found.score.macro_auc == pytest.approx(auc)
