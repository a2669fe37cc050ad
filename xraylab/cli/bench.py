"""``xraylab bench``: time and memory of a model on this device."""

import os
from dataclasses import asdict
from typing import Annotated

from typer import Argument, Option

from xraylab.backend import MEMORY_ON_DEMAND, start_keras
from xraylab.cli.console import Table


def bench(
    name: Annotated[str, Argument(help="A model of 'xraylab models'.")],
    size: Annotated[int, Option(help="Side of the images in pixels.")] = 64,
    rounds: Annotated[int, Option(help="Number of timed calls.")] = 50,
    json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
):
    """Measure time and memory of a model on this device, which should be otherwise idle."""
    from rich.console import Console

    os.environ.update(MEMORY_ON_DEMAND)  # the memory is measured in child processes
    start_keras()
    from xraylab.evaluation import device_cost

    with Console(stderr=True).status(f"measuring {name} at {size} px …"):
        cost = device_cost(name, size, rounds=rounds)
    if json:
        Console().print_json(data=asdict(cost))
        return
    environment = cost.environment
    devices = ", ".join(environment["devices"])
    table = Table("", "", title=f"{name} at {size} px, {environment['backend']}, {devices}")
    table.show_header = False
    table.add_row("parameters", f"{cost.parameters:,}")
    table.add_row("multiply-adds, one image", _format(cost.multiply_adds, 1e6, "M"))
    latency = f"{cost.latency_p50:.1f} ms (median), {cost.latency_p95:.1f} ms (95th percentile)"
    table.add_row("one image", latency)
    for count, speed in cost.throughput.items():
        table.add_row(f"{count} images at once", f"{speed:,.1f} images/s")
    table.add_row("memory, 32 images at once", _format(cost.inference_bytes, 1e9, "GB"))
    table.add_row("memory, training steps of 32", _format(cost.training_bytes, 1e9, "GB"))
    table.show()


def _format(value: float | None, unit: float, symbol: str) -> str:
    return "not available on this system" if value is None else f"{value / unit:,.2f} {symbol}"
