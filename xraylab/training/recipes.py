"""Named recipes: every row of the slides and of the MXA paper, in two versions.

``…_published`` follows the source; the recipe is made of the statements in
``xraylab.training.statements``, which say for each setting whether it is the source's, its public
code's or assumed. It is ``…_unreported`` where the source reports no result. ``…_tuned`` trains the
same model with current practice; it is defined by its differences from the published one, its
parent. Settings and notes of ours are in ``recipes.toml``.
"""

import fnmatch
import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from xraylab.arguments import did_you_mean, parse_value
from xraylab.data import data_root
from xraylab.models import list_models
from xraylab.phantom.labels import SPLIT_SIZES
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

_TABLES: dict[str, Any] = tomllib.loads(
    resources.files("xraylab.training").joinpath("recipes.toml").read_text("utf-8")
)

TUNED: dict[str, Any] = _TABLES["tuned"]
"""Fields that all tuned recipes share."""


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


def _tuned(published: Recipe) -> Recipe:
    """Return our version of a published recipe."""
    changes = dict(TUNED)
    if published.model == "dbct":
        changes["loss"] = published.loss
    if published.data == "chexpert":
        changes |= _TABLES["chexpert"]
        changes |= {"weight_decay": published.weight_decay, "adaptive_clip": None}
    if "arrangement" in published.model_options:
        changes["model_options"] = {"arrangement": "paper"}
    return published.replace(**changes)


def _tuned_note(recipe: Recipe) -> str:
    """Say what a tuned recipe does and why it has its loss."""
    return _TABLES["notes"]["tuned"].format(loss=_TABLES["losses"][recipe.loss])


def _published(system: str, size: int) -> NamedRecipe:
    """Return the recipe that a source describes."""
    stated, notes = statements.statements(system, size), _TABLES["notes"]
    stem, kind, source, note = f"{system}_{size}", "published", "pham2026", notes["slides"]
    if system not in statements.SLIDES:
        source, note = "rand2025", notes["paper"]
    elif stem in UNREPORTED:
        kind, note = "unreported", f"{notes['unreported']} {note}"
    return NamedRecipe(f"{stem}_{kind}", statements.to_recipe(stated), None, source, note, stated)


def _ours(name: str, source: str, of: list[str], settings: dict, note: str = "") -> NamedRecipe:
    """Return one of the recipes of ``recipes.toml``."""
    fields = {key: value for table in of for key, value in _TABLES[table].items()} | settings
    if "start_from" in fields:
        fields["start_from"] = str(data_root() / fields["start_from"])
    recipe = Recipe(**fields)
    note = f"{note} {_tuned_note(recipe)}".lstrip() if "tuned" in of else note
    return NamedRecipe(name, recipe, None, source, note)


def _all_recipes() -> Iterator[NamedRecipe]:
    """Yield every recipe."""
    for system in statements.SYSTEMS:
        for size in SIZES if system in statements.SLIDES else (224,):
            parent = _published(system, size)
            tuned = _tuned(parent.recipe)
            yield parent
            name, note = f"{system}_{size}_tuned", _tuned_note(tuned)
            yield NamedRecipe(name, tuned, parent.name, parent.source, note)
    for name, table in _TABLES["ours"].items():
        yield _ours(name, **table)


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


def get_recipe(name: str, **changes: Any) -> Recipe:
    """Return a named recipe, or the default recipe of a model, with some fields changed.

    Args:
        name: a name of :func:`list_recipes` or of :func:`xraylab.models.list_models`.
        changes: fields of :class:`Recipe` and their new values.

    Raises:
        ValueError: if there is no such recipe, model or field, or a value is invalid; the message
            suggests names.

    Example::

        recipe = training.get_recipe("rr_vit_64_tuned", data="phantom", epochs=3)
    """
    return find(name).replace(**changes)


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
        ValueError: if a text has no ``=`` or no known field, whose message suggests names; or if
            two set the same.
    """
    changes: dict[str, Any] = {}
    seen: dict[str, str] = {}
    for text in settings:
        path, equals, value = text.partition("=")
        name, dot, key = path.strip().partition(".")
        known = recipe.to_dict()
        if not equals or name not in known or (dot and not isinstance(known[name], dict)):
            hint = did_you_mean(name, known, most=3) or f"The fields are {', '.join(known)}"
            hint = f"{name} has no value" if name in known and not equals else hint
            raise ValueError(
                "Invalid setting of a recipe. Expected: FIELD=VALUE or FIELD.KEY=VALUE, as in "
                f"epochs=3 or data_options.root=images. Received: {text!r}. {hint}"
            )
        if path in seen:
            raise ValueError(
                f"Two settings of {path}. Expected: each once. Received: {seen[path]!r}, {text!r}. "
                'Several values are a list, as in teacher=["rr_vit", "dbct"]'
            )
        seen[path] = text
        parsed = parse_value(value)
        changes[name] = {**changes.get(name, known[name]), key: parsed} if dot else parsed
    return recipe.replace(**changes)
