"""What the models cost, from a table, without building or even importing one.

Building the largest models takes seconds, so their figures at the sizes of the sources lie in
``costs.json``. ``tools/make_cost_table.py`` writes it, and the tests hold it to the models.
"""

import functools
import json
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Cost:
    """What one image costs.

    Attributes:
        parameters: all numbers that are stored, statistics of normalisations included.
        trainable: those that training changes.
        multiply_adds: multiplications, each with its addition, in convolutions and matrix products
            for one image; what is done element by element is not counted, as is the custom.
        tokens: tokens that ask in the first attention, or None where there is no attention.
    """

    parameters: int
    trainable: int
    multiply_adds: int
    tokens: int | None


def stored_cost(name, image_size):
    """Return the :class:`Cost` of a model with 14 labels from the table, or None if not there."""
    row = _table().get(name, {}).get(str(image_size))
    return Cost(**row) if row else None


@functools.cache
def _table():
    return json.loads(resources.files("xraylab.models").joinpath("costs.json").read_text())
