"""What is trained for: labels, a teacher, or what was painted over."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest

from xraylab import data, evaluation, losses, models, training
from xraylab.findings import CHEXPERT_FINDINGS, FINDINGS
from xraylab.models.xrv_densenet import OUTPUTS
from xraylab.training.corruption import corrupt
from xraylab.training.objectives import OBJECTIVES, Classification, prevalence
from xraylab.training.teachers import NO_FINDING, Teacher, adapt, load_teacher, places_of

from .conftest import LABELS
from .conftest import make_recipe as small_recipe


def make_recipe(image_file, **changes):
    return small_recipe(
        image_file, **({"model": "dbct_toy", "num_images": None, "xla": False} | changes)
    )


@pytest.fixture(scope="module")
def teacher(image_file, tmp_path_factory):
    """A run whose weights others learn from."""
    out = tmp_path_factory.mktemp("teacher") / "run"
    return training.fit(make_recipe(image_file, epochs=8), out, progress=False)


# Logits, not probabilities


@pytest.mark.parametrize("name", models.list_models("*_toy"))
def test_all_our_models_end_in_logits(name):
    training.require_logits(models.build(name, image_size=64, num_labels=1))


@pytest.mark.parametrize("num_labels", [1, 14])
def test_a_model_that_ends_in_a_sigmoid_is_refused(num_labels):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(num_labels, activation="sigmoid"),
        ]
    )
    before = model.get_weights()
    with pytest.raises(ValueError, match="ends in a sigmoid"):
        training.require_logits(model)
    for mine, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_logits_that_happen_to_lie_between_0_and_1_are_accepted():
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(1, "relu"))
    model.add(keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer="zeros"))
    training.require_logits(model)


def test_the_double_sigmoid_can_be_trained_on_purpose(image_file, tmp_path):
    recipe = make_recipe(image_file, loss="double_sigmoid_crossentropy", epochs=1)
    run = training.fit(recipe, tmp_path / "run", progress=False)
    assert 0.5 < run.history[-1]["loss"] < 1.0


# Labels that are not known


def test_prevalence_is_of_what_is_known(image_file):
    split = data.load(image_file, split="train", label_names=LABELS)
    np.testing.assert_allclose(prevalence(split), split.labels.mean(axis=0))
    labels = split.labels.copy()
    labels[::2, 0] = np.nan
    partly = dataclasses.replace(split, labels=labels)
    assert prevalence(partly)[0] == pytest.approx(split.labels[1::2, 0].mean())
    assert prevalence(partly)[1:] == pytest.approx(prevalence(split)[1:])


# Teachers


def test_places_are_found_by_name():
    """The tables of FACTS, worked out from names."""
    expected = (0, 10, 7, 2, 12, 11, 8, 3, 1, 4, 5, 6, 9, 13)
    assert places_of(FINDINGS, OUTPUTS) == expected
    expected = (NO_FINDING, 17, 10, 16, 14, 4, 1, 8, 0, 3, 7, None, 15, None)
    assert places_of(CHEXPERT_FINDINGS, OUTPUTS) == expected


def test_adapting_by_hand():
    logits = np.array([[0.0, 2.0, -1.0, 40.0]])
    got = adapt(logits, (NO_FINDING, 2, None, 3), trained=(0, 1, 2))
    p = 1 / (1 + np.exp(-logits[0]))
    assert got[0, 0] == pytest.approx((1 - p[0]) * (1 - p[1]) * (1 - p[2]), rel=1e-6)
    assert got[0, 1] == pytest.approx(p[2], rel=1e-6)
    assert np.isnan(got[0, 2])
    assert np.isnan(got[0, 3]), "an output that was not trained says nothing"


def test_no_finding_does_not_lose_its_digits():
    logits = np.full((1, 18), 3.0)
    got = adapt(logits, (NO_FINDING,), trained=range(18))
    assert got[0, 0] == pytest.approx((1 / (1 + np.exp(3.0))) ** 18, rel=1e-6)


def test_a_teacher_is_a_run(teacher, image_file):
    loaded = load_teacher(teacher.path, LABELS[::-1], 16)
    split = data.load(image_file, split="val", label_names=LABELS)
    expected = evaluation.predict(teacher.load_model("best"), split)
    np.testing.assert_allclose(
        loaded.remembered(split, progress=False), expected[:, ::-1], atol=1e-6
    )


def test_a_teacher_sees_images_at_its_own_size(teacher):
    model = teacher.load_model("best")
    asked = []
    model.predict_on_batch = lambda images: asked.append(images) or np.zeros((2, 3))
    Teacher(model, (0, 1, 2), (0, 1, 2))(
        np.random.default_rng(0).random((2, 32, 32, 1), np.float32)
    )
    assert asked[0].shape == (2, 16, 16, 1)
    assert 0 <= asked[0].min() <= asked[0].max() <= 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"size": 32}, ValueError, "trained on images of 16 px"),
        ({"label_names": ("other",)}, ValueError, "knows none of the labels"),
        ({"source": "nowhere"}, FileNotFoundError, "there is neither"),
    ],
)
def test_teachers_that_cannot_teach(teacher, change, error, message):
    arguments = {"source": teacher.path, "label_names": LABELS, "size": 16} | change
    with pytest.raises(error, match=message):
        load_teacher(**arguments)


def test_public_weights_teach_too(public_teacher, random_weights):
    """Outputs that they did not train are left out."""
    teacher = load_teacher(public_teacher, CHEXPERT_FINDINGS, 32, trained="chex")
    said = teacher(random_weights.random_images(1, 32))
    assert said.shape == (1, 14)
    unknown = [CHEXPERT_FINDINGS[k] for k in np.flatnonzero(np.isnan(said[0]))]
    assert unknown == ["pleural_other", "support_devices"]
    assert not teacher.model.trainable
    with pytest.raises(ValueError, match="trained must be one of all, chex, nih"):
        load_teacher(public_teacher, CHEXPERT_FINDINGS, 32, trained="chexpert")
    with pytest.raises(ValueError, match="places from 0 to 17"):
        load_teacher(public_teacher, CHEXPERT_FINDINGS, 32, trained=(3, 18))


# Distillation


@pytest.mark.parametrize("two_heads", [False, True])
def test_the_loss_of_a_student_is_the_sources(image_file, teacher, tmp_path, two_heads):
    """(1 - α) · cross-entropy + α · distillation, on one head or on two."""
    changes = {"model": "efficientvit_toy", "size": 16} if two_heads else {}
    if two_heads:
        changes |= {"model_options": {"distillation": True}}
    recipe = make_recipe(
        image_file,
        objective="distillation",
        teacher=str(teacher.path),
        distillation_weight=0.3,
        **changes,
    )
    splits = {"train": data.load(image_file, split="train", label_names=LABELS)}
    objective = OBJECTIVES["distillation"](recipe, splits, tmp_path)
    model = models.build(recipe.model, image_size=16, num_labels=3, **recipe.model_options)
    rows = np.arange(40, 56)
    images, labels = data.take(splits["train"], rows)
    inputs, targets = objective.batch(images, labels, rows, seed=1)
    said = evaluation.predict(teacher.load_model("best"), splits["train"])[rows]
    out = model(images, training=True, return_intermediates=True)
    if two_heads:
        out["logits"] = out["label_logits"]
    second = out["distillation_logits" if two_heads else "logits"]
    expected = 0.7 * float(losses.BinaryCrossentropy()(labels, out["logits"]))
    expected += 0.3 * float(losses.Distillation()(said, second))
    np.testing.assert_array_equal(inputs, images)
    got = sum(
        weight * float(loss(targets[name], out[name]))
        for name, (loss, weight) in objective.losses(model).items()
    )
    assert got == pytest.approx(expected, rel=1e-4)


def test_a_teacher_is_asked_once_unless_the_images_change(
    image_file, teacher, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        Teacher,
        "__call__",
        lambda self, images: asked.append(len(images)) or np.full((len(images), 3), 0.5, "float32"),
    )
    recipe = make_recipe(image_file, objective="distillation", teacher=str(teacher.path))
    run = training.fit(recipe, tmp_path / "still", progress=False)
    assert sum(asked) == 96
    assert np.load(run.path / "teacher.npy").shape == (96, 3)
    asked.clear()
    recipe = make_recipe(
        image_file,
        objective="distillation",
        teacher=str(teacher.path),
        augmentation={"presets": "images"},
    )
    run = training.fit(recipe, tmp_path / "moved", progress=False)
    assert sum(asked) == 2 * 96
    assert not (run.path / "teacher.npy").exists()


def test_a_student_records_its_teacher(image_file, teacher, tmp_path):
    recipe = make_recipe(image_file, objective="distillation", teacher=str(teacher.path), epochs=1)
    run = training.fit(recipe, tmp_path / "run", progress=False)
    assert len(run.facts["origins"]["teacher"]) == 64
    assert json.loads((run.path / "run.json").read_text())["recipe"]["teacher"] == str(teacher.path)


def test_distillation_needs_a_teacher(image_file):
    with pytest.raises(ValueError, match="needs a teacher"):
        make_recipe(image_file, objective="distillation")
    with pytest.raises(ValueError, match="nothing else takes one"):
        make_recipe(image_file, teacher="somewhere")


def test_a_second_head_is_not_trained_without_a_teacher(image_file):
    model = models.build("efficientvit_toy", image_size=16, num_labels=3, distillation=True)
    with pytest.raises(ValueError, match="distillation head"):
        Classification(make_recipe(image_file), None).losses(model)


# Masked pre-training


def test_pre_training_and_fine_tuning_from_it(image_file, tmp_path):
    recipe = make_recipe(
        image_file, model="lt_vit_toy", objective="masked_reconstruction", epochs=6
    )
    run = training.fit(recipe, tmp_path / "first", progress=False)
    course = [row["val_masked_error"] for row in run.history]
    assert course[-1] < 0.8 * course[0]
    assert run.report["scores"]["val"]["val_masked_error"] == pytest.approx(min(course), rel=1e-5)
    with pytest.raises(ValueError, match="learnt to rebuild images"):
        evaluation.evaluate(run.path)
    fine = make_recipe(
        image_file, model="lt_vit_toy", start_from=str(run.path), epochs=1, learning_rate=1e-12
    )
    tuned = training.fit(fine, tmp_path / "second", progress=False)
    split = data.load(image_file, split="val", label_names=LABELS)
    images, _ = data.take(split, np.arange(4))
    np.testing.assert_allclose(
        tuned.load_model("last").encode(images),
        run.load_model("best").encoder.encode(images),
        atol=1e-5,
    )
    assert len(tuned.facts["origins"]["start_from"]) == 64


def test_what_pre_training_asks_for(image_file):
    recipe = make_recipe(image_file, model="lt_vit_toy", objective="masked_reconstruction")
    objective = OBJECTIVES["masked_reconstruction"](recipe, None)
    split = data.load(image_file, split="train", label_names=LABELS)
    images, labels = data.take(split, np.arange(8))
    inputs, targets = objective.batch(images, labels, None, seed=5)
    corrupted, mask = corrupt(images, 5)
    np.testing.assert_array_equal(inputs, corrupted)
    np.testing.assert_array_equal(targets["reconstruction"], np.concatenate([images, mask], -1))
    answer = np.random.default_rng(0).random(images.shape, dtype=np.float32)
    loss, weight = objective.losses(None)["reconstruction"]
    expected = np.abs(answer - images)[mask].mean()
    assert weight == 1.0
    assert float(loss(targets["reconstruction"], answer)) == pytest.approx(expected, rel=1e-5)


def test_starting_from_another_run_of_the_same_model(image_file, teacher, tmp_path):
    recipe = make_recipe(image_file, start_from=str(teacher.path), epochs=1, learning_rate=1e-12)
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
    nowhere = make_recipe(image_file, start_from=str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        training.fit(nowhere, tmp_path / "x", progress=False)


# A batch in parts


@pytest.mark.parametrize(
    ("objective", "options"),
    [
        ("classification", {}),
        ("classification", {"loss": "weighted_binary_crossentropy"}),
        ("classification", {"loss": "binary_focal_crossentropy"}),
        ("distillation", {}),
        ("distillation", {"loss": "asymmetric"}),
        ("distillation", {"model": "efficientvit_toy", "model_options": {"distillation": True}}),
        ("masked_reconstruction", {"model": "lt_vit_toy"}),
    ],
)
def test_parts_of_a_batch_cost_what_the_whole_does(
    image_file, teacher, tmp_path, objective, options
):
    """Also where answers are unknown, and where a loss looks at the batch as a whole."""
    if objective == "distillation":
        options = options | {"teacher": str(teacher.path)}
    recipe = make_recipe(image_file, objective=objective, **options)
    splits = {"train": data.load(image_file, split="train", label_names=LABELS)}
    known = np.random.default_rng(0).random(splits["train"].labels.shape) < 0.6
    splits["train"].labels[~known] = np.nan
    made = OBJECTIVES[objective](recipe, splits, tmp_path)
    model = training.run.build_model(recipe)
    rows = np.arange(12)
    images, labels = data.take(splits["train"], rows)
    inputs, targets = made.batch(images, labels, rows, seed=0)
    outputs = model(inputs, training=True)

    def cost(targets, parts):
        shared = made.shared(targets, parts) if parts > 1 else targets
        total = 0.0
        for name, (loss, weight) in made.losses(model, parts).items():
            for part in np.split(np.arange(12), parts):
                answers = np.asarray(outputs[name])[part]
                total += weight * float(loss(np.asarray(shared[name])[part], answers)) / parts
        return total

    whole = cost(targets, 1)
    for parts in (2, 4):
        assert cost(targets, parts) == pytest.approx(whole, rel=1e-5)


def test_a_student_trains_in_parts(image_file, teacher, tmp_path):
    recipe = make_recipe(
        image_file,
        objective="distillation",
        teacher=str(teacher.path),
        accumulation=4,
        epochs=1,
        model="rr_vit_toy",
        model_options={"dropout": 0.0},
    )
    whole = training.fit(
        dataclasses.replace(recipe, accumulation=1), tmp_path / "whole", progress=False
    )
    parted = training.fit(recipe, tmp_path / "parts", progress=False)
    for one, two in zip(
        whole.load_model("last").weights, parted.load_model("last").weights, strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=2e-5)


# What must not be taken for something else


def test_a_run_starts_from_one_of_the_same_labels(image_file, teacher, tmp_path):
    names = ("other", "second", "third")
    recipe = make_recipe(image_file, start_from=str(teacher.path), label_names=names)
    with pytest.raises(ValueError, match="was trained for other labels"):
        training.fit(recipe, tmp_path / "run", progress=False)


def test_pre_training_teaches_no_labels(image_file, tmp_path):
    recipe = make_recipe(
        image_file, model="lt_vit_toy", objective="masked_reconstruction", epochs=1
    )
    run = training.fit(recipe, tmp_path / "pretrained", progress=False)
    with pytest.raises(ValueError, match="learnt to rebuild images"):
        load_teacher(run.path, LABELS, 16)
    with pytest.raises(ValueError, match="changes images in its own way"):
        dataclasses.replace(recipe, augmentation={"presets": "images"})


def test_public_weights_do_not_tell_what_they_trained(public_teacher):
    with pytest.raises(ValueError, match="trained= one of all, chex, nih"):
        load_teacher(public_teacher, CHEXPERT_FINDINGS, 32)


def test_the_teacher_that_teaches_is_the_one_remembered(image_file, teacher, tmp_path):
    """Its last weights here, which may change while the best stay."""
    path = tmp_path / "teacher"
    shutil.copytree(teacher.path, path)
    recipe = make_recipe(
        image_file,
        objective="distillation",
        teacher=str(path),
        teacher_options={"weights": "last"},
        model="rr_vit_toy",
        epochs=1,
    )
    training.fit(recipe, tmp_path / "run", progress=False)
    (tmp_path / "run" / "report.json").unlink()
    with (path / "last.weights.h5").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match="with another teacher"):
        training.fit(recipe, tmp_path / "run", resume=True, progress=False)
