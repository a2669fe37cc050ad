"""``xraylab recipes``: what can be trained by name, and what each recipe changes."""

from typing import Annotated

import typer

_LEARNS_FROM = {
    "classification": "labels",
    "distillation": "teacher",
    "masked_reconstruction": "images",
}

_SHORT_LOSS = {
    "binary_cross_entropy": "BCE",
    "weighted_binary_cross_entropy": "weighted",
    "binary_focal": "focal",
    "asymmetric": "asymmetric",
    "double_sigmoid_cross_entropy": "twice σ",
}


def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe, to see all of it.")] = None,
):
    """List the recipes, or show one: command, cost, settings, and changes against its parent."""
    from rich.console import Console

    from xraylab.backend import start_keras

    start_keras()
    from xraylab.training import recipes as registry

    console = Console()
    if name is None:
        _print_recipes(console, registry)
    else:
        _print_recipe(console, registry.get(name))


def _print_recipes(console, registry):
    """Print one row a recipe."""
    from rich.table import Table

    table = Table("Recipe", "Data", "From", "Loss")
    for column in table.columns:
        column.no_wrap = True
    for named in registry.RECIPES.values():
        recipe = named.recipe
        table.add_row(
            named.name,
            recipe.data,
            _LEARNS_FROM[recipe.objective],
            "L1" if recipe.objective == "masked_reconstruction" else _SHORT_LOSS[recipe.loss],
        )
    console.print(table)
    console.print(
        "From: what the model learns from, labels, a teacher and labels, or the images alone. BCE: "
        "binary cross-entropy. One of them: xraylab recipes NAME. Train: xraylab train NAME --out "
        "FOLDER; try it on simulated images with --data phantom --num-images 512 --epochs 1.",
        highlight=False,
        soft_wrap=True,
    )


def _print_recipe(console, named):
    """Print what a recipe is, its command, its cost and its settings."""
    from rich.table import Table

    console.print(named.describe(), highlight=False, markup=False, soft_wrap=True)
    if named.parent is not None:
        table = Table("Setting", named.parent, named.name, title="Changes")
        for field, (theirs, own) in named.changes.items():
            table.add_row(field, str(theirs), str(own))
        console.print(table)
    table = Table("Setting", "Value", title="All settings")
    for field, value in named.recipe.to_dict().items():
        if field != "label_names":
            table.add_row(field, str(value))
    console.print(table)
