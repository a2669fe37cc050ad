"""Records as tables of cells, with captions that say what the numbers are."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from xraylab.evaluation import SCORES
from xraylab.results.writing import Table

NOT_RUN = "not run"
"""What stands where there is no record."""


@dataclass(frozen=True)
class Column:
    """One column of a table of records.

    Attributes:
        heading: what stands above it.
        value: returns a record's number, or None where it has none.
        text: returns a number as it is printed.
        interval: returns a record's interval, with ``low`` and ``high``; None if it has none.
        best: whether high values are good (``max``), low ones (``min``), or neither (None); the
            first two take an interval.
    """

    heading: str
    value: Callable[[Any], float | None]
    text: Callable[[float], str]
    interval: Callable[[Any], Any] | None = None
    best: Callable | None = None


def _score(name, heading, best=max):
    return Column(
        heading,
        lambda result: result.score(name),
        "{:.3f}".format,
        lambda result: result.values["intervals"][name],
        best,
    )


def _training(name, heading, text, unit=1):
    def value(result):
        found = result.values["training"][name]
        return None if found is None else found / unit

    return Column(heading, value, text)


def _cost(name, heading, text, unit=1):
    def value(result):
        found = (result.values["cost"] or {}).get(name)
        return None if found is None else found / unit

    return Column(heading, value, text)


def _floor(result):
    return result.values["scores"]["test"]["baselines"][-1]["micro_auc"]


def _error(result):
    return result.values["calibration"]["as_trained"]["calibration_error"]


COLUMNS = {
    "macro_auc": _score("macro_auc", "macro AUC"),
    "micro_auc": _score("micro_auc", "micro AUC"),
    "micro_floor": Column("its floor", _floor, "{:.3f}".format),
    "average_precision": _score("average_precision", "average precision"),
    # An answer that never finds anything has much of these two: the most is not the best.
    "accuracy": _score("accuracy", "ACC per label", best=None),
    "exact_match": _score("exact_match", "exact match", best=None),
    "calibration_error": Column(
        "calibration error", lambda result: _error(result)["value"], "{:.3f}".format, _error, min
    ),
    "parameters": _training("parameters", "parameters", "{:,.0f}".format),
    "multiply_adds": _cost("multiply_adds", "multiply-adds (M)", "{:,.1f}".format, 1e6),
    "latency": _cost("latency_p50", "latency (ms)", "{:.1f}".format),
    "inference_memory": _cost("inference_bytes", "memory, 32 images (GB)", "{:.2f}".format, 1e9),
    "training_memory": _cost("training_bytes", "memory, training (GB)", "{:.2f}".format, 1e9),
    "size": Column("px", lambda result: result.recipe["size"], "{:.0f}".format),
    "images": Column(
        "training images", lambda result: result.values["data"]["train"]["images"], "{:,.0f}".format
    ),
    "epochs": _training("epochs", "epochs", "{:.0f}".format),
    "minutes": _training("seconds", "minutes of training", "{:.1f}".format, 60),
}
"""What a table of records can show, by name."""

USUAL = (
    "macro_auc",
    "micro_auc",
    "micro_floor",
    "average_precision",
    "accuracy",
    "exact_match",
    "parameters",
    "epochs",
)


def table(results, columns=USUAL, *, models=None):
    """Return a table of records that were scored on the same test images.

    Args:
        results: :class:`xraylab.results.Result` objects.
        columns: names of :data:`COLUMNS`.
        models: models in the order of the rows; of each the records follow, or a row of "not run".
            Records of other models are left out. By default one row for each record, in their
            order.

    Raises:
        ValueError: if there is no record, the images or labels of those shown differ, or a column
            is unknown.
    """
    results = [r for r in results if models is None or r.recipe["model"] in models]
    unknown = [name for name in columns if name not in COLUMNS]
    if not results or unknown:
        raise ValueError(
            f"a table needs a record and columns among {', '.join(COLUMNS)}; {len(results)} "
            f"records and {list(columns)} came"
        )
    _require_same_images(results)
    if models is None:
        listed = [(result.name, result) for result in results]
    else:
        listed = []
        for model in models:
            found = [result for result in results if result.recipe["model"] == model]
            listed += [(result.name, result) for result in found] or [(model, None)]
    rows = tuple((name, *(_cell(result, column) for column in columns)) for name, result in listed)
    heads = ["run", *(COLUMNS[name].heading for name in columns)]
    caption = _scored_on(results)
    if "macro_auc" in columns:
        measures = [result.values["measure"] for result in results]
        units, levels = ({measure[key] for measure in measures} for key in ("unit", "level"))
        if len(levels) > 1:
            raise ValueError(f"the records have intervals of several levels: {sorted(levels)}")
        heads[1 + columns.index("macro_auc")] += f" [{100 * levels.pop():g} %]"
        caption += f"; intervals by bootstrap over {_listed(sorted(units))}"
    best = set()
    for j, name in enumerate(columns, 1):
        best |= {(i, j) for i in _best(COLUMNS[name], [result for _, result in listed])}
    if best:
        caption += "; bold: the best of a column, and those whose interval holds it"
    return Table(caption, tuple(heads), rows, frozenset(best))


def _best(column, results):
    """Return which of the records (None where not run) are best, or hold that in their interval.

    That is no test: the images are the same, so a paired comparison is sharper.
    """
    values = {i: column.value(result) for i, result in enumerate(results) if result is not None}
    values = {i: value for i, value in values.items() if value is not None}
    if column.best is None or len(values) < 2:
        return []
    first = column.best(values.values())
    ends = {i: column.interval(results[i]) for i in values}
    return [
        i
        for i, value in values.items()
        if value == first
        or (ends[i]["low"] is not None and ends[i]["low"] <= first <= ends[i]["high"])
    ]


def by_size(results, models, sizes, score="macro_auc"):
    """Return a table of one score, models down and sizes across.

    Several records of one cell, as with other seeds, give their mean and their number.

    Args:
        results: :class:`xraylab.results.Result` objects, scored on the same images at other sizes.
        models: the rows.
        sizes: the columns, in pixels.
        score: name of a score over all labels.

    Raises:
        ValueError: as :func:`table`.
    """
    results = list(results)
    if not results:
        raise ValueError("a table needs a record; none came")
    if score not in SCORES:
        raise ValueError(f"score must be one of {', '.join(SCORES)}; {score!r} came")
    results = [r for r in results if r.recipe["model"] in models and r.recipe["size"] in sizes]
    _require_same_images(results)
    rows = []
    for model in models:
        row = [model]
        for size in sizes:
            cell = [r for r in results if (r.recipe["model"], r.recipe["size"]) == (model, size)]
            if len({_setting(result) for result in cell}) > 1:
                raise ValueError(
                    f"{' and '.join(result.name for result in cell)} differ in more than their "
                    "seeds: they have no mean. Choose among them"
                )
            values = [result.score(score) for result in cell]
            values = [value for value in values if value is not None]
            row.append(f"{mean(values):.3f}" if values else NOT_RUN)
            if len(values) > 1:
                row[-1] += f" (mean of {len(values)})"
        rows.append(tuple(row))
    heads = ("model", *(f"{size} px" for size in sizes))
    caption = COLUMNS[score].heading + (f", {_scored_on(results)}" if results else "")
    return Table(caption, heads, tuple(rows))


@dataclass(frozen=True)
class Spread:
    """How a score varies with the seed alone.

    Attributes:
        names: the records, runs of one recipe under several seeds on the same images.
        seeds: theirs.
        mean, deviation: of the score; the deviation is that of a sample, divided by n - 1.
        low, high: the least and the most.
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    mean: float
    deviation: float
    low: float
    high: float


def seed_spread(results, score="macro_auc"):
    """Return the :class:`Spread` of each recipe that was recorded under at least two seeds."""
    groups = {}
    for result in results:
        groups.setdefault(_setting(result), []).append(result)
    found = []
    for members in groups.values():
        values = [result.score(score) for result in members]
        seeds = {result.recipe["seed"] for result in members}
        if len(seeds) == len(members) > 1 and None not in values:
            found.append(
                Spread(
                    tuple(result.name for result in members),
                    tuple(result.recipe["seed"] for result in members),
                    mean(values),
                    stdev(values),
                    min(values),
                    max(values),
                )
            )
    return found


def _setting(result):
    """Return all that decides a run but its seed."""
    prints = [images["fingerprint"] for images in result.values["data"].values()]
    return str({**result.recipe, "seed": None}), str(result.values["origins"]), *prints


def _require_same_images(results):
    """Refuse records that were not scored on the same images and labels.

    At another size the same images have other pixels; their labels tell that they are the same.
    """
    at_size = {}
    for result in results:
        former = at_size.setdefault(result.recipe["size"], result)
        for other, same in ((results[0], _labels), (former, _pixels)):
            if same(other) != same(result):
                raise ValueError(
                    f"{other.name} was scored on {_images(other)} and {result.name} on "
                    f"{_images(result)}: other images or labels, so they belong in different tables"
                )


def _labels(result):
    images = result.values["data"]["test"]
    return images["labels_sha256"], result.label_names, result.simulated


def _pixels(result):
    return result.values["data"]["test"]["fingerprint"]


def _images(result):
    images = result.values["data"]["test"]
    kind = " SIMULATED" if result.simulated else ""
    return f"{images['images']:,}{kind} images of {images['source']} ({images['fingerprint'][:12]})"


def _scored_on(results):
    """Return which images the scores of a table are of."""
    images = results[0].values["data"]["test"]
    kind = "SIMULATED images" if results[0].simulated else "images"
    sizes = sorted({result.recipe["size"] for result in results})
    return f"{images['images']:,} {kind} of {images['source']}, test split, {_listed(sizes)} px"


def _listed(values):
    return ", ".join(map(str, values))


def _cell(result, name):
    """Return the text of a cell."""
    if result is None:
        return NOT_RUN
    column = COLUMNS[name]
    value = column.value(result)
    if value is None:
        return "undefined" if column.interval or name == "micro_floor" else "not measured"
    text = column.text(value)
    if name == "macro_auc":
        interval = result.values["intervals"][name]
        if interval["low"] is not None:
            text += f" [{interval['low']:.3f}, {interval['high']:.3f}]"
    return text
