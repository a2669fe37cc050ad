"""Recipes refuse what cannot be trained, survive JSON, and tell their differences."""

import json

import pytest

from xraylab.training import Recipe


def test_round_trip_through_json():
    recipe = Recipe(data="images.npz", epochs=3, label_names=("a", "b"))
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_a_file_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Recipe(data="images.npz").data == str((tmp_path / "images.npz").resolve())
    assert Recipe(data="phantom").data == "phantom"


def test_differences():
    recipe = Recipe(epochs=3, seed=1)
    assert recipe.differences(recipe) == {}
    assert recipe.differences(Recipe(epochs=5, seed=1)) == {"epochs": (3, 5)}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "epochs must be a whole number of at least 1; 0 came"),
        ("batch_size", -1, "batch_size must be a whole number"),
        ("seed", -1, "seed must be"),
        ("learning_rate", 0.0, "learning_rate must be above 0"),
        ("learning_rate", float("nan"), "learning_rate must be above 0; nan came"),
        ("weight_decay", -0.1, "weight_decay must be 0 or above"),
        ("reconstruction_weight", -1.0, "reconstruction_weight must be 0 or above"),
        (
            "loss",
            "focal",
            "loss must be one of binary_crossentropy, weighted_binary_crossentropy, binary_focal_crossentropy",
        ),
        ("warmup", 1.0, r"warmup must be in \[0, 1\)"),
        ("num_images", 0, "num_images must be at least 1"),
        ("epochs", 2.5, "epochs must be a whole number of at least 1; 2.5 came"),
        ("size", -3, "size must be a whole number of at least 1; -3 came"),
        ("seed", 2**32, "seed must be a whole number from 0 to"),
        ("label_names", "abc", "label_names must be several names; 'abc' came"),
        ("learning_rate", "fast", "learning_rate must be above 0; 'fast' came"),
        ("ema", "yes", r"ema must be in \(0, 1\), or None; 'yes' came"),
        ("global_clip", "x", "global_clip must be above 0, or None"),
    ],
)
def test_out_of_range(field, value, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{field: value})


def test_a_recipe_from_before_there_was_a_choice_of_loss():
    values = Recipe(epochs=3).to_dict()
    del values["loss"]
    assert Recipe.from_dict(values) == Recipe(epochs=3, loss="binary_crossentropy")


def test_recipe_of_another_version():
    with pytest.raises(ValueError, match=r"does not know: \['mixup'\]"):
        Recipe.from_dict(Recipe().to_dict() | {"mixup": 0.2})


def test_two_numbers_of_images():
    with pytest.raises(ValueError, match="num_images=5 and num_images in data_options"):
        Recipe(num_images=5, data_options={"num_images": {"train": 4}})
