"""Charts: a value per finding, a matrix of findings, and scores over costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import require
from xraylab.findings import FINDINGS
from xraylab.plotting import style


@style.context()
def bar_chart(
    values: ArrayLike,
    *,
    xlabel: str,
    names: Sequence[str] = FINDINGS,
    title: str = "",
    value_format: str = "{:,.0f}",
) -> style.Figure:
    """Draw horizontal bars, one per finding, each labelled with its value.

    Args:
        values: one non-negative value per name; NaN is shown as undefined.
        xlabel: quantity and unit of the values.
        names: names of the bars; findings have their own color and printed name.
        title: short text above the chart.
        value_format: format of the values, such as ``"{:.1%}"``.

    Raises:
        ValueError: if the numbers of values and names differ.
    """
    values = style.per_name("values", values, names)
    fig, axes = _figure_with_rows(names, values, value_format, xlabel, title, "Bars")
    colors = [style.color_of(name) for name in names]
    axes.barh(range(len(names)), np.nan_to_num(values), color=colors, height=0.7)
    axes.set_xlim(0, np.nanmax(values, initial=0) * 1.2 or 1)
    for row, value in enumerate(values):
        end = np.nan_to_num(value), row
        style.label_point(axes, _format(value_format, value), end, (4, 0))
    return fig


@style.context()
def score_plot(
    scores: Sequence[Any] | np.ndarray,
    *,
    intervals: np.ndarray | None = None,
    baseline: ArrayLike | None = 0.5,
    names: Sequence[str] = FINDINGS,
    xlabel: str = "AUC",
    title: str = "",
    limits: tuple[float, float] | None = None,
) -> style.Figure:
    """Draw one score per finding as a point with its interval and its distance from a baseline.

    Shapes:
        scores: (k,), in [0, 1]; NaN where a score is undefined.
        intervals: (k, 2), lower and upper bounds; optional.

    Args:
        scores: the scores, as numbers or as :class:`xraylab.evaluation.Interval`.
        intervals: the intervals of numbers.
        baseline: chance level of the score: one number, one per name, or None.
        names: names of the rows.
        xlabel: name of the score.
        title: short text above the chart.
        limits: limits of the axis; by default they include all scores, intervals and baselines.

    Raises:
        ValueError: if there are not as many scores, intervals or baselines as names.
    """
    if intervals is None and all(hasattr(score, "low") for score in scores):
        intervals = np.array([(score.low, score.high) for score in scores])
        scores = [score.value for score in scores]
    scores = style.per_name("scores", scores, names)
    numbers, ends = [scores], scores
    if baseline is not None:
        baseline = np.broadcast_to(np.asarray(baseline, float), scores.shape)
        numbers.append(baseline)
    if intervals is not None:
        intervals = np.asarray(intervals, float)
        shape = (len(names), 2)
        require(intervals.shape == shape, "intervals", f"shape {shape}", intervals.shape)
        numbers += [*intervals.T]
        ends = np.fmax(scores, intervals[:, 1])
    low, high = limits or (np.nanmin(numbers), np.nanmax(numbers))
    fig, axes = _figure_with_rows(names, scores, "{:.2f}", xlabel, title, "Scores")
    rows, colors = np.arange(len(names)), [style.color_of(name) for name in names]
    if baseline is not None:
        line = {"color": style.FOREGROUND, "linewidth": 1}
        axes.hlines(rows, baseline, scores, alpha=0.35, **line)
        axes.vlines(baseline, rows - 0.5, rows + 0.5, linestyle=(0, (4, 3)), **line)
        top = {"ha": "center", "va": "bottom", "annotation_clip": False}
        style.label_point(axes, "baseline", (baseline[0], -0.5), (0, 2), **top)
        axes.set_title(title, loc="left", pad=16)
    if intervals is not None:
        axes.hlines(rows, *intervals.T, colors=colors, linewidth=3.5, alpha=0.55)
    axes.scatter(scores, rows, 36, colors, zorder=3)
    # No label covers the line from a score to a higher baseline.
    ends = np.fmax(ends, low if baseline is None else np.fmax(low, baseline))
    for row, (score, end) in enumerate(zip(scores, ends, strict=True)):
        style.label_point(axes, _format("{:.2f}", score), (end, row), (7, 0))
    margin = max(high - low, 0.05)
    axes.set_xlim(*(limits or (low - 0.04 * margin, high + 0.16 * margin)))
    return fig


@style.context()
def matrix(
    values: np.ndarray,
    *,
    colorbar_label: str,
    names: Sequence[str] = FINDINGS,
    column_names: Sequence[str] | None = None,
    title: str = "",
    value_format: str = "{:.2g}",
    alt: str,
) -> style.Figure:
    """Draw a matrix, such as findings by findings, with the value in each cell.

    Shapes:
        values: (k, m); NaN leaves a cell empty.

    Args:
        values: the matrix; the first row is at the top.
        colorbar_label: quantity and unit of the values.
        names: names of the rows.
        column_names: names of the columns; by default those of the rows.
        title: short text above the matrix.
        value_format: format of the values; ``""`` writes none.
        alt: text alternative.

    Raises:
        ValueError: if the shape of ``values`` differs from the numbers of names.
    """
    values = np.asarray(values, float)
    column_names = names if column_names is None else column_names
    shape = (len(names), len(column_names))
    require(values.shape == shape, "values", f"shape {shape}", values.shape)
    small = len(column_names) <= 10  # enough room for full names and large digits
    aspect = "equal" if len(column_names) == len(names) else "auto"
    fig, axes = style.figure(4.8 if small else 5.4, 4.6, alt=alt)
    mesh = axes.imshow(values, interpolation="none", aspect=aspect)
    columns = [style.short_name(name) for name in column_names]
    rows = [(style.display_name if small else style.short_name)(name) for name in names]
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_title(title)
    axes.spines[:].set_visible(False)
    text = {"ha": "center", "va": "center", "fontsize": 8.5 if small else 5.5}
    for (row, column), value in np.ndenumerate(values):
        if value_format and np.isfinite(value):
            color = "black" if mesh.norm(value) > 0.6 else "white"
            axes.text(column, row, value_format.format(value), color=color, **text)
    fig.colorbar(mesh, ax=axes, label=colorbar_label, shrink=0.8, fraction=0.06)
    return fig


@style.context()
def trade_off(
    points: Mapping[str, tuple[float, Any]], *, xlabel: str, ylabel: str, title: str = ""
) -> style.Figure:
    """Draw scores over costs; points on the Pareto front are filled and connected.

    Args:
        points: ``(cost, score)`` by name; positive costs, on a logarithmic axis, and scores as
            numbers or as :class:`xraylab.evaluation.Interval`.
        xlabel: the cost and its unit.
        ylabel: name of the score.
        title: short text above the chart.

    Raises:
        ValueError: if there is no point, a cost is not positive, or a number is not finite.
    """
    given, points = points, {n: (x, getattr(y, "value", y)) for n, (x, y) in points.items()}
    costs, scores = np.array([*points.values()], float).reshape(-1, 2).T
    valid = len(points) and (costs > 0).all() and np.isfinite([costs, scores]).all()
    require(valid, "points", "positive costs and finite scores", points)
    front = pareto_front(points)
    values = "; ".join(
        f"{name} {score:.3f} at {cost:.3g}" for name, (cost, score) in points.items()
    )
    description = f"{ylabel} over {xlabel}: {values}. Pareto front: {', '.join(front)}."
    fig, axes = style.figure(4.8, 3.4, alt=style.with_title(title, description))
    axes.set_xscale("log")
    x, y = np.array([points[name] for name in front]).T
    axes.step(x, y, where="post", color=style.ACCENT, linewidth=1.2, alpha=0.5)
    for name, (cost, score) in given.items():
        if hasattr(score, "low"):
            line = {"color": style.FOREGROUND, "linewidth": 1, "alpha": 0.5}
            axes.plot([cost, cost], [score.low, score.high], **line)
        fill = style.ACCENT if name in front else "none"
        axes.plot(*points[name], "o", color=style.ACCENT, markerfacecolor=fill, markersize=6)
    axes.grid(axis="y")
    style.label_axes(axes, xlabel, ylabel, title)
    leaders = [("-", style.FOREGROUND)] * len(points)
    style.label_ends(axes, points, points.values(), leaders, 0.06)
    return fig


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names of the points that no other point dominates, in order of cost."""
    front, best = [], -np.inf
    for name, (_, score) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if score > best:
            front.append(name)
            best = score
    return front


def _format(value_format: str, value: float) -> str:
    return "undefined" if np.isnan(value) else value_format.format(value)


def _figure_with_rows(names, values, value_format, xlabel, title, kind):
    """Return a figure with one row per name, the first at the top, and its axes."""
    labels = [style.display_name(name) for name in names]
    texts = [f"{k} {_format(value_format, v)}" for k, v in zip(labels, values, strict=True)]
    alt = style.with_title(title, f"{kind}, {xlabel}: {', '.join(texts)}.")
    fig, axes = style.figure(4.8, 0.8 + 0.23 * len(names), alt=alt)
    axes.set_yticks(range(len(names)), labels, fontsize=9)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    style.label_axes(axes, xlabel=xlabel, title=title)
    if len(xlabel) + max(map(len, labels), default=0) > 70:  # the axes are narrower than the label
        axes.set_xlabel(xlabel, loc="right")
    return fig, axes
