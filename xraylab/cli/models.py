"""``xraylab models``: what there is, what each costs, and the layers of one of them."""

from typing import Annotated

import typer


def models(
    name: Annotated[str | None, typer.Argument(help="A model, to list its layers.")] = None,
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 64,
):
    """List the models and what they cost, or the layers of one of them."""
    from rich.console import Console

    from xraylab import models as registry

    console = Console()
    if name is None:
        _print_models(console, registry, size)
    else:
        card = registry.card(name)
        from xraylab.backend import start_keras

        with console.status(f"building {name} …"):
            start_keras()
            model = registry.build(name, size)
        _print_layers(console, model, card)


def _print_models(console, registry, size):
    """Print one row a model, by family; build only those whose cost at this size is not known."""
    from rich.table import Table

    from xraylab.models.cards import CARDS

    table = Table(
        "Model",
        "Source",
        "Parameters",
        "Multiply-\nadds",
        "Tokens",
        title=f"Models at {size}×{size} px, 14 labels",
    )
    for column in table.columns[:5]:
        column.no_wrap = True
    for column in table.columns[2:5]:
        column.justify = "right"
    roomy = console.width >= 120
    if roomy:
        table.add_column("Source's\nsizes (px)")
        table.add_column("What it is")
    reconstructed = {}
    family = None
    for card in CARDS.values():
        if family not in (None, card.builder):
            table.add_section()
        family = card.builder
        cells = _cost_cells(console, registry, card.name, size)
        sizes = ", ".join(map(str, card.source_sizes)) or "not given"
        more = ("" if card.name.endswith("_toy") else sizes, card.summary) if roomy else ()
        table.add_row(card.name, card.source, *cells, *more)
        if card.reconstructed:
            reconstructed.setdefault(card.reconstructed, []).append(card.name)
    console.print(table)
    console.print("[bold]Not given in the sources, and chosen by us:[/]")
    for text, names in reconstructed.items():
        console.print(f"  {', '.join(names)}: {text}", highlight=False)
    console.print(
        "A multiply-add is one multiplication with its addition, for one image; tokens are those of "
        "the first attention. Layers: xraylab models NAME --size 128. Build: models.build(NAME, "
        "image_size=64). Train: xraylab train NAME.",
        highlight=False,
    )


def _cost_cells(console, registry, name, size):
    """Return parameters, multiply-adds and tokens as text."""
    from xraylab.models.stored import stored_cost

    known = stored_cost(name, size)
    if known is None:
        from xraylab.backend import start_keras

        with console.status(f"building {name} …"):
            start_keras()
            import keras

            from xraylab.models.cost import cost

            keras.backend.clear_session()
            try:
                model = registry.build(name, size)
            except ValueError:
                return "not at", "this size", ""
            try:
                known = cost(model)
            except RuntimeError:  # multiply-adds are counted by TensorFlow only
                return f"{model.count_params():,}", "—", "—"
    tokens = "" if known.tokens is None else f"{known.tokens:,}"
    return f"{known.parameters:,}", _short(known.multiply_adds), tokens


def _short(number):
    """Return a large count in millions or thousands of millions, three digits."""
    if number >= 1e9:
        return f"{number / 1e9:.3g} G"
    return f"{number / 1e6:.3g} M"


def _print_layers(console, model, card):
    """Print a model's card and its layers with shapes and parameters, in order of use."""
    from rich.table import Table

    from xraylab.models.cost import layer_shapes

    side = model.image_size
    table = Table(
        "Layer", "Kind", "Output", "Parameters", title=f"{model.name} for {side}×{side} px"
    )
    table.columns[3].justify = "right"
    table.add_row("image", "", f"{side} × {side} × 1", "")
    counted = set()
    for layer, shape in layer_shapes(model):
        again = id(layer) in counted
        counted.add(id(layer))
        parameters = "shared" if again else f"{layer.count_params():,}"
        table.add_row(layer.name, type(layer).__name__, " × ".join(map(str, shape)), parameters)
    table.add_section()
    table.add_row("all", "", "", f"{model.count_params():,}", style="bold")
    console.print(table)
    console.print(f"{card.summary}; source {card.source}", highlight=False)
    if card.reconstructed:
        console.print(f"Not given in the source: {card.reconstructed}", highlight=False)
