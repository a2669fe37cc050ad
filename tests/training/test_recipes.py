"""Named recipes: every row of the sources in two versions, their statements, changes by text."""

import math
from pathlib import Path

import pytest

from xraylab import losses, training
from xraylab.models import spec
from xraylab.results import published
from xraylab.training import Recipe, augmentation, recipes
from xraylab.training.statements import STATUSES

AS_PUBLISHED = [name for name, named in recipes.RECIPES.items() if named.statements]


def test_every_row_of_the_sources_has_two_versions():
    """Rows without a result are called unreported."""
    slides = ("resnet50", "densenet121", "efficientnet_b0", "medvit_large", "dbct", "rr_vit")
    stems = [f"{model}_{size}" for model in (*slides, "hybrid_rr_vit") for size in (64, 128, 224)]
    stems += [f"efficientvit_m5{part}_224" for part in ("", "_mxa", "_mxa_kd")]
    reported = {f"{row.model}_{row.size}" for row in published()}
    for stem in stems:
        parent = recipes.get(f"{stem}_{'published' if stem in reported else 'unreported'}")
        tuned = recipes.get(f"{stem}_tuned")
        assert tuned.parent == parent.name
        assert parent.parent is None
        assert parent.changes == {}
        assert tuned.changes
        assert parent.statements and not tuned.statements
        model = stem.rsplit("_", 1)[0].removesuffix("_kd")
        assert parent.recipe.model == tuned.recipe.model == model
        assert parent.recipe.size == tuned.recipe.size == int(stem.rsplit("_", 1)[1])
    assert len(AS_PUBLISHED) == len(stems)


def unused(recipe):
    """Return the fields that have no effect on a recipe's result."""
    names = {"accumulation", "xla"}
    names |= {name for name in ("start_from", "num_images", "label_names", "teacher")
              if getattr(recipe, name) is None}  # fmt: skip
    names |= {name for name in ("data_options", "model_options", "teacher_options")
              if not getattr(recipe, name)}  # fmt: skip
    if recipe.objective != "distillation":
        names |= {"teacher_options", "distillation_weight", "temperature"}
    if "rr_vit" not in recipe.model:
        names.add("reconstruction_weight")
    if not losses.option_names(recipe.loss):
        names.add("loss_options")
    if recipe.ema is None:
        names.add("ema_warmup")
    return names


@pytest.mark.parametrize("name", AS_PUBLISHED)
def test_statements_describe_the_recipe(name):
    """Every setting that has an effect has a statement, with the value that it has."""
    recipe, statements = recipes.get(name).recipe, recipes.get(name).statements
    fields = recipe.to_dict()
    for statement in statements:
        field, _, key = statement.field.partition(".")
        value = fields[field][key] if key else fields[field]
        assert value == statement.value, statement.field
        assert statement.status in STATUSES and statement.reason
    stated = {statement.field for statement in statements}
    assert {field.partition(".")[0] for field in stated} == set(fields) - unused(recipe)
    for field in ("data_options", "model_options", "teacher_options"):
        assert {f"{field}.{key}" for key in fields[field]} <= stated


def test_the_mxa_paper_is_followed():
    """Numbers and rules of appendices B, C, F, H and P."""
    named = recipes.get("efficientvit_m5_mxa_kd_224_published")
    recipe = named.recipe
    assert (recipe.batch_size, recipe.epochs, recipe.weight_decay) == (512, 50, 0.025)
    assert (recipe.learning_rate, recipe.final_learning_rate) == (1e-3, 1e-5)
    assert recipe.warmup * 50 == 5
    assert (recipe.adaptive_clip, recipe.ema, recipe.ema_warmup) == (0.02, 0.99996, False)
    assert (recipe.distillation_weight, recipe.temperature) == (0.5, 1.0)
    assert recipe.sum_over_labels
    assert (recipe.data, recipe.label_names) == ("chexpert", None)  # its own 14
    assert recipe.data_options == {
        "uncertain": "ones", "preset_split": True, "frontal_only": False, "square": "stretch",
    }  # fmt: skip
    assert recipe.model_options["arrangement"] == "authors"
    assert Path(str(recipe.teacher)).stem == "densenet121-res224-chex"
    (layer,) = augmentation.build(**recipe.augmentation)
    assert layer.magnitude == 5
    tuned = recipes.get("efficientvit_m5_mxa_kd_224_tuned").recipe
    assert tuned.ema_warmup and not tuned.sum_over_labels
    assert tuned.data_options == {"uncertain": "ignore"}


def test_the_remaining_share_of_initial_weights_is_stated():
    """CheXpert's train.csv lists 223,414 images."""
    named = recipes.get("efficientvit_m5_224_published")
    decay = named.recipe.ema or 0.0
    steps = named.recipe.epochs * (223_414 // named.recipe.batch_size)
    (reason,) = [statement.reason for statement in named.statements if statement.field == "ema"]
    assert f"{round(steps, -2):,} steps" in reason
    assert f"{100 * decay**steps:.0f} %" in reason
    assert math.exp(-0.00004 * steps) == pytest.approx(decay**steps, rel=1e-3)


def test_the_slides_are_followed():
    dbct = recipes.get("dbct_64_published").recipe
    assert (dbct.loss, dbct.model_options) == ("binary_focal_crossentropy", {"residual": False})
    assert recipes.get("dbct_64_tuned").recipe.model_options == {}
    slides = augmentation.build(**recipes.get("rr_vit_64_published").recipe.augmentation)
    kinds = [type(layer).__name__ for layer in slides]
    assert kinds == ["RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation"]


@pytest.mark.parametrize("data", ["chestmnist", "chexpert"])
def test_fine_tuning_continues_the_pre_training(data):
    """On both collections of the source; the user sets the run to start from."""
    infix = "" if data == "chestmnist" else "_chexpert"
    named = recipes.get(f"lt_vit_tiny_64{infix}_from_pretraining")
    pretraining = recipes.get("lt_vit_tiny_64_pretraining").recipe
    assert (named.recipe.model, named.recipe.size) == (pretraining.model, pretraining.size)
    assert (named.recipe.data, pretraining.objective) == (data, "masked_reconstruction")
    assert named.command.endswith("--set start_from=RUN")
    assert "start_from" in named.note


@pytest.mark.parametrize("name", recipes.list_recipes())
def test_every_recipe_is_complete(name):
    named = recipes.get(name)
    spec(named.recipe.model)
    if named.recipe.augmentation:
        kinds = {type(layer).__name__ for layer in augmentation.build(**named.recipe.augmentation)}
        assert named.statements or "RandomFlip" not in kinds
    assert Recipe(**named.recipe.to_dict()) == named.recipe
    text = named.describe()
    for words in (named.command, named.source, "Cost of training"):
        assert words in text


def test_cost_is_images_over_speed(monkeypatch):
    monkeypatch.setattr(recipes, "THROUGHPUT", {"any": {"rr_vit@64": 100.0}})
    assert recipes.get("rr_vit_64_tuned").hours("any") == pytest.approx(30 * 78_468 / 100 / 3600)
    assert recipes.get("rr_vit_64_tuned").hours("other") is None
    assert recipes.get("efficientvit_m5_224_tuned").hours("any") is None  # images not counted here


def test_speeds_come_from_the_table():
    for measured in recipes.THROUGHPUT.values():
        assert measured["rr_vit@64"] > 0


def test_overriding():
    recipe = recipes.find("rr_vit_64_tuned")
    changed = recipes.override(
        recipe, ["epochs=3", "ema=null", "augmentation.rotate=2", "loss=binary_focal_crossentropy"]
    )
    assert (changed.epochs, changed.ema, changed.loss) == (3, None, "binary_focal_crossentropy")
    assert changed.augmentation == {"presets": "cxr", "rotate": 2}
    same = changed.replace(
        epochs=30, ema=0.999, loss="asymmetric", augmentation=recipe.augmentation
    )
    assert same == recipe
    assert recipes.find("rr_vit") == Recipe(model="rr_vit")


def test_a_named_recipe_is_public():
    recipe = training.get_recipe("rr_vit_64_tuned", epochs=3)
    assert recipe == recipes.get("rr_vit_64_tuned").recipe.replace(epochs=3)
    assert training.get_recipe("rr_vit") == Recipe(model="rr_vit")
    with pytest.raises(ValueError, match="Did you mean 'epochs'"):
        training.get_recipe("rr_vit", epoch=3)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=3", "Did you mean 'epochs"),
        ("epochs", "Expected: FIELD=VALUE.*epochs has no value"),
        ("epochs.much=3", "Expected: FIELD=VALUE"),
        ("epochs=many", "Invalid recipe field epochs"),
        ("weights=pretrained", r"Did you mean 'start_from'\?$"),
        ("seed=2", "Two settings of seed"),
    ],
)
def test_invalid_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        recipes.override(Recipe(), ["seed=1", setting])


def test_unknown_names():
    with pytest.raises(ValueError, match="Did you mean 'rr_vit_64_tuned"):
        recipes.get("rr_vit_64_tune")
    with pytest.raises(ValueError, match="Did you mean 'rr_vit"):
        recipes.find("rr_vti")
