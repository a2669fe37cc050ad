"""Measured training throughput of the models, in images per second.

The table ``throughput.json`` is written by ``benchmarks/train_throughput.py --write``.
"""

import functools
import json
from importlib import resources


@functools.cache
def _table():
    return json.loads(resources.files("xraylab.training").joinpath("throughput.json").read_text())


MEASURED: tuple[str, ...] = tuple(_table()["machines"])
"""Names of the measured machines, as ``"2 cores"``."""


def images_per_second(model: str, size: int, machine: str) -> float | None:
    """Return the measured throughput of a model in training, or None.

    Args:
        model: a name of :func:`xraylab.models.list_models`.
        size: side of the images in pixels.
        machine: one of :data:`MEASURED`.
    """
    return _table()["machines"].get(machine, {}).get("images_per_second", {}).get(f"{model}@{size}")
