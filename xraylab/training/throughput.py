"""How many images a second models train on, as measured, from a table.

``benchmarks/train_throughput.py --write`` measures the speed of a training step on the machine it
runs on and puts it into ``throughput.json``; nothing else may.
"""

import functools
import json
from importlib import resources


@functools.cache
def _table():
    return json.loads(resources.files("xraylab.training").joinpath("throughput.json").read_text())


MEASURED = tuple(_table()["machines"])
"""Names of the machines that were measured, as ``"2 cores"``."""


def images_per_second(model, size, machine):
    """Return the images a second that a model trains on, or None if that was not measured.

    Args:
        model: a name of :func:`xraylab.models.list_models`.
        size: side of the images in pixels.
        machine: one of :data:`MEASURED`.
    """
    return _table()["machines"].get(machine, {}).get("images_per_second", {}).get(f"{model}@{size}")
