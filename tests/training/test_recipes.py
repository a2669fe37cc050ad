"""Named recipes: every row of the sources in two versions, and changes by text."""

import pytest

from xraylab.models import spec
from xraylab.training import Recipe, augmentation, recipes


def test_every_row_of_the_sources_has_two_versions():
    slides = ("resnet50", "densenet121", "efficientnet_b0", "medvit_large", "dbct", "rr_vit")
    stems = [f"{model}_{size}" for model in (*slides, "hybrid_rr_vit") for size in (64, 128, 224)]
    stems += [f"efficientvit_m5{part}_224" for part in ("", "_mxa", "_mxa_kd")]
    for stem in stems:
        published = recipes.get(f"{stem}_published")
        tuned = recipes.get(f"{stem}_tuned")
        assert tuned.parent == published.name
        assert published.parent is None
        assert published.changes == {}
        assert tuned.changes
        model = stem.rsplit("_", 1)[0].removesuffix("_kd")
        assert published.recipe.model == tuned.recipe.model == model
        assert published.recipe.size == tuned.recipe.size == int(stem.rsplit("_", 1)[1])


def test_published_recipes_follow_their_sources():
    published = recipes.get("efficientvit_m5_mxa_kd_224_published").recipe
    assert (published.batch_size, published.epochs, published.weight_decay) == (512, 50, 0.025)
    assert (published.learning_rate, published.final_learning_rate) == (1e-3, 1e-5)
    assert (published.warmup * 50, published.cooldown * 50) == (5, 10)
    assert (published.adaptive_clip, published.ema) == (0.02, 0.99996)
    assert (published.distillation_weight, published.temperature) == (0.5, 1.0)
    assert (published.data, published.label_names) == ("chexpert", None)  # its own 14
    assert published.model_options["arrangement"] == "authors"
    (layer,) = augmentation.build(**published.augmentation)
    assert layer.magnitude == 5
    assert recipes.get("dbct_64_published").recipe.loss == "binary_focal_crossentropy"
    slides = augmentation.build(**recipes.get("rr_vit_64_published").recipe.augmentation)
    kinds = [type(layer).__name__ for layer in slides]
    assert kinds == ["RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation"]


@pytest.mark.parametrize("name", recipes.list_recipes())
def test_every_recipe_is_complete(name):
    named = recipes.get(name)
    spec(named.recipe.model)
    if named.recipe.augmentation:
        kinds = {type(layer).__name__ for layer in augmentation.build(**named.recipe.augmentation)}
        assert name.endswith("_published") or "RandomFlip" not in kinds
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


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=3", "Did you mean 'epochs"),
        ("epochs", "Expected: FIELD=VALUE"),
        ("epochs.much=3", "Expected: FIELD=VALUE"),
        ("epochs=many", "Invalid recipe field epochs"),
    ],
)
def test_invalid_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        recipes.override(Recipe(), [setting])


def test_unknown_names():
    with pytest.raises(ValueError, match="Did you mean 'rr_vit_64_tuned"):
        recipes.get("rr_vit_64_tune")
    with pytest.raises(ValueError, match="Did you mean 'rr_vit"):
        recipes.find("rr_vti")
