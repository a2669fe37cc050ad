"""Statements on the published recipes: each setting with its value, its status and the reason."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from xraylab.data import data_root
from xraylab.training.recipe import Recipe

STATUSES = {
    "source": "as the source states",
    "code": "as its public code does",
    "assumed": "assumed",
    "differs": "differs from the source",
}
"""What a :class:`Statement` states about its setting, by status."""

SLIDES = ("resnet50", "densenet121", "efficientnet_b0", "medvit_large", "dbct", "rr_vit")
SLIDES += ("hybrid_rr_vit",)
SYSTEMS = {name: ("slides", name) for name in SLIDES} | {
    "efficientvit_m5": ("paper", "efficientvit_m5"),
    "efficientvit_m5_mxa": ("paper", "efficientvit_m5_mxa"),
    "efficientvit_m5_mxa_kd": ("paper", "efficientvit_m5_mxa", "efficientvit_m5_mxa_kd"),
}
"""Tables of ``statements.toml`` by row of the sources' tables of results."""

_TABLES = tomllib.loads(
    resources.files("xraylab.training").joinpath("statements.toml").read_text("utf-8")
)


@dataclass(frozen=True)
class Statement:
    """Why a setting of a published recipe has its value.

    Attributes:
        field: the setting, such as ``"epochs"`` or ``"data_options.uncertain"``.
        value: its value.
        status: a key of :data:`STATUSES`.
        reason: where the source says so, or what it leaves open.
    """

    field: str
    value: Any
    status: str
    reason: str


def statements(system: str, size: int) -> tuple[Statement, ...]:
    """Return the statements on one of :data:`SYSTEMS` at one image size, in a recipe's order."""
    rows: dict[str, Any] = {"size": [size, "source", "one of the slides' three resolutions"]}
    for table in SYSTEMS[system]:
        rows |= _TABLES[table]
    order = list(Recipe.model_fields)
    found = []
    for field in sorted(rows, key=lambda field: order.index(field.partition(".")[0])):
        value, status, reason = rows[field]
        if field == "teacher":
            value = str(data_root() / value)
        found.append(Statement(field, None if value == "none" else value, status, reason))
    return tuple(found)


def to_recipe(stated: Iterable[Statement]) -> Recipe:
    """Return the recipe that statements describe."""
    fields: dict[str, Any] = {}
    for statement in stated:
        name, dot, key = statement.field.partition(".")
        value = statement.value
        fields[name] = fields.get(name, {}) | {key: value} if dot else value
    return Recipe(**fields)
