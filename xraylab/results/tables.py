"""Tables of recorded runs, with captions that say what the numbers are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isnan
from statistics import mean, stdev
from typing import Any

import pandas as pd

from xraylab import evaluation
from xraylab.arguments import invalid_argument, require, require_choice
from xraylab.results.schema import Result
from xraylab.results.writing import Table

NOT_RUN = "not run"
"""Cell of a model without a record."""


@dataclass(frozen=True)
class Column:
    """One column of a table of records.

    Attributes:
        heading: heading of the column.
        field: where a :class:`xraylab.results.Result` holds the number or interval, as names of
            attributes and keys; None on the way there means that it was not measured.
        form: format specification of the number.
        unit: the number is divided by it.
        best: for intervals ``max`` if high values are good, ``min`` if low ones; None to mark no
            best value.
        show_interval: whether cells show the interval.
    """

    heading: str
    field: tuple[str, ...]
    form: str = ".3f"
    unit: float = 1
    best: Callable | None = None
    show_interval: bool = False

    def measure(self, result: Result) -> Any:
        """Return the number or interval of a record, or None."""
        found = result
        for name in self.field:
            if found is not None:
                found = found[name] if isinstance(found, dict) else getattr(found, name)
        return found

    def cell(self, result: Result | None) -> str:
        """Format the number of a record."""
        if result is None:
            return NOT_RUN
        found = self.measure(result)
        if found is None:
            return "not measured"
        value = getattr(found, "value", found)
        text = "undefined" if isnan(value) else format(value / self.unit, self.form)
        if self.show_interval and not isnan(found.low):
            text += f" [{found.low:{self.form}}, {found.high:{self.form}}]"
        return text

    def best_rows(self, results: Sequence[Result | None]) -> list[int]:
        """Find the best records, and those whose interval contains the best value.

        This is not a test: the images are the same, so a paired comparison is sharper.
        """
        found = {i: self.measure(r) for i, r in enumerate(results) if r is not None and self.best}
        found = {i: interval for i, interval in found.items() if not isnan(interval.value)}
        if self.best is None or len(found) < 2:
            return []
        best = self.best(interval.value for interval in found.values())
        return [i for i, x in found.items() if x.value == best or x.low <= best <= x.high]


_UNCALIBRATED = ("calibration", "uncalibrated", "calibration_error")

COLUMNS = {
    "macro_auc": Column("macro AUC", ("intervals", "macro_auc"), best=max, show_interval=True),
    "micro_auc": Column("micro AUC", ("intervals", "micro_auc"), best=max),
    "micro_baseline": Column("prevalence baseline", ("prevalence_baseline", "micro_auc")),
    "average_precision": Column("average precision", ("intervals", "average_precision"), best=max),
    # The all-negative baseline has high values of these two: the highest is not the best.
    "accuracy": Column("ACC per label", ("intervals", "accuracy")),
    "exact_match": Column("exact match", ("intervals", "exact_match")),
    "calibration_error": Column("calibration error", _UNCALIBRATED, best=min),
    "parameters": Column("parameters", ("training", "parameters"), ",.0f"),
    "multiply_adds": Column("multiply-adds (M)", ("cost", "multiply_adds"), ",.1f", 1e6),
    "latency": Column("latency (ms)", ("cost", "latency_p50"), ".1f"),
    "inference_memory": Column("memory, 32 images (GB)", ("cost", "inference_bytes"), ".2f", 1e9),
    "training_memory": Column("memory, training (GB)", ("cost", "training_bytes"), ".2f", 1e9),
    "size": Column("px", ("recipe", "size"), ".0f"),
    "images": Column("training images", ("data", "train", "num_images"), ",.0f"),
    "epochs": Column("epochs", ("training", "epochs"), ".0f"),
    "minutes": Column("minutes of training", ("training", "seconds"), ".1f", 60),
}
"""Columns of :func:`table`, by name."""

DEFAULT_COLUMNS = (
    "macro_auc",
    "micro_auc",
    "micro_baseline",
    "average_precision",
    "accuracy",
    "exact_match",
    "parameters",
    "epochs",
)


def table(
    results: Iterable[Result],
    columns: Sequence[str] = DEFAULT_COLUMNS,
    *,
    models: Sequence[str] | None = None,
) -> Table:
    """Tabulate records that were scored on the same test images.

    Args:
        results: the records.
        columns: names of :data:`COLUMNS`.
        models: restrict and order the rows by model; models without a record get a row "not run".
            By default one row for each record.

    Raises:
        ValueError: if there is no record, test images or labels differ, or a column is unknown.
    """
    for name in columns:
        require_choice("columns", name, COLUMNS)
    results = [r for r in results if models is None or r.recipe["model"] in models]
    _require_same_images(results)
    rows: list[tuple[str, Result | None]] = [(result.name, result) for result in results]
    if models is not None:
        rows = []
        for model in models:
            found = [(r.name, r) for r in results if r.recipe["model"] == model]
            rows += found or [(model, None)]
    frame = pd.DataFrame({"run": [name for name, _ in rows]})
    best = set()
    for j, name in enumerate(columns, 1):
        column = COLUMNS[name]
        frame[column.heading] = [column.cell(result) for _, result in rows]
        best |= {(i, j) for i in column.best_rows([result for _, result in rows])}
    caption = _describe_images(results)
    if "macro_auc" in columns:
        levels = sorted({f"{100 * result.protocol.level:g} %" for result in results})
        units = sorted({result.protocol.unit for result in results})
        caption += f"; {', '.join(levels)} intervals by bootstrap over {', '.join(units)}"
    if best:
        caption += "; bold: the best of a column, and those whose interval contains it"
    return Table(caption, frame, frozenset(best))


def by_size(
    results: Iterable[Result], models: Sequence[str], sizes: Sequence[int], score: str = "macro_auc"
) -> Table:
    """Tabulate one score by model (rows) and image size (columns).

    Several records of one cell, with different seeds, are averaged.

    Args:
        results: records that were scored on the same images at different sizes.
        models: the rows.
        sizes: the columns, in pixels.
        score: name of a score over all labels.

    Raises:
        ValueError: as :func:`table`.
    """
    require_choice("score", score, evaluation.SCORES)
    results = [r for r in results if r.recipe["model"] in models and r.recipe["size"] in sizes]
    if results:
        _require_same_images(results)

    def cell(model, size):
        found = [r for r in results if (r.recipe["model"], r.recipe["size"]) == (model, size)]
        if len({_setting(result) for result in found}) > 1:
            raise ValueError(
                f"{' and '.join(r.name for r in found)} differ in more than their seeds, so they "
                "cannot be averaged. Select among them"
            )
        values = [value for r in found if not isnan(value := r.score(score))]
        if not values:
            return "undefined" if found else NOT_RUN
        text = f"{mean(values):.3f}"
        return f"{text} (mean of {len(values)})" if len(values) > 1 else text

    columns = {f"{size} px": [cell(model, size) for model in models] for size in sizes}
    caption = COLUMNS[score].heading + (f", {_describe_images(results)}" if results else "")
    return Table(caption, pd.DataFrame({"model": models, **columns}))


@dataclass(frozen=True)
class Spread:
    """Variation of a score between seeds.

    Attributes:
        names: records of one recipe with different seeds on the same images.
        seeds: their seeds.
        mean, deviation: mean and sample standard deviation of the score.
        low, high: minimum and maximum.
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    mean: float
    deviation: float
    low: float
    high: float


def seed_spread(results: Iterable[Result], score: str = "macro_auc") -> list[Spread]:
    """Compute the :class:`Spread` of each recipe that was recorded with at least two seeds."""
    groups = {}
    for result in results:
        groups.setdefault(_setting(result), []).append(result)
    spreads = []
    for group in groups.values():
        values = [result.score(score) for result in group]
        seeds = tuple(result.recipe["seed"] for result in group)
        if len(set(seeds)) == len(group) > 1 and not isnan(sum(values)):
            names = tuple(result.name for result in group)
            numbers = mean(values), stdev(values), min(values), max(values)
            spreads.append(Spread(names, seeds, *numbers))
    return spreads


def _setting(result):
    """Collect everything that determines a run except its seed."""
    fingerprints = [images.fingerprint for images in result.data.values()]
    return str({**result.recipe, "seed": None}), str(result.initial_weights), *fingerprints


def _require_same_images(results):
    """Raise ValueError unless there are records, all scored on the same images and labels.

    Images have other fingerprints at another size; equal labels show that they are the same.
    """
    require(results, "results", "at least one record", "none")
    first_at_size = {}
    for result in results:
        first = first_at_size.setdefault(result.recipe["size"], result)
        same = _labels(result) == _labels(results[0])
        if not same or result.data["test"].fingerprint != first.data["test"].fingerprint:
            both = (f"{r.name} ({_describe_images([r])})" for r in (first, result))
            expected = "records that share test images and labels"
            raise invalid_argument("results", expected, " and ".join(both))


def _labels(result):
    return result.data["test"].labels_sha256, result.label_names, result.simulated


def _describe_images(results):
    """Describe the test images of a table."""
    images = results[0].data["test"]
    kind = "SIMULATED images" if results[0].simulated else "images"
    sizes = sorted({result.recipe["size"] for result in results})
    px = ", ".join(map(str, sizes))
    return f"{images.num_images:,} {kind} of {images.source}, test split, {px} px"
