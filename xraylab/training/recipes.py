"""Named recipes: every row of the slides and of the MXA paper, in two versions.

``…_as_published`` follows the source, and its note lists what the source leaves open; ``…_tuned``
trains the same model with current practice. A tuned recipe is defined by its differences from the
published one, its parent.
"""

import fnmatch
import json
from collections.abc import Iterable
from dataclasses import dataclass

from xraylab.data import data_root
from xraylab.models import list_models
from xraylab.phantom.labels import SPLIT_SIZES
from xraylab.suggest import did_you_mean
from xraylab.training.recipe import Recipe
from xraylab.training.throughput import MEASURED, images_per_second

SLIDES_NOTE = (
    "The slides specify the network, the loss of the proposed models, training from scratch, and "
    "augmentation by flips, rotations, zooms and translations. They do not specify the loss of the "
    "baselines (cross-entropy is assumed), epochs, batch size, optimizer, learning rate, λ, α, γ "
    "and the strength of the augmentation: these values are ours."
)

PAPER_NOTE = (
    "Settings of the paper's appendix P; its RandAugment is approximated by that of Keras, see "
    "xraylab.training.augmentation.RandAugment. The paper's released code differs: a second sigmoid before the "
    "loss of the baseline, and a region-proposal head without a gradient (chapter 18). Download "
    "CheXpert from its publishers and set data_options.root to its folder. The teacher's public "
    "weights belong in teachers/ in the data folder of xraylab (chapter 13); or set teacher to the "
    "file."
)


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe with its name, source and notes.

    Attributes:
        name: its name on the command line.
        recipe: the :class:`xraylab.training.Recipe`.
        parent: name of the recipe it is derived from, or None.
        source: bibliography key of its source.
        note: what the source leaves open, or what was changed and why.
    """

    name: str
    recipe: Recipe
    parent: str | None
    source: str
    note: str

    @property
    def command(self) -> str:
        """The command line that trains it."""
        root = " --set data_options.root=FOLDER" if self.recipe.data == "chexpert" else ""
        return f"xraylab train {self.name} --out runs/{self.name}{root}"

    @property
    def changes(self) -> dict[str, tuple]:
        """``{field: (parent's value, own value)}``; empty without a parent."""
        return {} if self.parent is None else get(self.parent).recipe.differences(self.recipe)

    def hours(self, machine: str) -> float | None:
        """Estimate the training hours on a machine of :data:`throughput.MEASURED`.

        None unless the recipe trains a classifier on ChestMNIST at a size whose throughput was
        measured.
        """
        speed = images_per_second(self.recipe.model, self.recipe.size, machine)
        images = self.recipe.num_images or SPLIT_SIZES["train"]
        measured = self.recipe.objective == "classification" and self.recipe.data == "chestmnist"
        if speed is None or not measured:
            return None
        return self.recipe.epochs * images / speed / 3600

    def describe(self) -> str:
        """Return a paragraph: note, command, cost and expected score."""
        costs = [
            f"{hours:.1f} h on {machine}"
            for machine in MEASURED
            if (hours := self.hours(machine)) is not None
        ]
        return "\n".join(
            [
                f"{self.name} (after {self.source})",
                self.note,
                f"Command: {self.command}",
                f"Cost of training: {', '.join(costs) or 'not measured'}.",
                "Expected score: unknown until a run has been recorded.",
            ]
        )


def _slides():
    """Yield the recipes of the slides' tables: stem, recipe, source and note."""
    rows = {
        "resnet50": {"learning_rate": 1e-3},
        "densenet121": {"learning_rate": 1e-3},
        "efficientnet_b0": {"learning_rate": 1e-3},
        "medvit_large": {"learning_rate": 5e-4},
        "dbct": {"learning_rate": 5e-4, "loss": "binary_focal_crossentropy"},
        "rr_vit": {"learning_rate": 1e-3},
        "hybrid_rr_vit": {"learning_rate": 5e-4},
    }
    for model, changes in rows.items():
        for size in (64, 128, 224):
            published = Recipe(
                model=model,
                data="chestmnist",
                size=size,
                epochs=30,
                batch_size=64,
                weight_decay=1e-4,
                decay_exclusions=False,
                augmentation={"presets": "slides"},
                **changes,
            )
            yield f"{model}_{size}", published, "pham2026", SLIDES_NOTE


def _paper():
    """Yield the recipes of the MXA paper's ablation."""
    baseline = Recipe(
        model="efficientvit_m5",
        data="chexpert",
        data_options={"uncertain": "ones"},
        size=224,
        epochs=50,
        batch_size=512,
        learning_rate=1e-3,
        final_learning_rate=1e-5,
        warmup=0.1,  # 5 of 50 epochs
        cooldown=0.2,  # 10 of 50 epochs
        weight_decay=0.025,
        adaptive_clip=0.02,
        ema=0.99996,
        augmentation={"presets": "randaugment"},
        precision="auto",
    )
    mxa = baseline.replace(model="efficientvit_m5_mxa", model_options={"arrangement": "authors"})
    taught = mxa.replace(
        objective="distillation",
        teacher=str(data_root() / "teachers" / "densenet121-res224-chex.safetensors"),
        teacher_options={"trained": "chex"},
        distillation_weight=0.5,
        temperature=1.0,
    )
    yield "efficientvit_m5_224", baseline, "rand2025", PAPER_NOTE
    yield "efficientvit_m5_mxa_224", mxa, "rand2025", PAPER_NOTE
    yield "efficientvit_m5_mxa_kd_224", taught, "rand2025", PAPER_NOTE


TUNED = {
    "loss": "asymmetric",
    "weight_decay": 0.05,
    "warmup": 0.1,
    "decay_exclusions": True,
    "global_clip": 1.0,
    "ema": 0.999,
    "augmentation": {"presets": "images"},
    "precision": "auto",
}
"""Fields that all tuned recipes share."""

TUNED_NOTE = (
    "Ours: small rotations and translations without mirroring; averaged weights; weight decay for "
    "kernels only; gradient clipping; {loss}. Chosen from common practice, not by a search."
)

LOSS_NOTES = {
    "asymmetric": "the asymmetric loss, because findings are rare",
    "binary_focal_crossentropy": "the focal loss of the model's description",
    "binary_crossentropy": "cross-entropy, with uncertain labels treated as unknown",
}


def _lt_vit():
    """Yield our recipes for LT-ViT, whose source does not publish its settings."""
    pretraining = Recipe(
        model="lt_vit_tiny",
        data="chestmnist",
        size=64,
        objective="masked_reconstruction",
        epochs=100,
        batch_size=64,
        learning_rate=5e-4,
        weight_decay=0.05,
        precision="auto",
    )
    yield "lt_vit_tiny_64_pretraining", pretraining, "marikkar2023", "Everything here is ours."
    scratch = pretraining.replace(objective="classification", epochs=30, **TUNED)
    note = TUNED_NOTE.format(loss=LOSS_NOTES[scratch.loss])
    yield "lt_vit_tiny_64_tuned", scratch, "marikkar2023", note


def _efficientvit():
    """Yield our recipes for the smallest EfficientViT on small images, with and without MXA."""
    note = "The paper trains the largest model, at 224 px. " + TUNED_NOTE.format(
        loss=LOSS_NOTES["asymmetric"]
    )
    plain = Recipe(
        model="efficientvit_m0",
        data="chestmnist",
        size=64,
        epochs=30,
        batch_size=64,
        learning_rate=1e-3,
        **TUNED,
    )
    yield "efficientvit_m0_64_tuned", plain, "rand2025", note
    options = {"arrangement": "paper"}
    mxa = plain.replace(model="efficientvit_m0_mxa", model_options=options)
    yield "efficientvit_m0_mxa_64_tuned", mxa, "rand2025", note


def _tuned(published):
    """Return our version of a published recipe."""
    changes = dict(TUNED)
    if published.model == "dbct":
        changes["loss"] = published.loss
    if published.data == "chexpert":
        # Findings are common in CheXpert.
        changes |= {"loss": "binary_crossentropy", "data_options": {"uncertain": "ignore"}}
        changes |= {"weight_decay": published.weight_decay, "adaptive_clip": None}
    if "arrangement" in published.model_options:
        changes["model_options"] = {**published.model_options, "arrangement": "paper"}
    return published.replace(**changes)


def _all_recipes():
    """Return every recipe by name."""
    found = {}
    for row in (_slides, _paper):
        for stem, published, source, note in row():
            name = f"{stem}_as_published"
            found[name] = NamedRecipe(name, published, None, source, note)
            tuned = f"{stem}_tuned"
            recipe = _tuned(published)
            note = TUNED_NOTE.format(loss=LOSS_NOTES[recipe.loss])
            found[tuned] = NamedRecipe(tuned, recipe, name, source, note)
    for row in (_efficientvit, _lt_vit):
        for name, recipe, source, note in row():
            found[name] = NamedRecipe(name, recipe, None, source, note)
    return found


RECIPES: dict[str, NamedRecipe] = _all_recipes()
"""All :class:`NamedRecipe` by name."""


def list_recipes(pattern: str = "*") -> list[str]:
    """Return the names of the recipes that match a shell-style pattern."""
    return fnmatch.filter(RECIPES, pattern)


def get(name: str) -> NamedRecipe:
    """Return the :class:`NamedRecipe` of a name.

    Raises:
        ValueError: if there is none; the message suggests names.
    """
    if name not in RECIPES:
        raise _unknown("recipe", name, RECIPES, "xraylab recipes")
    return RECIPES[name]


def find(name: str) -> Recipe:
    """Return a named recipe, or the default recipe of a model.

    Raises:
        ValueError: if there is neither; the message suggests names.
    """
    if name in RECIPES:
        return RECIPES[name].recipe
    if name in list_models():
        return Recipe(model=name)
    names = [*RECIPES, *list_models()]
    raise _unknown("recipe or model", name, names, "xraylab recipes, xraylab models")


def _unknown(kind, name, names, command):
    hint = did_you_mean(name, names, most=3) or f"List them with: {command}"
    return ValueError(f"Unknown {kind}. Expected: one of {len(names)}. Received: {name!r}. {hint}")


def on_other_data(recipe: Recipe, data: str) -> Recipe:
    """Return a recipe with another data source, without data options and label names."""
    if recipe.data == data:
        return recipe
    return recipe.replace(data=data, data_options={}, label_names=None)


def override(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return a recipe with some fields changed by text, as on the command line.

    Args:
        recipe: the recipe.
        settings: texts such as ``"epochs=3"`` or ``"data_options.root=images"``. Values are parsed
            as JSON if possible, and are text otherwise.

    Raises:
        ValueError: if a text has no ``=`` or no known field; the message suggests names.
    """
    changes = {}
    for text in settings:
        path, equals, value = text.partition("=")
        name, dot, key = path.strip().partition(".")
        known = recipe.to_dict()
        if not equals or name not in known or (dot and not isinstance(known[name], dict)):
            hint = did_you_mean(name, known, most=3) or f"The fields are {', '.join(known)}"
            raise ValueError(
                "Invalid setting of a recipe. Expected: FIELD=VALUE or FIELD.KEY=VALUE, as in "
                f"epochs=3 or data_options.root=images. Received: {text!r}. {hint}"
            )
        parsed = _parse(value)
        if dot:
            changes[name] = {**changes.get(name, known[name]), key: parsed}
        else:
            changes[name] = parsed
    return recipe.replace(**changes)


def _parse(value):
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
