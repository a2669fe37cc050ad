"""Named recipes: every row of the slides and of the MXA paper, in two versions.

``…_published`` follows the source; the recipe is made of the statements in
``xraylab.training.statements``, which say for each setting whether it is the source's, its public
code's or assumed. It is ``…_unreported`` where the source reports no result. ``…_tuned`` trains the
same model with current practice; it is defined by its differences from the published one, its
parent.
"""

import contextlib
import fnmatch
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from xraylab.data import data_root
from xraylab.models import list_models
from xraylab.phantom.labels import SPLIT_SIZES
from xraylab.suggest import did_you_mean
from xraylab.training import statements
from xraylab.training.recipe import Recipe
from xraylab.training.statements import Statement

_THROUGHPUT = resources.files("xraylab.training").joinpath("throughput.json").read_text()
THROUGHPUT: dict[str, dict[str, float]] = {
    machine: measured["images_per_second"]
    for machine, measured in json.loads(_THROUGHPUT)["machines"].items()
}
"""Images per second in training by machine and ``model@size``.

Written by ``benchmarks/train_throughput.py --write``.
"""

SLIDES_NOTE = (
    "The slides specify networks, data, augmentation and the losses of their own models; they do "
    "not specify how the models are trained."
)

PAPER_NOTE = (
    "Settings of the paper's appendix P, many of which are the defaults of EfficientViT's training "
    "script. Download CheXpert from its publishers and set data_options.root to its folder. "
    "The teacher's public weights belong in teachers/ in the data folder of xraylab (chapter 13); "
    "or set teacher to the file."
)

UNREPORTED_NOTE = "The slides report no result for this model at this size. " + SLIDES_NOTE


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe with its name, source and notes.

    Attributes:
        name: its name on the command line.
        recipe: the :class:`xraylab.training.Recipe`.
        parent: name of the recipe it is derived from, or None.
        source: bibliography key of its source.
        note: what the source leaves open, or what was changed and why.
        statements: a :class:`Statement` for each setting; empty for recipes of ours.
    """

    name: str
    recipe: Recipe
    parent: str | None
    source: str
    note: str
    statements: tuple[Statement, ...] = ()

    @property
    def command(self) -> str:
        """The command line that trains it."""
        root = " --set data_options.root=FOLDER" if self.recipe.data == "chexpert" else ""
        start = " --set start_from=RUN" if self.recipe.start_from else ""
        return f"xraylab train {self.name} --out runs/{self.name}{root}{start}"

    @property
    def changes(self) -> dict[str, tuple]:
        """``{field: (parent's value, own value)}``; empty without a parent."""
        return {} if self.parent is None else get(self.parent).recipe.differences(self.recipe)

    def hours(self, machine: str) -> float | None:
        """Estimate the training hours on a machine of :data:`THROUGHPUT`.

        None unless the recipe trains a classifier on ChestMNIST at a size whose throughput was
        measured.
        """
        recipe = self.recipe
        speed = THROUGHPUT.get(machine, {}).get(f"{recipe.model}@{recipe.size}")
        if speed is None or (recipe.objective, recipe.data) != ("classification", "chestmnist"):
            return None
        return recipe.epochs * (recipe.num_images or SPLIT_SIZES["train"]) / speed / 3600

    def describe(self) -> str:
        """Return a paragraph: source, note, command and cost."""
        hours = {machine: self.hours(machine) for machine in THROUGHPUT}
        costs = [f"{number:.1f} h on {name}" for name, number in hours.items() if number]
        return (
            f"{self.name} (after {self.source})\n{self.note}\nCommand: {self.command}\n"
            f"Cost of training: {', '.join(costs) or 'not measured'}."
        )


SIZES = (64, 128, 224)
"""Sides of the slides' images in pixels."""

UNREPORTED = ("medvit_large_64", "medvit_large_128", "hybrid_rr_vit_224")
"""Rows for which the slides report no result."""

TUNED = {
    "loss": "asymmetric",
    "weight_decay": 0.05,
    "warmup": 0.1,
    "decay_exclusions": True,
    "global_clip": 1.0,
    "warmup_within_cosine": False,
    "ema": 0.999,
    "ema_warmup": True,
    "sum_over_labels": False,
    "augmentation": {"presets": "cxr"},
    "precision": "auto",
    "model_options": {},
}
"""Fields that all tuned recipes share."""

TUNED_NOTES = {
    loss: "Ours: small rotations and translations without mirroring; averaged weights; weight "
    f"decay for kernels only; gradient clipping; {note}. Chosen from common practice, not by a "
    "search."
    for loss, note in {
        "asymmetric": "the asymmetric loss, because findings are rare",
        "binary_focal_crossentropy": "the focal loss of the model's description",
        "binary_crossentropy": "cross-entropy, with uncertain labels treated as unknown",
    }.items()
}

FINE_TUNING_NOTE = (
    "The source pre-trains on ChestX-ray14 and fine-tunes on it and on CheXpert; its settings are "
    "not known. Set start_from to your run of lt_vit_tiny_64_pretraining. "
)

SMALL_NOTE = "The paper trains the largest model, at 224 px. " + TUNED_NOTES["asymmetric"]

OURS_COMMON = {"data": "chestmnist", "size": 64, "epochs": 30, "batch_size": 64}

SMALL = {"model": "efficientvit_m0", "learning_rate": 1e-3, **TUNED}
SMALL_MXA = SMALL | {"model": "efficientvit_m0_mxa", "model_options": {"arrangement": "paper"}}
LT_VIT = {"model": "lt_vit_tiny", "learning_rate": 5e-4, **TUNED}
FINE_TUNING = LT_VIT | {
    "learning_rate": 1e-4,
    "start_from": str(data_root() / "pretrained" / "lt_vit_tiny_64_pretraining"),
}
CHEXPERT = {"data": "chexpert", "data_options": {"uncertain": "ignore"}}
PRETRAINING = {
    "model": "lt_vit_tiny",
    "learning_rate": 5e-4,
    "objective": "masked_reconstruction",
    "epochs": 100,
    "weight_decay": 0.05,
    "precision": "auto",
}

OURS = (
    ("efficientvit_m0_64_tuned", SMALL, "rand2025", SMALL_NOTE),
    ("efficientvit_m0_mxa_64_tuned", SMALL_MXA, "rand2025", SMALL_NOTE),
    ("lt_vit_tiny_64_pretraining", PRETRAINING, "marikkar2023", "Everything here is ours."),
    ("lt_vit_tiny_64_tuned", LT_VIT, "marikkar2023", TUNED_NOTES["asymmetric"]),
    (
        "vit_tiny_64_tuned",
        LT_VIT | {"model": "vit_tiny"},
        "marikkar2023",
        "The source compares LT-ViT with it. " + TUNED_NOTES["asymmetric"],
    ),
    (
        "lt_vit_tiny_64_from_pretraining",
        FINE_TUNING,
        "marikkar2023",
        FINE_TUNING_NOTE + TUNED_NOTES["asymmetric"],
    ),
    (
        "lt_vit_tiny_64_chexpert_from_pretraining",
        FINE_TUNING | CHEXPERT | {"loss": "binary_crossentropy"},
        "marikkar2023",
        FINE_TUNING_NOTE + TUNED_NOTES["binary_crossentropy"],
    ),
)
"""Name, fields, source and note of models whose sources publish no settings at this size."""


def _tuned(published: Recipe) -> Recipe:
    """Return our version of a published recipe."""
    changes: dict[str, Any] = dict(TUNED)
    if published.model == "dbct":
        changes["loss"] = published.loss
    if published.data == "chexpert":
        # Findings are common in CheXpert.
        changes |= {"loss": "binary_crossentropy", **CHEXPERT}
        changes |= {"weight_decay": published.weight_decay, "adaptive_clip": None}
    if "arrangement" in published.model_options:
        changes["model_options"] = {"arrangement": "paper"}
    return published.replace(**changes)


def _published(system: str, size: int) -> NamedRecipe:
    """Return the recipe that a source describes."""
    stated = statements.statements(system, size)
    stem = f"{system}_{size}"
    if system not in statements.SLIDES:
        name, source, note = f"{stem}_published", "rand2025", PAPER_NOTE
    elif stem in UNREPORTED:
        name, source, note = f"{stem}_unreported", "pham2026", UNREPORTED_NOTE
    else:
        name, source, note = f"{stem}_published", "pham2026", SLIDES_NOTE
    return NamedRecipe(name, statements.to_recipe(stated), None, source, note, stated)


def _all_recipes() -> Iterator[NamedRecipe]:
    """Yield every recipe."""
    for system in statements.SYSTEMS:
        for size in SIZES if system in statements.SLIDES else (224,):
            parent = _published(system, size)
            tuned = _tuned(parent.recipe)
            yield parent
            name, note = f"{system}_{size}_tuned", TUNED_NOTES[tuned.loss]
            yield NamedRecipe(name, tuned, parent.name, parent.source, note)
    for name, fields, source, note in OURS:
        yield NamedRecipe(name, Recipe(**OURS_COMMON | fields), None, source, note)


RECIPES: dict[str, NamedRecipe] = {named.name: named for named in _all_recipes()}
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
    if name in list_models():
        return Recipe(model=name)
    if name not in RECIPES:
        names = [*RECIPES, *list_models()]
        raise _unknown("recipe or model", name, names, "xraylab recipes, xraylab models")
    return RECIPES[name].recipe


def _unknown(kind: str, name: str, names: Iterable[str], command: str) -> ValueError:
    names = list(names)
    hint = did_you_mean(name, names, most=3) or f"List them with: {command}"
    return ValueError(f"Unknown {kind}. Expected: one of {len(names)}. Received: {name!r}. {hint}")


def override(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return a recipe with some fields changed by text, as on the command line.

    Args:
        recipe: the recipe.
        settings: texts such as ``"epochs=3"`` or ``"data_options.root=images"``. Values are parsed
            as JSON if possible, and are text otherwise.

    Raises:
        ValueError: if a text has no ``=`` or no known field; the message suggests names.
    """
    changes: dict[str, Any] = {}
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
        parsed: Any = value
        with contextlib.suppress(json.JSONDecodeError):
            parsed = json.loads(value)
        changes[name] = {**changes.get(name, known[name]), key: parsed} if dot else parsed
    return recipe.replace(**changes)
