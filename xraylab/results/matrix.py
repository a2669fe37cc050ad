"""The matrix of runs: models by images and start, with the cost of those that are missing."""

from collections.abc import Iterable, Sequence
from statistics import median

import pandas as pd

from xraylab.arguments import require
from xraylab.models.cost import recorded_cost
from xraylab.results.schema import Result
from xraylab.results.tables import MACRO_AUC, NOT_RUN
from xraylab.results.writing import Table

MACHINE = "2 cores"
"""The machine of :data:`xraylab.training.recipes.THROUGHPUT` whose hours are shown."""

_STARTS = {"start_from": "other weights", "teacher": "distilled"}


def matrix(results: Iterable[Result], models: Sequence[str] | None = None) -> Table:
    """Tabulate the macro AUC by model (rows) and by images, image size and start (columns).

    All runs of a model share a cell, also those of other seeds, epochs or recipes. The cell of a
    missing run shows the hours that its training steps would take on two cores: as many images as
    the median run of the column, at the measured speed of the model at 64 pixels, in proportion to
    the multiply-adds at its size. Validation, augmentation and the predictions of teachers are not
    included.

    Args:
        results: records, also of different images, which get different columns.
        models: the rows; by default the models of the records.

    Raises:
        ValueError: if there is no record.
    """
    results = sorted(results, key=lambda r: (r.simulated, r.recipe["size"], -_images(r)))
    require(results, "results", "at least one record", "none")
    models = list(dict.fromkeys(models or (result.recipe["model"] for result in results)))
    columns: dict[str, list[Result]] = {}
    for result in results:
        columns.setdefault(_heading(result), []).append(result)
    cells: dict[str, list[str]] = {heading: [] for heading in columns}
    missing = 0.0
    for heading, group in columns.items():
        for model in models:
            scores = [MACRO_AUC.cell(r) for r in group if r.recipe["model"] == model]
            hours = None if scores else _hours(model, group)
            missing += hours or 0
            estimate = "" if hours is None else f" ({hours:.1f} h)"
            cells[heading].append(", ".join(scores) or f"{NOT_RUN}{estimate}")
    caption = (
        "Macro AUC on the test images; columns of different images must not be compared, and the "
        "runs of a cell may differ in their recipes. "
        f"{NOT_RUN.capitalize()}: hours of the steps on {MACHINE} with the budget of the column, "
        f"{missing:.0f} in all"
    )
    return Table(caption, pd.DataFrame({"model": models, **cells}))


def _images(result):
    return result.data["train"].num_images


def _heading(result):
    """Name the images, the size and the start of a run."""
    kinds = {name.split()[0] for name in result.initial_weights}
    start = next((text for kind, text in _STARTS.items() if kind in kinds), "scratch")
    simulated = "SIMULATED " if result.simulated else ""
    source = result.data["train"].source
    return f"{simulated}{source}, n = {_images(result):,}, {result.recipe['size']} px, {start}"


def _hours(model, group):
    """Estimate the hours of a run in a column; None if the model's speed or cost is unknown."""
    from xraylab.training.recipes import THROUGHPUT  # imports Keras

    size = group[0].recipe["size"]
    speed = THROUGHPUT[MACHINE].get(f"{model}@64")
    known, cost = recorded_cost(model, 64), recorded_cost(model, size)
    if speed is None or known is None or cost is None:
        return None
    images = median(r.training.steps * r.recipe["batch_size"] for r in group)
    return images / speed * cost.multiply_adds / known.multiply_adds / 3600
