"""``xraylab recipes``: named training configurations."""

from typing import Annotated

from typer import Argument

from xraylab.backend import start_keras
from xraylab.cli.console import Table, say

TARGETS = {
    "classification": "labels",
    "distillation": "teacher",
    "masked_reconstruction": "images",
}


def recipes(name: Annotated[str | None, Argument(help="A recipe, to show it in full.")] = None):
    """List the recipes, or show one: command, cost, settings and changes against its parent."""
    start_keras()
    from xraylab.training import recipes as registry

    if name is None:
        _list(registry.RECIPES.values())
    else:
        _show(registry.get(name))


def _list(recipes):
    """Print one row per recipe."""
    from xraylab.losses import ALIASES

    short = {name: alias for alias, name in ALIASES.items()}
    table = Table("Recipe", "Data", "Target", "Loss")
    for column in table.columns:
        column.no_wrap = True
    for named in recipes:
        recipe = named.recipe
        masked = recipe.objective == "masked_reconstruction"
        loss = "L1" if masked else short.get(recipe.loss, recipe.loss)
        table.add_row(named.name, recipe.data, TARGETS[recipe.objective], loss)
    table.show()
    say(
        "Target: labels; labels and a teacher's predictions; or the images themselves. "
        "One of them: xraylab recipes NAME. Train: xraylab train NAME --out FOLDER; try it on "
        "simulated images with --data phantom --num-images 512 --epochs 1."
    )


def _show(named):
    """Print a recipe's description, changes and settings."""
    say(named.describe())
    if named.parent is not None:
        table = Table("Setting", named.parent, named.name, title="Changes")
        for field, (parent, own) in named.changes.items():
            table.add_row(field, parent, own)
        table.show()
    table = Table("Setting", "Value", title="All settings")
    for field, value in named.recipe.to_dict().items():
        if field != "label_names":
            table.add_row(field, str(value))
    table.show()
