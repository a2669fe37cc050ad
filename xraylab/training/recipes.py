"""Recipes by name: every row of the slides and of the MXA paper, in two versions.

``…_as_published`` does what the source says it did, and names what it does not say; ``…_tuned`` is
what we would do with the same model. A tuned recipe is written as its differences from the
published one, its parent.
"""

import fnmatch
import json
from dataclasses import dataclass, replace

from xraylab.data import data_root
from xraylab.models import list_models
from xraylab.phantom.labels import SPLIT_SIZES
from xraylab.suggest import did_you_mean
from xraylab.training.recipe import Recipe
from xraylab.training.throughput import MEASURED, images_per_second

SLIDES_NOTE = (
    "The slides give the network, the loss of the proposed models, training from scratch and "
    "flips, rotations, zooms and translations. They give neither the loss of the baselines "
    "(cross-entropy is assumed), nor epochs, batch, optimiser, learning rate, λ, α and γ, nor the "
    "strength of the changes: those are ours."
)

PAPER_NOTE = (
    "Settings of the paper's appendix P; its RandAugment is approximated by that of Keras, see "
    "xraylab.training.augmentation.RandAugment. The paper's released run differs: a second sigmoid before the "
    "loss of the baseline, and a box head that no gradient reaches (chapter 18). CheXpert must be "
    "got from its publishers: set data_options.root to its folder. The teacher's public weights go "
    "into teachers/ in the data folder of xraylab, as chapter 13 tells; or set teacher to the file."
)


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe with what a reader should know before training by it.

    Attributes:
        name: what the command line calls it.
        recipe: the :class:`xraylab.training.Recipe`.
        parent: name of the recipe it was made from, or None.
        source: bibliography key of what it follows.
        note: what the source leaves open, or what was changed and why.
    """

    name: str
    recipe: Recipe
    parent: str | None
    source: str
    note: str

    @property
    def command(self):
        """The command line that trains by it."""
        root = " --set data_options.root=FOLDER" if self.recipe.data == "chexpert" else ""
        return f"xraylab train {self.name} --out runs/{self.name}{root}"

    @property
    def changes(self):
        """``{field: (parent's, own)}``; empty without a parent."""
        return {} if self.parent is None else get(self.parent).recipe.differences(self.recipe)

    def hours(self, machine):
        """Return the training hours on a machine of :data:`throughput.MEASURED`, or None.

        They follow from the measured speed of a step of this model as a classifier, at 64 px; None
        where it was not measured, or the recipe has another size or trains for something else.
        """
        speed = images_per_second(self.recipe.model, self.recipe.size, machine)
        images = self.recipe.num_images or SPLIT_SIZES["train"]
        measured = self.recipe.objective == "classification" and self.recipe.data == "chestmnist"
        if speed is None or not measured:
            return None
        return self.recipe.epochs * images / speed / 3600

    def describe(self):
        """Return a paragraph: what it is, its command, cost and expected score."""
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
                "Expected score: not run; no score is claimed before a recorded run.",
            ]
        )


def _slides():
    """Return the recipes of the slides' tables."""
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
    """Return the recipes of the MXA paper's ablation."""
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
    mxa = replace(baseline, model="efficientvit_m5_mxa", model_options={"arrangement": "authors"})
    taught = replace(
        mxa,
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
"""What our versions of all classifiers have in common."""

TUNED_NOTE = (
    "Ours: small turns and shifts and no mirror images; averaged weights; weight decay for kernels "
    "only; a bound on the gradient; {loss}. Chosen from common practice, not by a search."
)

WHY_LOSS = {
    "asymmetric": "the asymmetric loss, for findings are rare",
    "binary_focal_crossentropy": "the focal loss stays, for it is part of the model's description",
    "binary_crossentropy": "the cross-entropy stays, and uncertain labels are left out",
}


def _lt_vit():
    """Return our recipes for LT-ViT, whose source's settings are not known."""
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
    scratch = replace(pretraining, objective="classification", epochs=30, **TUNED)
    note = TUNED_NOTE.format(loss=WHY_LOSS[scratch.loss])
    yield "lt_vit_tiny_64_tuned", scratch, "marikkar2023", note


def _efficientvit():
    """Return our recipes for the smallest EfficientViT on small images, with MXA and without."""
    note = "The paper trains the largest model, at 224 px. " + TUNED_NOTE.format(
        loss=WHY_LOSS["asymmetric"]
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
    mxa = replace(plain, model="efficientvit_m0_mxa", model_options=options)
    yield "efficientvit_m0_mxa_64_tuned", mxa, "rand2025", note


def _tuned(published):
    """Return what we would do with the model of a published recipe."""
    changes = dict(TUNED)
    if published.model == "dbct":
        changes["loss"] = published.loss  # the focal loss is part of the model's description
    if published.data == "chexpert":
        # Findings are common in CheXpert; what is uncertain is left out, not believed.
        changes |= {"loss": "binary_crossentropy", "data_options": {"uncertain": "ignore"}}
        changes |= {"weight_decay": published.weight_decay, "adaptive_clip": None}
    if "arrangement" in published.model_options:
        changes["model_options"] = {**published.model_options, "arrangement": "paper"}
    return replace(published, **changes)


def _named():
    """Return every recipe by its name."""
    found = {}
    for row in (_slides, _paper):
        for stem, published, source, note in row():
            name = f"{stem}_as_published"
            found[name] = NamedRecipe(name, published, None, source, note)
            tuned = f"{stem}_tuned"
            recipe = _tuned(published)
            note = TUNED_NOTE.format(loss=WHY_LOSS[recipe.loss])
            found[tuned] = NamedRecipe(tuned, recipe, name, source, note)
    for row in (_efficientvit, _lt_vit):
        for name, recipe, source, note in row():
            found[name] = NamedRecipe(name, recipe, None, source, note)
    return found


RECIPES = _named()
"""All :class:`NamedRecipe` by name."""


def list_recipes(pattern="*"):
    """Return the names of the recipes; ``pattern`` filters them as a shell would."""
    return fnmatch.filter(RECIPES, pattern)


def get(name):
    """Return the :class:`NamedRecipe` of a name.

    Raises:
        ValueError: if there is none; the message names the nearest ones.
    """
    if name not in RECIPES:
        hint = did_you_mean(name, RECIPES, most=3) or "List them with: xraylab recipes"
        raise ValueError(f"unknown recipe {name!r}. {hint}")
    return RECIPES[name]


def find(name):
    """Return the :class:`Recipe` of a name: that of a recipe, or the plain one of a model.

    Raises:
        ValueError: if there is neither; the message names the nearest ones.
    """
    if name in RECIPES:
        return RECIPES[name].recipe
    if name in list_models():
        return Recipe(model=name)
    hint = did_you_mean(name, [*RECIPES, *list_models()], most=3)
    hint = hint or "List them with: xraylab recipes, xraylab models"
    raise ValueError(f"there is no recipe and no model {name!r}. {hint}")


def on_other_data(recipe, data):
    """Return a recipe for another source, without the options and label names of its own."""
    if recipe.data == data:
        return recipe
    return replace(recipe, data=data, data_options={}, label_names=None)


def override(recipe, settings):
    """Return a recipe with some fields changed by text, as the command line has them.

    Args:
        recipe: a :class:`xraylab.training.Recipe`.
        settings: texts as ``"epochs=3"`` or ``"data_options.root=images"``; what is right of the
            first ``=`` is read as JSON where it can be, else as text.

    Raises:
        ValueError: if a text has no ``=`` or names no field; the message names the nearest ones.
    """
    changes = {}
    for text in settings:
        path, equals, value = text.partition("=")
        name, dot, key = path.strip().partition(".")
        known = recipe.to_dict()
        if not equals or name not in known or (dot and not isinstance(known[name], dict)):
            hint = did_you_mean(name, known, most=3) or f"They are {', '.join(known)}"
            raise ValueError(
                f"{text!r} is no setting of a recipe; expected FIELD=VALUE or FIELD.KEY=VALUE, as "
                f"in epochs=3 or data_options.root=images. {hint}"
            )
        parsed = _parse(value)
        if dot:
            changes[name] = {**changes.get(name, known[name]), key: parsed}
        else:
            changes[name] = parsed
    return replace(recipe, **changes)


def _parse(value):
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
