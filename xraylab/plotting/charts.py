"""Charts: one value per finding, a matrix of findings, and the history of a training run."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from xraylab.findings import FINDINGS
from xraylab.plotting import style
from xraylab.plotting.style import Figure

_LOSSES = ("loss", "error", "entropy")
_SCORES = ("auc", "precision")


@style.context()
def bar_chart(
    values: ArrayLike,
    *,
    xlabel: str,
    names: Sequence[str] = FINDINGS,
    title: str = "",
    value_format: str = "{:,.0f}",
    alt: str = "",
) -> Figure:
    """Draw horizontal bars, one per finding, each labelled with its value.

    Args:
        values: one non-negative value per name; NaN is shown as undefined.
        xlabel: quantity and unit of the values.
        names: names of the bars; findings have their own color and printed name.
        title: short text above the chart.
        value_format: format of the values, such as ``"{:.1%}"``.
        alt: text alternative; by default all values.

    Raises:
        ValueError: if the numbers of values and names differ, or a value is negative.
    """
    values = style.per_name("values", values, names)
    if np.nanmin(values, initial=0) < 0:
        raise style.invalid("values", "non-negative numbers", np.nanmin(values))
    fig, axes = _figure_with_rows(names, values, value_format, xlabel, title, alt, "Bars")
    colors = [style.color_of(name) for name in names]
    axes.barh(range(len(names)), np.nan_to_num(values), color=colors, height=0.7)
    axes.set_xlim(0, np.nanmax(values, initial=0) * 1.2 or 1)
    for row, value in enumerate(values):
        end = np.nan_to_num(value), row
        style.label_point(axes, _format(value_format, value), end, (4, 0))
    return fig


@style.context()
def score_plot(
    scores: ArrayLike,
    *,
    intervals: np.ndarray | None = None,
    baseline: ArrayLike | None = 0.5,
    names: Sequence[str] = FINDINGS,
    xlabel: str = "AUC",
    title: str = "",
    limits: tuple[float, float] | None = None,
    alt: str = "",
) -> Figure:
    """Draw one score per finding as a point with its interval and its distance from a baseline.

    Shapes:
        scores: (k,), in [0, 1]; NaN where a score is undefined.
        intervals: (k, 2), lower and upper bounds; optional.

    Args:
        scores: the scores.
        intervals: their intervals.
        baseline: chance level of the score: one number, one per name, or None.
        names: names of the rows.
        xlabel: name of the score.
        title: short text above the chart.
        limits: limits of the axis; by default they include all scores, intervals and baselines.
        alt: text alternative; by default all scores.

    Raises:
        ValueError: if there are not as many scores, intervals or baselines as names.
    """
    scores = style.per_name("scores", scores, names)
    numbers = [scores]
    if baseline is not None:
        baseline = np.broadcast_to(np.asarray(baseline, float), scores.shape)
        numbers.append(baseline)
    if intervals is not None:
        intervals = np.asarray(intervals, float)
        if intervals.shape != (len(names), 2):
            raise style.invalid("intervals", f"shape ({len(names)}, 2)", intervals.shape)
        numbers.append(intervals.ravel())
    numbers = np.concatenate(numbers)
    low, high = limits or (np.nanmin(numbers), np.nanmax(numbers))
    fig, axes = _figure_with_rows(names, scores, "{:.2f}", xlabel, title, alt, "Scores")
    for row, (name, score) in enumerate(zip(names, scores, strict=True)):
        if np.isnan(score):
            start = low if baseline is None else np.nan_to_num(baseline[row], nan=low)
            style.label_point(axes, "undefined", (start, row), (4, 0))
            continue
        end, color = score, style.color_of(name)
        if baseline is not None:
            line = {"color": style.FOREGROUND, "linewidth": 1, "alpha": 0.35}
            axes.plot([baseline[row], score], [row, row], **line)
        if intervals is not None:
            axes.plot(intervals[row], [row, row], color=color, linewidth=3.5, alpha=0.55)
            end = np.nanmax([score, intervals[row, 1]])
        axes.plot(score, row, "o", color=color, markersize=6)
        style.label_point(axes, f"{score:.2f}", (end, row), (7, 0))
    if baseline is not None:
        rows = np.arange(len(names))
        line = {"color": style.FOREGROUND, "linestyle": (0, (4, 3)), "linewidth": 1}
        axes.vlines(baseline, rows - 0.5, rows + 0.5, **line)
        top = {"ha": "center", "va": "bottom", "annotation_clip": False}
        style.label_point(axes, "baseline", (baseline[0], -0.5), (0, 2), **top)
        axes.set_title(title, loc="left", pad=16)
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
) -> Figure:
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
    if values.shape != (len(names), len(column_names)):
        raise style.invalid("values", f"shape ({len(names)}, {len(column_names)})", values.shape)
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
def history(
    history: Mapping[str, Sequence[float]] | Sequence[Mapping[str, float]],
    *,
    title: str = "",
    alt: str = "",
) -> Figure:
    """Draw the history of a training run: losses and scores by epoch.

    Args:
        history: values by epoch, as ``{"loss": [...], "val_macro_auc": [...]}`` or as one such row
            per epoch. Names with ``loss``, ``error`` or ``entropy`` are losses, names with ``auc``
            or ``precision`` are scores; other names (epoch, step, seconds) are not drawn.
        title: short text above the chart.
        alt: text alternative; by default the first and last value of every curve.

    Raises:
        ValueError: if ``history`` contains no loss and no score.
    """
    columns: Mapping[str, Sequence] = (
        history
        if isinstance(history, Mapping)
        else {name: [row.get(name) for row in history] for row in history[:1] for name in row}
    )
    panels = [
        {
            name: np.asarray(curve, float)  # an undefined value is None in JSON, NaN here
            for name, curve in columns.items()
            if len(curve) and any(word in name for word in words)
        }
        for words in (_LOSSES, _SCORES)
    ]
    panels = [panel for panel in panels if panel]
    if not panels:
        raise style.invalid("history", "a loss or a score", ", ".join(columns) or "nothing")
    ranges = (
        f"{_curve_name(name)} from {curve[0]:.3g} to {curve[-1]:.3g}"
        for panel in panels
        for name, curve in panel.items()
    )
    epochs = max(len(curve) for panel in panels for curve in panel.values())
    alt = alt or f"Training over {epochs} epochs: {'; '.join(ranges)}."
    fig, axes = style.figure(4.8, 2.2 * len(panels) + 0.2, alt=alt, rows=len(panels))
    axes = np.atleast_1d(axes)
    for axis, panel in zip(axes, panels, strict=True):
        _draw_history(axis, panel)
    axes[-1].set_xlabel("epoch")
    axes[0].set_title(title)
    return fig


def _draw_history(axes, panel: Mapping[str, np.ndarray]) -> None:
    """Draw curves with their names at their ends."""
    ends = []
    for name, curve in panel.items():
        validation = name.startswith("val")
        color = style.ACCENT if validation else style.FOREGROUND
        marker = "o" if len(curve) < 12 else None
        line = {"linestyle": "-" if validation else (0, (4, 2)), "linewidth": 1.6}
        epochs = np.arange(1, len(curve) + 1)
        axes.plot(epochs, curve, color=color, marker=marker, markersize=3, **line)
        finite = curve[np.isfinite(curve)]
        if len(finite):
            ends.append((finite[-1], len(curve), _curve_name(name), color))
    low, high = axes.get_ylim()
    heights = style.spread_labels([end[0] for end in ends], 0.12 * (high - low)) if ends else ()
    for (value, epoch, name, color), height in zip(ends, heights, strict=True):
        style.label_point(axes, f"{name} {value:.3g}", (epoch, height), (6, 0), color=color)
    axes.grid(axis="y")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if max(len(curve) for curve in panel.values()) == 1:
        axes.set(xlim=(0.5, 1.5), xticks=[1])
    axes.set_ylabel("loss" if any(word in name for name in panel for word in _LOSSES) else "score")


def _curve_name(name: str) -> str:
    """Return the printed name of a curve: ``"val_macro_auc"`` → ``"validation macro AUC"``."""
    words = {"val": "validation", "auc": "AUC", "bce": "BCE", "mse": "MSE"}
    return " ".join(words.get(word, word) for word in name.split("_"))


def _format(value_format: str, value: float) -> str:
    return "undefined" if np.isnan(value) else value_format.format(value)


def _figure_with_rows(names, values, value_format, xlabel, title, alt, kind):
    """Return a figure with one row per name, the first at the top, and its axes."""
    labels = [style.display_name(name) for name in names]
    texts = [f"{k} {_format(value_format, v)}" for k, v in zip(labels, values, strict=True)]
    alt = alt or style.with_title(title, f"{kind}, {xlabel}: {', '.join(texts)}.")
    fig, axes = style.figure(4.8, 0.8 + 0.23 * len(names), alt=alt)
    axes.set_yticks(range(len(names)), labels, fontsize=9)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    style.label_axes(axes, xlabel=xlabel, title=title)
    return fig, axes
