"""Commands that show what there is: ``doctor``, ``models`` and ``data``."""

from typing import Annotated

import typer


def doctor():
    """Show platform, versions, accelerator (tried by one real convolution), disk and data."""
    from rich.console import Console

    from xraylab.doctor import examine

    console = Console(soft_wrap=True)
    with console.status("trying the devices …"):
        findings = examine()
    for topic, lines in findings.items():
        console.print(f"[bold]{topic}[/]")
        for line in lines:
            console.print(f"  {line}", markup=False, highlight=False)


def models(
    name: Annotated[str | None, typer.Argument(help="A model, to list its layers.")] = None,
    size: Annotated[int, typer.Option(help="Side of the films in pixels.")] = 64,
):
    """List the models, or the layers of one of them."""
    from rich.console import Console
    from rich.table import Table

    from xraylab import models as registry
    from xraylab.backend import start_keras

    console = Console()
    if name is not None:
        registry.card(name)
        start_keras()
        _print_layers(console, registry.build(name, size), registry.card(name))
        return
    start_keras()
    table = Table("Model", "Source", f"Parameters\nat {size} px", "What it is", title="Models")
    table.columns[2].justify = "right"
    for listed in registry.list_models():
        card = registry.card(listed)
        parameters = registry.build(listed, size).count_params()
        table.add_row(listed, card.source, f"{parameters:,}", card.summary)
    console.print(table)
    console.print("Build one with models.build(NAME, image_size=64); train one with xraylab train.")


def _print_layers(console, model, card):
    """Print a model's card and its top-level layers with their parameters."""
    from rich.table import Table

    side = model.image_size
    table = Table("Layer", "Kind", "Parameters", title=f"{model.name} for {side}×{side} px")
    table.columns[2].justify = "right"
    for layer in model.layers:
        table.add_row(layer.name, type(layer).__name__, f"{layer.count_params():,}")
    table.add_section()
    table.add_row("all", "", f"{model.count_params():,}", style="bold")
    console.print(table)
    console.print(f"{card.summary}; source {card.source}", highlight=False)
    if card.reconstructed:
        console.print(f"Not given in the source: {card.reconstructed}", highlight=False)


def data():
    """List the sources of films and where they lie on this machine."""
    from rich.console import Console
    from rich.table import Table

    from xraylab.data import data_root, sources

    table = Table("Source", "Size (px)", "State", "How", title="Sources of films")
    for source in sources():
        state = source.state if source.path is None else f"{source.state}\n{source.path}"
        table.add_row(source.name, source.size, state, source.how)
    table.add_row("any .npz", "any", "", 'data.load("PATH.npz"), laid out as MedMNIST does')
    console = Console()
    console.print(table)
    console.print(f"Downloads and unpacked arrays: {data_root()} (XRAYLAB_DATA changes it)")
