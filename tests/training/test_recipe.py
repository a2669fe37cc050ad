"""Recipes: validation, JSON, and differences."""

import inspect
import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from xraylab.training import Recipe
from xraylab.training.objectives import OBJECTIVES


def test_round_trip_through_json():
    recipe = Recipe(data="images.npz", epochs=3, label_names=("a", "b"))
    assert Recipe(**json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_every_objective_has_a_name_and_all_but_one_predict_labels():
    names = get_args(Recipe.model_fields["objective"].annotation)
    assert names == tuple(OBJECTIVES)
    teachers = {"distillation": "run"}
    recipes = [Recipe(objective=name, teacher=teachers.get(name)) for name in names]
    assert [recipe.predicts_labels for recipe in recipes] == [True, True, False]


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Recipe(data="images.npz").data == str((tmp_path / "images.npz").resolve())
    assert Recipe(data="phantom").data == "phantom"
    paths = {"root": "images", "table": "patients.csv"}
    absolute = {name: str((tmp_path / path).resolve()) for name, path in paths.items()}
    assert Recipe(data="images.npz", data_options=paths).data_options == absolute
    for folder in ("folder", tmp_path):  # the table is relative to the root
        in_folder = Recipe(data=folder, data_options=paths).data_options
        assert in_folder == absolute | {"table": "patients.csv"}


def test_path_objects_become_text(tmp_path, plain):
    recipe = Recipe(
        data=tmp_path / "images.npz",
        data_options={"root": tmp_path},
        start_from=plain,
        objective="distillation",
        teacher=[tmp_path, str(tmp_path)],
    )
    assert recipe.data == str(tmp_path / "images.npz")
    assert recipe.data_options == {"root": str(tmp_path)}
    assert recipe.start_from == str(plain.path)
    assert Recipe(start_from="pretrained").start_from == "pretrained"
    assert Recipe(start_from="./pretrained").start_from == str(Path("pretrained").resolve())
    assert Recipe(start_from=Path("pretrained")).start_from == str(Path("pretrained").resolve())
    assert recipe.teacher == (str(tmp_path),) * 2
    assert Recipe(**json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_the_signature_has_names_and_defaults():
    text = str(inspect.signature(Recipe))
    assert text.startswith("(*, model='rr_vit', data='phantom', size=64, ")
    assert "Annotated" not in text
    with pytest.raises(ValueError, match=r"Received: 'rr_vit_64_tuned'\. training\.get_recipe"):
        Recipe("rr_vit_64_tuned")


def test_differences():
    recipe = Recipe(epochs=3, seed=1)
    assert recipe.differences(recipe) == {}
    assert recipe.differences(Recipe(epochs=5, seed=1)) == {"epochs": (3, 5)}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "field epochs. Expected: greater than or equal to 1. Received: 0"),
        ("epochs", 2.5, "epochs"),
        ("batch_size", -1, "batch_size"),
        ("size", -3, "size"),
        ("seed", -1, "seed"),
        ("seed", 2**32, "seed"),
        ("seed", True, "seed"),
        ("learning_rate", 0.0, "learning_rate. Expected: greater than 0"),
        ("learning_rate", float("nan"), "learning_rate. Expected: .*finite"),
        ("learning_rate", "fast", "learning_rate. Expected: .*Received: 'fast'"),
        ("final_learning_rate", 1.0, "final_learning_rate must not exceed learning_rate"),
        ("weight_decay", -0.1, "weight_decay"),
        ("reconstruction_weight", -1.0, "reconstruction_weight"),
        ("loss", "focl", r"Received: 'focl'\. Did you mean 'focal'\?$"),
        ("model", "rr_vti", r"field model: Unknown model\. Received: 'rr_vti'\. Did.*\?$"),
        ("precision", "half", "precision. Expected: .*'float32'"),
        ("warmup", 1.0, "warmup"),
        ("cooldown", 0.95, "warmup and cooldown must add up to less than 1"),
        ("num_images", 0, "num_images"),
        ("label_names", "abc", "label_names. Expected: a list. Received: 'abc'"),
        ("ema", "yes", "ema. Expected: .*Received: 'yes'"),
        ("global_clip", "x", "global_clip"),
        ("teacher", [], r"field teacher. .*Received: \[\]"),
        ("loss_options", {"gamma": float("nan")}, "field loss_options: .*not JSON compliant"),
        ("model_options", {"depth": {1}}, r"field model_options: Expected: .*Received: .*\{1\}"),
        ("teacher", "run", "Received: teacher='/.*run', objective='classification'.$"),
        ("mixup", 0.2, "recipe field. Expected: one of 'model', .*Received: 'mixup'"),
        ("epoch", 3, r"Received: 'epoch'\. Did you mean 'epochs'\?$"),
    ],
)
def test_invalid_fields_are_named(field, value, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{field: value})


def test_a_changed_copy_is_validated():
    recipe = Recipe(epochs=3)
    assert recipe.replace(seed=2) == Recipe(epochs=3, seed=2)
    with pytest.raises(ValueError, match="epochs"):
        recipe.replace(epochs=0)
    with pytest.raises(ValueError, match="frozen"):
        recipe.epochs = 4


def test_short_loss_names():
    assert Recipe(loss="focal").loss == "binary_focal_crossentropy"
    assert Recipe(loss="bce") == Recipe()


def test_options_hold_numbers_of_numpy_and_no_other_objects():
    assert Recipe(model_options={"depth": np.int64(3)}).model_options == {"depth": 3}
    with pytest.raises(ValueError, match=r"field model_options: Expected: .*Received: .*b'3'"):
        Recipe(model_options={"depth": b"3"})


def test_augmentation_is_checked():
    assert Recipe(augmentation={"presets": "cxr", "rotate": 2}).augmentation["rotate"] == 2
    # An operation alone must not add those of the preset "cxr".
    for options in ({"presets": "images"}, {"presets": "cxr", "rotat": 2}, {"flip": True}):
        with pytest.raises(ValueError, match="Invalid recipe field augmentation"):
            Recipe(augmentation=options)
