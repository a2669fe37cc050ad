"""Figures that others have published, each with its citation, kept apart from what was measured."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Published:
    """One row of a published table.

    Attributes:
        model: the name that xraylab has for it; ``…_kd`` for a student taught by distillation.
        size: side of the films in pixels.
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
