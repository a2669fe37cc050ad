"""Named recipes: every row of the slides and of the MXA paper, in two versions.

``…_published`` follows the source, and its note lists what the source leaves open; ``…_tuned``
trains the same model with current practice. A tuned recipe is defined by its differences from the
published one, its parent.
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
from xraylab.training.recipe import Recipe

_THROUGHPUT = resources.files("xraylab.training").joinpath("throughput.json").read_text()
THROUGHPUT: dict[str, dict[str, float]] = {
    machine: measured["images_per_second"]
    for machine, measured in json.loads(_THROUGHPUT)["machines"].items()
}
"""Images per second in training by machine and ``model@size``.

Written by ``benchmarks/train_throughput.py --write``.
"""

SLIDES_NOTE = (
    "The slides specify the network, the loss of the proposed models, training from scratch, and "
    "augmentation by flips, rotations, zooms and translations. They do not specify the loss of the "
    "baselines (cross-entropy is assumed), epochs, batch size, optimizer, learning rate, λ, α, γ "
    "and the strength of the augmentation: these values are ours."
)

PAPER_NOTE = (
    "Settings of the paper's appendix P; its RandAugment is approximated by that of Keras, see "
    "xraylab.training.augmentation.RandAugment. The paper's released code differs: a second "
    "sigmoid before the loss of the baseline, and a region-proposal head without a gradient "
    "(chapter 18). Download CheXpert from its publishers and set data_options.root to its folder. "
    "The teacher's public weights belong in teachers/ in the data folder of xraylab (chapter 13); "
    "or set teacher to the file."
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


SLIDES = {
    "resnet50": {"learning_rate": 1e-3},
    "densenet121": {"learning_rate": 1e-3},
    "efficientnet_b0": {"learning_rate": 1e-3},
    "medvit_large": {"learning_rate": 5e-4},
    "dbct": {"learning_rate": 5e-4, "loss": "binary_focal_crossentropy"},
    "rr_vit": {"learning_rate": 1e-3},
    "hybrid_rr_vit": {"learning_rate": 5e-4},
}
"""Fields of the slides' models; each has three sizes."""

SLIDES_COMMON = {
    "data": "chestmnist",
    "epochs": 30,
    "batch_size": 64,
    "weight_decay": 1e-4,
    "decay_exclusions": False,
    "augmentation": {"presets": "slides"},
}

PAPER_COMMON = {
    "data": "chexpert",
    "data_options": {"uncertain": "ones"},
    "size": 224,
    "epochs": 50,
    "batch_size": 512,
    "learning_rate": 1e-3,
    "final_learning_rate": 1e-5,
    "warmup": 0.1,  # 5 of 50 epochs
    "cooldown": 0.2,  # 10 of 50 epochs
    "weight_decay": 0.025,
    "adaptive_clip": 0.02,
    "ema": 0.99996,
    "augmentation": {"presets": "randaugment"},
    "precision": "auto",
}

MXA = {"model": "efficientvit_m5_mxa", "model_options": {"arrangement": "authors"}}

PAPER = {
    "efficientvit_m5_224": {"model": "efficientvit_m5"},
    "efficientvit_m5_mxa_224": MXA,
    "efficientvit_m5_mxa_kd_224": {
        **MXA,
        "objective": "distillation",
        "teacher": str(data_root() / "teachers" / "densenet121-res224-chex.safetensors"),
        "teacher_options": {"trained": "chex"},
        "distillation_weight": 0.5,
        "temperature": 1.0,
    },
}
"""Fields of the rows of the MXA paper's ablation."""

TUNED = {
    "loss": "asymmetric",
    "weight_decay": 0.05,
    "warmup": 0.1,
    "decay_exclusions": True,
    "global_clip": 1.0,
    "ema": 0.999,
    "augmentation": {"presets": "cxr"},
    "precision": "auto",
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

SMALL_NOTE = "The paper trains the largest model, at 224 px. " + TUNED_NOTES["asymmetric"]

OURS_COMMON = {"data": "chestmnist", "size": 64, "epochs": 30, "batch_size": 64}

SMALL = {"model": "efficientvit_m0", "learning_rate": 1e-3, **TUNED}
SMALL_MXA = SMALL | {"model": "efficientvit_m0_mxa", "model_options": {"arrangement": "paper"}}
LT_VIT = {"model": "lt_vit_tiny", "learning_rate": 5e-4, **TUNED}
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
)
"""Name, fields, source and note of models whose sources publish no settings at this size."""


def _tuned(published: Recipe) -> Recipe:
    """Return our version of a published recipe."""
    changes: dict[str, Any] = dict(TUNED)
    if published.model == "dbct":
        changes["loss"] = published.loss
    if published.data == "chexpert":
        # Findings are common in CheXpert.
        changes |= {"loss": "binary_crossentropy", "data_options": {"uncertain": "ignore"}}
        changes |= {"weight_decay": published.weight_decay, "adaptive_clip": None}
    if "arrangement" in published.model_options:
        changes["model_options"] = {**published.model_options, "arrangement": "paper"}
    return published.replace(**changes)


def _all_recipes() -> Iterator[NamedRecipe]:
    """Yield every recipe."""
    published = [
        (f"{model}_{size}", {"model": model, "size": size, **SLIDES_COMMON, **fields})
        for model, fields in SLIDES.items()
        for size in (64, 128, 224)
    ]
    published += [(stem, PAPER_COMMON | fields) for stem, fields in PAPER.items()]
    for stem, fields in published:
        source, note = ("rand2025", PAPER_NOTE) if stem in PAPER else ("pham2026", SLIDES_NOTE)
        parent = NamedRecipe(f"{stem}_published", Recipe(**fields), None, source, note)
        tuned = _tuned(parent.recipe)
        yield parent
        yield NamedRecipe(f"{stem}_tuned", tuned, parent.name, source, TUNED_NOTES[tuned.loss])
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
