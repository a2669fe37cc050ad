"""Tables of recorded runs, with captions that say what the numbers are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd

from xraylab.arguments import invalid_argument, require, require_choice
from xraylab.results.schema import Result
from xraylab.results.store import load_results
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
        show_interval: whether cells show the interval.
    """

    heading: str
    field: tuple[str, ...]
    form: str = ".3f"
    unit: float = 1
    show_interval: bool = False

    def cell(self, result: Result) -> str:
        """Format the number of a record."""
        found: Any = result
        for name in self.field:
            if found is not None:
                found = found.get(name) if isinstance(found, dict) else getattr(found, name)
        if found is None:
            return "not measured"
        value = getattr(found, "value", found)
        if isnan(value):
            return "undefined"
        text = format(value / self.unit, self.form)
        if self.show_interval:
            text += f" [{found.low:{self.form}}, {found.high:{self.form}}]"
        return text


MACRO_AUC = Column("macro AUC", ("intervals", "macro_auc"))
"""The score without its interval, of cells that list several runs."""

_TEST = ("scores", "test")
_UNCALIBRATED = ("calibration", "uncalibrated", "calibration_error")

COLUMNS = {
    "macro_auc": Column("macro AUC", ("intervals", "macro_auc"), show_interval=True),
    "micro_auc": Column("micro AUC", ("intervals", "micro_auc")),
    "micro_baseline": Column("prevalence baseline", ("prevalence_baseline", "micro_auc")),
    "average_precision": Column("average precision", ("intervals", "average_precision")),
    "accuracy": Column("ACC per label", ("intervals", "accuracy")),
    "exact_match": Column("exact match", ("intervals", "exact_match")),
    "macro_f1": Column("macro F1", (*_TEST, "macro_f1")),
    "micro_f1": Column("micro F1", (*_TEST, "micro_f1")),
    "calibration_error": Column("calibration error", _UNCALIBRATED),
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
    "epochs",
    "parameters",
)


def table(
    results: Iterable[Result] | str | Path,
    columns: Sequence[str] = DEFAULT_COLUMNS,
    *,
    models: Sequence[str] | None = None,
) -> Table:
    """Tabulate records that were scored on the same test images.

    Args:
        results: the records, or their folder.
        columns: names of :data:`COLUMNS`.
        models: restrict and order the rows by model; models without a record get a row "not run".
            By default one row for each record.

    Raises:
        ValueError: if there is no record, test images or labels differ, intervals that are shown
            differ in their level or in what was resampled, or a column is unknown.
    """
    if isinstance(results, str | Path):
        results = load_results(results)
    headings = [COLUMNS[require_choice("columns", name, COLUMNS)].heading for name in columns]
    results = [r for r in results if models is None or r.recipe["model"] in models]
    _require_same_images(results)
    rows = []
    for model in (None,) if models is None else dict.fromkeys(models):
        found = [r for r in results if model in (None, r.recipe["model"])]
        rows += [[r.name, *(COLUMNS[name].cell(r) for name in columns)] for r in found]
        if not found:
            rows.append([model, *(NOT_RUN for _ in columns)])
    caption = _describe_images(results)
    if any(COLUMNS[name].show_interval for name in columns):
        protocols = [result.protocol for result in results]
        kinds = {f"{100 * p.level:g} % intervals by bootstrap over {p.unit}" for p in protocols}
        expected = "records whose intervals have one level and unit"
        hint = "Pass them in separate tables."
        require(len(kinds) == 1, "results", expected, " and ".join(sorted(kinds)), hint)
        caption += f"; {kinds.pop()}"
    return Table(caption, pd.DataFrame(rows, columns=["run", *headings]))


def by_size(results: Iterable[Result], models: Sequence[str], sizes: Sequence[int]) -> Table:
    """Tabulate the macro AUC by model (rows) and image size (columns).

    A cell with several records, as with different seeds, lists the score of each.

    Args:
        results: records that were scored on the same images at different sizes.
        models: the rows.
        sizes: the columns, in pixels.

    Raises:
        ValueError: as :func:`table`.
    """
    results = [r for r in results if r.recipe["model"] in models and r.recipe["size"] in sizes]
    _require_same_images(results)

    def cell(model, size):
        wanted = {"model": model, "size": size}
        found = [MACRO_AUC.cell(r) for r in results if wanted.items() <= r.recipe.items()]
        return ", ".join(found) or NOT_RUN

    columns = {f"{size} px": [cell(model, size) for model in models] for size in sizes}
    caption = f"{MACRO_AUC.heading}, {_describe_images(results)}"
    return Table(caption, pd.DataFrame({"model": models, **columns}))


@dataclass(frozen=True)
class Spread:
    """Variation of a score between seeds.

    Attributes:
        names: records of one recipe with different seeds on the same images.
        seeds: their seeds.
        mean: mean of the score.
        deviation: sample standard deviation of the score.
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    mean: float
    deviation: float


def seed_spread(results: Iterable[Result], score: str = "macro_auc") -> list[Spread]:
    """Compute the :class:`Spread` of each recipe that was recorded with at least two seeds.

    Recipes with one seed, with two records of a seed, or with an undefined score are left out.

    Args:
        results: the records.
        score: attribute of :class:`xraylab.metrics.Score`, computed on the test images.
    """
    groups = {}
    for result in results:
        groups.setdefault(_setting(result), []).append(result)
    spreads = []
    for group in groups.values():
        values = [result.score(score) for result in group]
        seeds = tuple(result.recipe["seed"] for result in group)
        if len(set(seeds)) == len(group) > 1 and not isnan(sum(values)):
            names = tuple(result.name for result in group)
            spreads.append(Spread(names, seeds, mean(values), stdev(values)))
    return spreads


def _setting(result):
    """Collect everything that determines a run except its seed."""
    fingerprints = [images.fingerprint for images in result.data.values()]
    recipe = sorted({**result.recipe, "seed": None}.items())
    return str(recipe), str(result.initial_weights), *fingerprints


def group_by_images(results: Iterable[Result]) -> list[list[Result]]:
    """Divide records into lists that :func:`table` accepts; those on real images come first."""
    groups = []
    for result in sorted(results, key=lambda r: r.simulated):
        found = (g for g in groups if all(_share_images(result, other) for other in g))
        group = next(found, None)
        if group is None:
            groups.append(group := [])
        group.append(result)
    return groups


def _require_same_images(results):
    """Raise ValueError unless there are records, all scored on the same images and labels."""
    require(results, "results", "at least one record", "none")
    for pair in combinations(results, 2):
        if not _share_images(*pair):
            both = (f"{r.name} ({_describe_images([r])})" for r in pair)
            expected = "records that share test images and labels"
            raise invalid_argument("results", expected, " and ".join(both))


def _share_images(first, second):
    """Return whether two records were scored on the same images and labels.

    Images have other fingerprints at another size; equal labels show that they are the same.
    """
    other_size = first.recipe["size"] != second.recipe["size"]
    same = first.data["test"].fingerprint == second.data["test"].fingerprint
    return (other_size or same) and _labels(first) == _labels(second)


def _labels(result):
    return result.data["test"].labels_sha256, result.label_names, result.simulated


def _describe_images(results):
    """Describe the test images of a table."""
    images = results[0].data["test"]
    kind = "SIMULATED images" if results[0].simulated else "images"
    sizes = sorted({result.recipe["size"] for result in results})
    px = ", ".join(map(str, sizes))
    return f"{images.num_images:,} {kind} of {images.source}, test split, {px} px"
