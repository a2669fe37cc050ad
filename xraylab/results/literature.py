"""Figures that others have published, each with its citation, kept apart from what was measured."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from xraylab.results.writing import Table


@dataclass(frozen=True)
class Published:
    """One row of a published table.

    Attributes:
        model: the name that xraylab has for it; ``…_kd`` for a student taught by distillation.
        size: side of the images in pixels.
        data: the data set.
        citation: bibliography key.
        place: where in the source it stands.
        scores: scores by the names that xraylab has for what was computed.
        parameters_millions: as printed, or None.
        inference_seconds: as printed, or None.
    """

    model: str
    size: int
    data: str
    citation: str
    place: str
    scores: dict[str, float]
    parameters_millions: float | None
    inference_seconds: float | None


@cache
def published():
    """Return all :class:`Published` figures, in the order of their sources."""
    file = resources.files("xraylab.results") / "published.json"
    rows = json.loads(file.read_text(encoding="utf-8"))["figures"]
    return tuple(Published(**row) for row in rows)


def published_table(data, size):
    """Return a :class:`Table` of what others have published on one data set at one size.

    Args:
        data: name of the data set as :class:`Published` has it.
        size: in pixels.

    Raises:
        ValueError: if nothing was published there.
    """
    rows = [row for row in published() if (row.data, row.size) == (data, size)]
    if not rows:
        known = sorted({(row.data, row.size) for row in published()})
        raise ValueError(f"nothing is known of {data} at {size} px; there are {known}")
    scores = list(dict.fromkeys(name for row in rows for name in row.scores))
    heads = ("model", *(HEADINGS[name] for name in scores), "parameters (M)", "inference (s)", "in")
    cells = [
        (
            row.model,
            *(_printed(row.scores.get(name)) for name in scores),
            _printed(row.parameters_millions),
            _printed(row.inference_seconds),
            f"{row.citation}, {row.place}",
        )
        for row in rows
    ]
    kept = [j for j in range(len(heads)) if any(row[j] for row in cells)]
    caption = f"PUBLISHED by others, not measured by xraylab: {data}, {size} px"
    if len({row[-1] for row in cells}) == 1:
        kept.pop()
        caption += f" ({cells[0][-1]})"
    return Table(
        caption,
        tuple(heads[j] for j in kept),
        tuple(tuple(row[j] or "not given" for j in kept) for row in cells),
    )


HEADINGS = {"accuracy": "ACC", "macro_auc": "AUC", "micro_auc": "micro AUC"}
"""How the scores are called where they were published."""


def _printed(value):
    return "" if value is None else f"{value:g}"
