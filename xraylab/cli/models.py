"""``xraylab models``: the architectures, their cost and their layers."""

from typing import Annotated

from typer import Argument, Option, echo

from xraylab.backend import start_keras
from xraylab.cli.console import Table, say


def models(
    name: Annotated[str | None, Argument(help="A model, to list its layers.")] = None,
    size: Annotated[int, Option(help="Side of the images in pixels.")] = 64,
):
    """List the models with their cost, or the layers of one model."""
    from xraylab import models as registry

    if name is None:
        _list(registry, size)
        return
    spec = registry.spec(name)
    start_keras()
    registry.build(name, size).summary(print_fn=echo)
    say(f"{spec.summary}; source {spec.source}")
    if spec.reconstructed:
        say(f"Not specified in the source: {spec.reconstructed}")


def _list(registry, size):
    """Print one row per model; models are built only if their cost is not tabulated."""
    from rich.console import Console

    from xraylab.models.registry import SPECS

    console = Console()
    wide = console.width >= 120
    table = Table(
        *("Model", "Source", "Parameters", "Multiply-\nadds", "Tokens"),
        *(("Source's\nsizes (px)", "Description") if wide else ()),
        title=f"Models at {size}×{size} px, 14 labels",
    )
    for k, column in enumerate(table.columns[:5]):
        column.no_wrap = True
        column.justify = "left" if k < 2 else "right"
    unspecified = {}
    family = None
    for spec in SPECS.values():
        if family not in (None, spec.builder):
            table.add_section()
        family = spec.builder
        sizes = ", ".join(map(str, spec.source_sizes)) or "not specified"
        more = ("" if spec.name.endswith("_toy") else sizes, spec.summary) if wide else ()
        table.add_row(spec.name, spec.source, *_cost(console, registry, spec.name, size), *more)
        if spec.reconstructed:
            unspecified.setdefault(spec.reconstructed, []).append(spec.name)
    table.show()
    say("Not specified in the sources, chosen for xraylab:", bold=True)
    for text, names in unspecified.items():
        say(f"  {', '.join(names)}: {text}")
    say(
        "A multiply-add is one multiplication and addition, for one image. Tokens: sequence length "
        "of the first attention. Layers: xraylab models NAME --size 128. Build: "
        "models.build(NAME, image_size=64). Train: xraylab train NAME."
    )


def _cost(console, registry, name, size):
    """Format parameters, multiply-adds and tokens."""
    from xraylab.models.cost import recorded_cost

    cost = recorded_cost(name, size)
    if cost is None:
        with console.status(f"building {name} …"):
            start_keras()
            import keras

            from xraylab.models.cost import cost as measure

            keras.backend.clear_session()
            try:
                model = registry.build(name, size)
            except ValueError:
                return "not at", "this size", ""
            try:
                cost = measure(model)
            except RuntimeError:  # multiply-adds are counted by TensorFlow only
                return f"{model.count_params():,}", "—", "—"
    billions = cost.multiply_adds >= 1e9
    count = cost.multiply_adds / (1e9 if billions else 1e6)
    tokens = "" if cost.tokens is None else f"{cost.tokens:,}"
    return f"{cost.parameters:,}", f"{count:.3g} {'G' if billions else 'M'}", tokens
