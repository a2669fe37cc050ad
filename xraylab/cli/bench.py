"""``xraylab bench``: what a model costs on this device."""

import os
from typing import Annotated

import typer


def bench(
    name: Annotated[str, typer.Argument(help="A model of 'xraylab models'.")],
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 64,
    rounds: Annotated[int, typer.Option(help="How many calls the latency comes from.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
):
    """Measure time and memory of a model on this device; use a machine that does nothing else."""
    from rich.console import Console
    from rich.table import Table

    from xraylab.backend import MEMORY_ON_DEMAND, start_keras

    os.environ.update(MEMORY_ON_DEMAND)  # or this process would leave none to those that measure
    start_keras()
    from xraylab.evaluation import device_cost

    console = Console()
    with Console(stderr=True).status(f"measuring {name} at {size} px …"):
        found = device_cost(name, size, rounds=rounds)
    if json:
        console.print_json(data=found.to_dict())
        return
    environment = found.environment
    table = Table(
        show_header=False,
        title=f"{name} at {size} px, {environment['backend']}, {', '.join(environment['devices'])}",
    )
    table.add_row("parameters", f"{found.parameters:,}")
    table.add_row("multiply-adds, one image", _count(found.multiply_adds))
    table.add_row(
        "one image",
        f"{found.latency_p50:.1f} ms (median), {found.latency_p95:.1f} ms (95th percentile)",
    )
    for count, speed in found.throughput.items():
        table.add_row(f"{count} images at once", f"{speed:,.1f} images/s")
    table.add_row("memory, 32 images at once", _size(found.inference_bytes))
    table.add_row("memory, training steps of 32", _size(found.training_bytes))
    console.print(table)


def _count(value):
    return "not counted on this back end" if value is None else f"{value / 1e6:,.1f} M"


def _size(value):
    return "not told by this system" if value is None else f"{value / 1e9:.2f} GB"
