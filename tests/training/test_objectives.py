"""Objectives: classification, distillation and masked pre-training."""

import json
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import keras
import numpy as np
import pytest
from scipy.special import expit

from xraylab import data, evaluation, io, losses, training
from xraylab.findings import CHEXPERT_FINDINGS, FINDINGS
from xraylab.models import build
from xraylab.models.weights import shipped_weights
from xraylab.models.xrv_densenet import OUTPUTS
from xraylab.training import distillation
from xraylab.training.corruption import corrupt
from xraylab.training.distillation import (
    NO_FINDING,
    Teacher,
    TeacherEnsemble,
    load_teacher,
    match_labels,
    select_outputs,
)
from xraylab.training.objectives import (
    OBJECTIVES,
    Classification,
    label_weights,
    prevalence,
)
from xraylab.training.run import build_model

from .conftest import LABELS, eager_execution, stop_after
from .conftest import make_recipe as small_recipe


def make_recipe(image_file, **changes):
    options = {} if "model" in changes else {"model_options": {"depth": 1}}
    return small_recipe(
        image_file, **({"model": "vit_toy", "num_images": None, "xla": False} | options | changes)
    )


TWO_HEADS = {"distillation": True, "depths": [1, 1, 1]}

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def teacher(image_file, tmp_path_factory):
    """A run whose weights others learn from."""
    out = tmp_path_factory.mktemp("teacher") / "run"
    with eager_execution():
        recipe = make_recipe(image_file, epochs=1, num_images=48)
        return training.fit(recipe, out, progress=False)


@pytest.fixture(scope="module")
def pretrained(image_file, tmp_path_factory):
    """A run of masked pre-training."""
    recipe = make_recipe(
        image_file,
        model="lt_vit_toy",
        model_options={"depth": 2},
        objective="masked_reconstruction",
        epochs=3,
        batch_size=48,
        learning_rate=1e-2,
    )
    with eager_execution():
        out = tmp_path_factory.mktemp("pretrained") / "run"
        return training.fit(recipe, out, progress=False)


def without_some_labels(split, fraction=0.4):
    """Return a split-like object in which some labels are unknown."""
    labels = np.array(split.labels, dtype=np.float32)
    labels[np.random.default_rng(0).random(labels.shape) < fraction] = np.nan
    return SimpleNamespace(labels=labels)


def test_the_double_sigmoid_can_be_trained_on_purpose(image_file, tmp_path, tiny):
    recipe = make_recipe(image_file, loss="double_sigmoid_crossentropy", epochs=1)
    run = training.fit(recipe, tmp_path / "run", progress=False)
    assert 0.5 < run.history[-1]["loss"] < 1.0


# Unknown labels


def test_prevalence_is_that_of_known_labels(image_file):
    split = data.load(image_file, split="train", label_names=LABELS)
    labels = np.array(split.labels, dtype=np.float32)
    np.testing.assert_allclose(prevalence(split), labels.mean(axis=0))
    partly = SimpleNamespace(labels=labels.copy())
    partly.labels[::2, 0] = np.nan
    assert prevalence(partly)[0] == pytest.approx(labels[1::2, 0].mean())
    assert prevalence(partly)[1:] == pytest.approx(prevalence(split)[1:])


def test_label_weights_by_hand():
    targets = np.array([[0.0, np.nan], [1.0, 1.0]])
    np.testing.assert_allclose(label_weights(targets), np.array([[1, 0], [1, 1]]) / 3)
    np.testing.assert_allclose(label_weights(targets, True), np.array([[1, 0], [1, 1]]) / 2)
    assert not label_weights(np.full((2, 2), np.nan)).any()


# Teachers


def test_outputs_are_matched_by_name():
    """The tables of FACTS, worked out from names."""
    expected = (0, 10, 7, 2, 12, 11, 8, 3, 1, 4, 5, 6, 9, 13)
    assert match_labels(FINDINGS, OUTPUTS) == expected
    expected = (NO_FINDING, 17, 10, 16, 14, 4, 1, 8, 0, 3, 7, None, 15, None)
    assert match_labels(CHEXPERT_FINDINGS, OUTPUTS) == expected


def test_selected_outputs_by_hand():
    logits = np.array([[0.0, 2.0, -1.0, 40.0]])
    got = select_outputs(logits, (NO_FINDING, 2, None, 3), trained=(0, 1, 2))
    p = 1 / (1 + np.exp(-logits[0]))
    assert got[0, 0] == pytest.approx((1 - p[0]) * (1 - p[1]) * (1 - p[2]), rel=1e-6)
    assert got[0, 1] == pytest.approx(p[2], rel=1e-6)
    assert np.isnan(got[0, 2])
    assert np.isnan(got[0, 3]), "an output that was not trained"


def test_no_finding_is_computed_precisely():
    logits = np.full((1, 18), 3.0)
    got = select_outputs(logits, (NO_FINDING,), trained=range(18))
    assert got[0, 0] == pytest.approx((1 / (1 + np.exp(3.0))) ** 18, rel=1e-6)


def test_a_teacher_is_a_run(teacher, image_file):
    loaded = load_teacher(teacher, LABELS[::-1])
    split = data.load(image_file, split="val", label_names=LABELS)
    expected = evaluation.predict(teacher.load_model("best"), split)
    np.testing.assert_allclose(loaded.predict(split, progress=False), expected[:, ::-1], atol=1e-6)


def test_several_teachers_are_averaged():
    """A label is predicted by the mean over the teachers that know it."""
    keras.utils.set_random_seed(0)
    models = [build("rr_vit_toy", image_size=16, num_labels=3) for _ in range(2)]
    first, second = (Teacher(model, (0, 1, 2), (0, 1, 2)) for model in models)
    partial = Teacher(models[1], (None, 1, None), (0, 1, 2))
    images = np.random.default_rng(0).random((8, 16, 16, 1), np.float32)
    mean = (first(images) + second(images)) / 2
    got = TeacherEnsemble([first, second])(images)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, mean, atol=1e-6)
    expected = np.where([False, True, False], mean, first(images))
    np.testing.assert_allclose(TeacherEnsemble([first, partial])(images), expected, atol=1e-6)
    unknown = TeacherEnsemble([partial, partial], hard=True)(images)
    np.testing.assert_array_equal(unknown[:, 1], second(images)[:, 1] >= 0.5)
    assert np.isnan(unknown[:, [0, 2]]).all()


def test_several_runs_as_teachers(teacher, image_file):
    split = data.load(image_file, split="val", label_names=LABELS)
    one, two = (load_teacher(paths, LABELS) for paths in (teacher, [teacher] * 2))
    expected = one.predict(split, progress=False)
    np.testing.assert_allclose(two.predict(split, progress=False), expected, atol=1e-6)


def test_images_are_resized_for_the_teacher(teacher):
    model = teacher.load_model("best")
    inputs = []
    model.predict_on_batch = lambda images: inputs.append(images) or np.zeros((2, 3))
    Teacher(model, (0, 1, 2), (0, 1, 2))(
        np.random.default_rng(0).random((2, 32, 32, 1), np.float32)
    )
    assert inputs[0].shape == (2, 16, 16, 1)
    assert 0 <= inputs[0].min() <= inputs[0].max() <= 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"label_names": ("other",)}, ValueError, "predicts none of the .*start_from"),
        ({"source": "nowhere.keras"}, ValueError, r"teacher\. Expected: .*'nowhere\.keras'\.$"),
        ({"source": "rr_vti"}, ValueError, r"shipped weights: .*Did you mean 'rr_vit'\?$"),
        ({"source": "medvit_large"}, ValueError, r"book\.folder\(\) downloads"),
    ],
)
def test_unsuitable_teachers_are_refused(teacher, change, error, message):
    arguments = {"source": teacher.path, "label_names": LABELS} | change
    with pytest.raises(error, match=message):
        load_teacher(**arguments)


def test_a_saved_model_as_a_teacher(tmp_path, random_weights):
    """Labels are matched by name; the outputs are taken before a sigmoid."""
    model = build("rr_vit_toy", 16, num_labels=3, classifier_activation="sigmoid")
    images, path = random_weights.random_images(2, 16), tmp_path / "teacher.keras"
    expected = np.asarray(model(images))
    model.save(path)
    with pytest.raises(ValueError, match=r"a model with label_names\. .*Set model\.label_names"):
        load_teacher(path, LABELS)
    model.label_names = LABELS
    model.save(path)
    got = load_teacher(path, LABELS[:0:-1])(images)
    np.testing.assert_allclose(got, expected[:, :0:-1], atol=1e-6)
    weights = tmp_path / "teacher.weights.h5"
    model.save_weights(weights)
    with pytest.raises(ValueError, match=r"Expected: .* a \.keras file"):
        load_teacher(weights, LABELS)
    keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Flatten()]).save(path)
    with pytest.raises(ValueError, match=r"Expected: a saved model of models\.build"):
        load_teacher(path, LABELS)


def test_shipped_weights_as_a_teacher(image_file, tmp_path, random_weights):
    """A name stays a name; the run can be resumed."""
    names, images = ("effusion", "mass", "nodule"), random_weights.random_images(2, 64)
    logits = build("rr_vit", 64, weights="pretrained")(images)
    expected = expit(logits)[:, [FINDINGS.index(name) for name in names]]
    np.testing.assert_allclose(load_teacher("rr_vit", names)(images), expected, atol=1e-6)
    options = {"objective": "distillation", "teacher": "rr_vit", "label_names": names, "epochs": 1}
    recipe = make_recipe(image_file, **options)
    assert recipe.teacher == "rr_vit"
    run = training.fit(recipe, tmp_path / "run", progress=False)
    assert run.facts["origins"] == {"teacher": io.sha256(shipped_weights()["rr_vit", 64])}
    longer = recipe.replace(epochs=2)
    assert training.fit(longer, tmp_path / "run", resume=True, progress=False).report["epochs"] == 2


def test_a_folder_with_the_name_of_a_model_is_given_as_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rr_vit").mkdir()
    (tmp_path / "resnet50").mkdir()
    teachers = ["./rr_vit", Path("rr_vit"), "rr_vit", "resnet50"]
    recipe = training.Recipe(objective="distillation", teacher=teachers)
    folder = str(tmp_path / "rr_vit")
    assert recipe.teachers == (folder, folder, "rr_vit", "resnet50")
    with pytest.raises(ValueError, match=r"downloads the weights of more models"):
        load_teacher("resnet50", LABELS)


def test_public_weights_as_a_teacher(public_teacher, random_weights):
    """Outputs that were not trained are ignored."""
    teacher = load_teacher(public_teacher, CHEXPERT_FINDINGS, trained="chex")
    predictions = teacher(random_weights.random_images(1, 32))
    assert predictions.shape == (1, 14)
    unknown = [CHEXPERT_FINDINGS[k] for k in np.flatnonzero(np.isnan(predictions[0]))]
    assert unknown == ["pleural_other", "support_devices"]
    assert not teacher.teachers[0].model.trainable
    with pytest.raises(ValueError, match="one of 'all', 'chex', 'nih'"):
        load_teacher(public_teacher, CHEXPERT_FINDINGS, trained="chexpert")


# Distillation


def step_loss(recipe, objective, model, batch, micro_batches=1):
    """Return the loss of a batch as the mean over its micro-batches, without updating weights."""
    trained, loss = objective.trained_model(model)
    if loss is not None:
        trained.compile(loss=loss)
    total = 0.0
    for rows in np.split(np.arange(len(batch[0])), micro_batches):
        x, y, w = keras.tree.map_structure(lambda array, rows=rows: array[rows], batch)
        w = keras.tree.map_structure(lambda array: array * micro_batches, w)
        y_pred = trained(x, training=True)
        total += float(trained.compute_loss(x, y, y_pred, w, training=True)) / micro_batches
    return total


@pytest.mark.parametrize("two_heads", [False, True])
def test_the_distillation_loss_is_that_of_the_source(image_file, teacher, tmp_path, two_heads):
    """(1 - α) · cross-entropy + α · distillation, on one head or on two."""
    changes = {"model": "efficientvit_toy", "size": 16} if two_heads else {}
    if two_heads:
        changes |= {"model_options": TWO_HEADS}
    recipe = make_recipe(
        image_file,
        objective="distillation",
        teacher=str(teacher.path),
        distillation_weight=0.3,
        **changes,
    )
    splits = {"train": data.load(image_file, split="train", label_names=LABELS)}
    objective = OBJECTIVES["distillation"](recipe, splits)
    model = build_model(recipe)
    rows = np.arange(40, 56)
    images, labels = data.take(splits["train"], rows)
    batch = objective.batch(images, labels, rows, seed=1)
    np.testing.assert_array_equal(batch[0], images)
    predictions = evaluation.predict(teacher.load_model("best"), splits["train"])[rows]
    out = model(images, training=True, return_intermediates=True)
    names = ("label_logits", "distillation_logits") if two_heads else ("logits", "logits")
    label_logits, teacher_logits = (out[name] for name in names)
    expected = 0.7 * float(losses.BinaryCrossentropy()(labels, label_logits))
    expected += 0.3 * float(losses.Distillation()(predictions, teacher_logits))
    assert step_loss(recipe, objective, model, batch) == pytest.approx(expected, rel=1e-4)
    if two_heads:  # without a teacher, the second one would stay untrained
        with pytest.raises(ValueError, match="distillation head"):
            Classification(make_recipe(image_file)).trained_model(model)


@pytest.mark.parametrize("summed", [False, True])
def test_the_scale_of_both_losses_by_hand(image_file, teacher, monkeypatch, summed):
    """Printed: Σ over labels, and 1/C of Σ for the teacher. Otherwise, means over known labels."""
    given = np.random.default_rng(0).uniform(0.1, 0.9, (96, 3)).astype("float32")
    given[:, 2] = np.nan  # a label that the teacher does not know
    monkeypatch.setattr(TeacherEnsemble, "predict", lambda self, split, **options: given)
    recipe = make_recipe(
        image_file,
        objective="distillation",
        teacher=str(teacher.path),
        distillation_weight=0.3,
        sum_over_labels=summed,
    )
    splits = {"train": data.load(image_file, split="train", label_names=LABELS)}
    objective, model = OBJECTIVES["distillation"](recipe, splits), build_model(recipe)
    rows = np.arange(16)
    images, labels = data.take(splits["train"], rows)
    z = np.asarray(keras.ops.convert_to_numpy(model(images, training=True)), np.float64)
    p = given[rows].astype(np.float64)[:, :2]
    label = (np.logaddexp(0, z) - z * labels).mean(axis=0)
    taught = (np.logaddexp(0, z[:, :2]) - z[:, :2] * p).mean(axis=0) * (1 - p.mean(axis=0))
    if summed:
        expected = 0.7 * label.sum() + 0.3 * taught.sum() / 3
    else:
        expected = 0.7 * label.mean() + 0.3 * taught.mean()
    batch = objective.batch(images, labels, rows, seed=1)
    for micro_batches in (1, 4):
        got = step_loss(recipe, objective, model, batch, micro_batches)
        assert got == pytest.approx(expected, rel=1e-4)


def test_a_teacher_predicts_once_unless_images_are_augmented(
    image_file, plain, tmp_path, tiny, monkeypatch
):
    counts = []

    def predict(self, images):
        counts.append(len(images))
        return np.full((len(images), 3), 0.5, "float32")

    monkeypatch.setattr(Teacher, "__call__", predict)
    recipe = make_recipe(
        image_file, model="rr_vit_toy", objective="distillation", teacher=str(plain.path)
    )
    bar = mock.Mock(wraps=distillation.progress_bar)
    monkeypatch.setattr(distillation, "progress_bar", bar)
    training.fit(recipe, tmp_path / "still", progress=False)
    assert sum(counts) == 96
    assert [call.args for call in bar.call_args_list] == [(False,)]
    counts.clear()
    augmented = recipe.replace(augmentation={"presets": "cxr"})
    training.fit(augmented, tmp_path / "augmented", progress=False)
    assert 2 * 96 <= sum(counts) <= 2 * 96 + 32  # Keras reads two batches to learn their shapes


def test_a_student_records_its_teacher(image_file, plain, tmp_path, tiny):
    recipe = make_recipe(image_file, objective="distillation", teacher=str(plain.path), epochs=1)
    run = training.fit(recipe, tmp_path / "run", progress=False)
    assert len(run.facts["origins"]["teacher"]) == 64
    assert json.loads((run.path / "run.json").read_text())["recipe"]["teacher"] == str(plain.path)


def test_a_student_of_several_teachers(image_file, plain, tmp_path, tiny):
    paths = [str(plain.path)] * 2
    recipe = make_recipe(image_file, objective="distillation", teacher=paths, epochs=1)
    run = training.fit(recipe, tmp_path / "run", progress=False)
    assert run.facts["origins"] == dict.fromkeys(
        ("teacher 1", "teacher 2"), io.sha256(plain.weights_file("best"))
    )
    assert training.Run(run.path).recipe == recipe
    assert training.fit(recipe, run.path, resume=True, progress=False).report == run.report


def test_a_hard_teacher_decides_at_one_half(teacher, image_file):
    """Targets, and through them the label weights, are decisions; unknown labels stay unknown."""
    names = (*LABELS, "unknown to the teacher")
    soft, hard = (load_teacher(teacher.path, names, hard=hard) for hard in (False, True))
    # Centred on zero, the logits decide either way.
    logits = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    logits[0, 0] = 0.0
    for each in (soft, hard):
        each.teachers[0].model.predict_on_batch = lambda images: logits
    size = soft.teachers[0].model.image_size
    images = np.zeros((8, size, size, 1), "float32")
    decided = hard(images)
    assert decided.dtype == np.float32
    np.testing.assert_array_equal(decided[:, :3], logits >= 0)
    assert 0 < decided[:, :3].mean() < 1
    assert np.isnan(decided[:, 3]).all()
    np.testing.assert_allclose(soft(images)[:, :3], 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_the_hard_distillation_loss_is_that_of_deit(image_file, teacher):
    """Half cross-entropy with the labels, half with the decisions, weighted by label."""
    options = {"teacher": str(teacher.path), "teacher_options": {"hard": True}}
    recipe = make_recipe(image_file, objective="distillation", **options)
    split = data.load(image_file, split="train", label_names=LABELS)
    made = OBJECTIVES["distillation"](recipe, {"train": split})
    rng = np.random.default_rng(1)
    made._predictions = (rng.random((len(split), 3)) < 0.4).astype("float32")
    rows = np.arange(8)
    images, labels = data.take(split, rows)
    inputs, targets, weights = made.batch(images, labels, rows, seed=0)
    np.testing.assert_array_equal(targets["teacher"], made._predictions[rows])
    z = rng.normal(size=(8, 3)).astype("float32")
    trained, _ = made.trained_model(build_model(recipe))
    found = float(trained.compute_loss(inputs, targets, {"labels": z, "teacher": z}, weights))

    def cross_entropy(target):
        return np.logaddexp(0, np.float64(z)) - z * target

    rarity = 1 - targets["teacher"].mean(axis=0)
    expected = (cross_entropy(labels) + rarity * cross_entropy(targets["teacher"])).mean() / 2
    reconstruction = sum(float(loss) for loss in trained.losses)
    assert found - reconstruction == pytest.approx(expected, rel=1e-5)


def test_a_temperature_has_no_effect_on_decisions(image_file, teacher):
    options = {"teacher": str(teacher.path), "teacher_options": {"hard": True}}
    with pytest.raises(ValueError, match=r'temperature=1 with "hard".*temperature=2\.0'):
        make_recipe(image_file, objective="distillation", temperature=2.0, **options)


def test_distillation_needs_a_teacher(image_file):
    with pytest.raises(ValueError, match="a teacher with objective"):
        make_recipe(image_file, objective="distillation")
    with pytest.raises(ValueError, match="with no other objective"):
        make_recipe(image_file, teacher="somewhere")


# Masked pre-training


def test_pre_training_reduces_the_error_on_masked_pixels(pretrained):
    curve = [row["val_masked_error"] for row in pretrained.history]
    assert curve[-1] < 0.8 * curve[0]
    assert pretrained.report["scores"]["val"] == {"masked_error": min(curve)}
    with pytest.raises(ValueError, match="predicts no labels"):
        evaluation.evaluate(pretrained.path)


def test_fine_tuning_starts_from_the_pre_trained_encoder(image_file, pretrained, tmp_path):
    fine = make_recipe(
        image_file,
        model="lt_vit_toy",
        model_options={"depth": 2},
        start_from=str(pretrained.path),
        epochs=1,
        num_images=16,
        learning_rate=1e-12,
    )
    tuned = training.fit(fine, tmp_path / "second", progress=False)
    split = data.load(image_file, split="val", label_names=LABELS)
    images, _ = data.take(split, np.arange(4))
    np.testing.assert_allclose(
        tuned.load_model("last").encode(images),
        pretrained.load_model("best").encoder.encode(images),
        atol=1e-5,
    )
    assert len(tuned.facts["origins"]["start_from"]) == 64


def test_the_pre_training_loss_is_the_mean_over_corrupted_pixels(image_file):
    recipe = make_recipe(image_file, model="lt_vit_toy", objective="masked_reconstruction")
    objective = OBJECTIVES["masked_reconstruction"](recipe)
    split = data.load(image_file, split="train", label_names=LABELS)
    images, labels = data.take(split, np.arange(8))
    inputs, targets, weights = objective.batch(images, labels, None, seed=5)
    corrupted, mask = corrupt(images, 5)
    np.testing.assert_array_equal(inputs, corrupted)
    np.testing.assert_array_equal(targets, images)
    assert weights.sum() == pytest.approx(1.0, rel=1e-5)
    _, loss = objective.trained_model(None)
    reconstruction = np.random.default_rng(0).random(images.shape, dtype=np.float32)
    expected = np.abs(reconstruction - images)[mask].mean()
    assert float(loss(targets, reconstruction, weights)) == pytest.approx(expected, rel=1e-5)


def test_starting_from_another_run_of_the_same_model(image_file, teacher, tmp_path):
    start = {"start_from": str(teacher.path), "num_images": 16}
    recipe = make_recipe(image_file, **start, epochs=1, learning_rate=1e-12)
    run = training.fit(recipe, tmp_path / "run", progress=False)
    pairs = zip(
        run.load_model("last").get_weights(), teacher.load_model("best").get_weights(), strict=True
    )
    for mine, theirs in pairs:
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    other = make_recipe(image_file, model="rr_vit_toy", start_from=str(teacher.path))
    with pytest.raises(ValueError, match="does not hold the weights"):
        training.fit(other, tmp_path / "other", progress=False)
    assert not (tmp_path / "other").exists()
    nowhere = make_recipe(image_file, start_from=str(tmp_path / "pretraind"))
    with pytest.raises(ValueError, match=r"the folder of a run.*Did you mean 'pretrained'\?$"):
        training.fit(nowhere, tmp_path / "x", progress=False)


# Micro-batches


@pytest.mark.parametrize(
    ("objective", "options"),
    [
        ("classification", {}),
        ("classification", {"loss": "weighted_binary_crossentropy"}),
        ("classification", {"loss": "focal"}),
        ("distillation", {}),
        ("distillation", {"loss": "asymmetric"}),
        ("distillation", {"model": "efficientvit_toy", "model_options": TWO_HEADS}),
        ("masked_reconstruction", {"model": "lt_vit_toy"}),
    ],
)
def test_micro_batches_have_the_loss_of_the_whole_batch(
    image_file, teacher, tmp_path, objective, options
):
    """Also with unknown labels, and with losses that are normalized by the whole batch."""
    if objective == "distillation":
        options = options | {"teacher": str(teacher.path)}
    recipe = make_recipe(image_file, objective=objective, **options)
    splits = {"train": data.load(image_file, split="train", label_names=LABELS)}
    made = OBJECTIVES[objective](recipe, splits)
    model = build_model(recipe)
    rows = np.arange(12)
    images, _ = data.take(splits["train"], rows)
    labels = without_some_labels(splits["train"]).labels[rows]
    batch = made.batch(images, labels, rows, seed=0)
    trained, loss = made.trained_model(model)
    y_pred = trained(batch[0], training=False)
    compute = trained.compute_loss if loss is None else lambda x, y, p, w: loss(y, p, w)

    def cost(micro_batches):
        total = 0.0
        for part in np.split(rows, micro_batches):
            x, y, p, w = keras.tree.map_structure(
                lambda array, part=part: np.asarray(array)[part],
                (batch[0], batch[1], y_pred, batch[2]),
            )
            total += float(compute(x, y, p, w))
        return total

    for micro_batches in (2, 4):
        assert cost(micro_batches) == pytest.approx(cost(1), rel=1e-5)


def test_a_student_trains_with_micro_batches(image_file, plain, tmp_path, tiny):
    recipe = make_recipe(
        image_file,
        objective="distillation",
        teacher=str(plain.path),
        accumulation=4,
        epochs=1,
        model="rr_vit_toy",
        model_options={"dropout": 0.0},
    )
    whole = training.fit(recipe.replace(accumulation=1), tmp_path / "whole", progress=False)
    divided = training.fit(recipe, tmp_path / "divided", progress=False)
    for one, two in zip(
        whole.load_model("last").weights, divided.load_model("last").weights, strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=2e-5)


# Unsuitable sources


def test_a_pre_trained_encoder_is_no_teacher(pretrained):
    with pytest.raises(ValueError, match="predicts no labels"):
        load_teacher(pretrained.path, LABELS)
    with pytest.raises(ValueError, match="no augmentation with masked reconstruction"):
        pretrained.recipe.replace(augmentation={"presets": "cxr"})


def test_public_weights_need_the_trained_outputs(public_teacher):
    with pytest.raises(ValueError, match="one of 'all', 'chex', 'nih'"):
        load_teacher(public_teacher, CHEXPERT_FINDINGS)


def test_a_run_records_the_weights_of_its_teacher(image_file, plain, tmp_path, tiny):
    recipe = make_recipe(
        image_file,
        objective="distillation",
        teacher=str(plain.path),
        teacher_options={"weights": "last"},
        model="rr_vit_toy",
        epochs=1,
    )
    run = training.fit(recipe, tmp_path / "run", progress=False)
    assert run.facts["origins"] == {"teacher": io.sha256(plain.weights_file("last"))}


def test_a_teacher_may_move(image_file, plain, tmp_path, tiny):
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(plain.path, here)
    recipe = make_recipe(
        image_file,
        objective="distillation",
        teacher=str(here),
        augmentation={"presets": "none", "brightness": 0.1},
        epochs=1,
    )
    stop_after(2, signal.SIGINT, recipe, tmp_path / "run")
    here.rename(there)
    moved = recipe.replace(teacher=str(there))
    shutil.copytree(there, here)
    (here / "best.weights.h5").write_bytes(b"other weights")
    with pytest.raises(ValueError, match="was started with another teacher"):
        training.fit(recipe, tmp_path / "run", resume=True, progress=False)
    assert training.fit(moved, tmp_path / "run", resume=True, progress=False).report
