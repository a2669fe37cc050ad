"""Charts: one value a finding, a matrix of findings, and the course of a training."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from xraylab.findings import FINDINGS, SHORT_NAMES
from xraylab.findings import title as printed
from xraylab.plotting.look import ACCENT, FINDING_COLOURS, INK, Figure, figure, style

_LOSSES = ("loss", "error", "entropy")
_SCORES = ("auc", "precision")


def bars(
    values: Sequence[float],
    *,
    unit: str,
    names: Sequence[str] = FINDINGS,
    title: str = "",
    form: str = "{:,.0f}",
    alt: str = "",
) -> Figure:
    """Return horizontal bars from zero, one a finding, each with its value written beside it.

    Args:
        values: one value a name, zero or more; ``nan`` is shown as undefined.
        unit: what is counted or measured; stands below the axis.
        names: what the bars stand for; findings take their own colour and printed name.
        title: short text above the chart.
        form: how a value is written, e.g. ``"{:.1%}"``.
        alt: what can be seen; by default all the values.

    Raises:
        ValueError: if there are not as many values as names, or one is negative.
    """
    values = _one_each(values, names)
    if np.nanmin(values, initial=0) < 0:
        raise ValueError(f"values: expected zero or more, got {np.nanmin(values)}")
    drawn, axes = _rows(names, values, form, unit, title, alt, "Bars")
    with style():
        axes.barh(range(len(names)), np.nan_to_num(values), color=_colours(names), height=0.7)
        axes.set_xlim(0, np.nanmax(values, initial=0) * 1.2 or 1)
        for row, value in enumerate(values):
            text = "undefined" if np.isnan(value) else form.format(value)
            axes.annotate(text, (np.nan_to_num(value), row), (4, 0), fontsize=8, va="center",
                          textcoords="offset points")  # fmt: skip
    return drawn


def score_bars(
    scores: Sequence[float],
    *,
    intervals: np.ndarray | None = None,
    floor: float | Sequence[float] | None = 0.5,
    names: Sequence[str] = FINDINGS,
    unit: str = "AUC",
    title: str = "",
    limits: tuple[float, float] | None = None,
    alt: str = "",
) -> Figure:
    """Return one score a finding as a point, with its interval and a stem from its floor.

    Shapes:
        scores: (k,), in [0, 1]; ``nan`` where a finding's score is undefined.
        intervals: (k, 2), lower and upper end; optional.

    Args:
        scores: the scores.
        intervals: their intervals.
        floor: the score of a model that knows nothing: one for all, one a name, or None.
        names: what was scored.
        unit: name of the score.
        title: short text above the chart.
        limits: ends of the axis; by default they hold every score, interval and floor.
        alt: what can be seen; by default all the scores.

    Raises:
        ValueError: if there are not as many scores, intervals or floors as names.
    """
    scores = _one_each(scores, names)
    floors = None if floor is None else np.broadcast_to(np.asarray(floor, float), scores.shape)
    parts = [scores] if floors is None else [scores, floors]
    if intervals is not None:
        intervals = np.asarray(intervals, float)
        if intervals.shape != (len(names), 2):
            raise ValueError(f"intervals: expected ({len(names)}, 2), got {intervals.shape}")
        parts.append(intervals.ravel())
    every = np.concatenate(parts)
    low, high = limits or (np.nanmin(every), np.nanmax(every))
    drawn, axes = _rows(names, scores, "{:.2f}", unit, title, alt, "Scores")
    with style():
        for row, (score, colour) in enumerate(zip(scores, _colours(names), strict=True)):
            if np.isnan(score):
                axes.annotate("undefined", (low, row), (4, 0), fontsize=8, va="center",
                              textcoords="offset points")  # fmt: skip
                continue
            if floors is not None:
                axes.plot([floors[row], score], [row, row], color=INK, linewidth=1, alpha=0.35)
            end = score
            if intervals is not None:
                axes.plot(intervals[row], [row, row], color=colour, linewidth=3.5, alpha=0.55)
                end = np.nanmax([score, intervals[row, 1]])
            axes.plot(score, row, "o", color=colour, markersize=6)
            axes.annotate(f"{score:.2f}", (end, row), (7, 0), fontsize=8, va="center",
                          textcoords="offset points")  # fmt: skip
        if floors is not None:
            axes.vlines(floors, np.arange(len(names)) - 0.5, np.arange(len(names)) + 0.5,
                        color=INK, linestyle=(0, (4, 3)), linewidth=1)  # fmt: skip
            axes.annotate("floor", (floors[0], -0.6), (0, 2), fontsize=8, ha="center", va="bottom",
                          textcoords="offset points")  # fmt: skip
        room = max(high - low, 0.05)
        axes.set_xlim(*(limits or (low - 0.04 * room, high + 0.16 * room)))
    return drawn


def matrix(
    values: np.ndarray,
    *,
    unit: str,
    names: Sequence[str] = FINDINGS,
    columns: Sequence[str] | None = None,
    title: str = "",
    form: str = "{:.2g}",
    alt: str,
) -> Figure:
    """Return a matrix, as of findings by findings, every cell with its value.

    Shapes:
        values: (k, m); ``nan`` leaves a cell empty.

    Args:
        values: the matrix; row by row from above.
        unit: what the values are; stands beside the colour bar.
        names: names of the rows.
        columns: names of the columns; by default those of the rows.
        title: short text above the matrix.
        form: how a value is written; ``""`` writes none.
        alt: what can be seen; required, because a matrix is too much to be read out.

    Raises:
        ValueError: if ``values`` has not one row and one column a name.
    """
    values = np.asarray(values, float)
    columns = names if columns is None else columns
    if values.shape != (len(names), len(columns)):
        raise ValueError(f"values: expected ({len(names)}, {len(columns)}), got {values.shape}")
    few = len(columns) <= 10  # room for whole names and readable digits
    drawn, axes = figure(4.8 if few else 5.4, 4.6, alt=alt)
    with style():
        shown = axes.imshow(
            values, interpolation="none", aspect="equal" if len(columns) == len(names) else "auto"
        )
        axes.set_xticks(range(len(columns)), _short(columns), rotation=90, fontsize=8)
        axes.set_yticks(range(len(names)), _labels(names) if few else _short(names), fontsize=8)
        axes.set_title(title)
        axes.spines[:].set_visible(False)
        if form:
            for (row, column), value in np.ndenumerate(values):
                if np.isfinite(value):
                    bright = shown.norm(value) > 0.6
                    axes.text(column, row, form.format(value), fontsize=8.5 if few else 5.5,
                              ha="center", va="center",
                              color="black" if bright else "white")  # fmt: skip
        drawn.colorbar(shown, ax=axes, label=unit, shrink=0.8, fraction=0.06)
    return drawn


def history(
    course: Mapping[str, Sequence[float]] | Sequence[Mapping[str, float]],
    *,
    title: str = "",
    alt: str = "",
) -> Figure:
    """Return the course of a training by epoch: losses on one side, scores on the other.

    Args:
        course: values by epoch, as ``{"loss": [...], "val_macro_auc": [...]}`` or as one such row
            an epoch. A name with ``loss``, ``error`` or ``entropy`` in it is a loss, with ``auc``
            or ``precision`` is a score; other names (epoch, step, seconds) are not drawn.
        title: short text above the chart.
        alt: what can be seen; by default first and last value of every curve.

    Raises:
        ValueError: if nothing in ``course`` can be drawn.
    """
    if not isinstance(course, Mapping):
        rows = list(course)
        course = {name: [row.get(name) for row in rows] for name in (rows or [{}])[0]}
    panels = [
        {
            name: np.asarray(curve, float)  # an undefined value is None in JSON, nan here
            for name, curve in course.items()
            if len(curve) and any(word in name for word in words)
        }
        for words in (_LOSSES, _SCORES)
    ]
    panels = [panel for panel in panels if panel]
    if not panels:
        raise ValueError(
            f"course: found no loss and no score among {', '.join(course) or 'nothing'}"
        )
    told = (
        f"{_spoken(name)} from {curve[0]:.3g} to {curve[-1]:.3g}"
        for panel in panels
        for name, curve in panel.items()
    )
    epochs = max(len(curve) for panel in panels for curve in panel.values())
    alt = alt or f"Training over {epochs} epochs: {'; '.join(told)}."
    drawn, axes = figure(4.8, 2.2 * len(panels) + 0.2, alt=alt, rows=len(panels))
    with style():
        for place, panel in zip(np.atleast_1d(axes), panels, strict=True):
            _curves(place, panel)
        np.atleast_1d(axes)[-1].set_xlabel("epoch")
        np.atleast_1d(axes)[0].set_title(title)
    return drawn


def _curves(axes, panel: Mapping[str, Sequence[float]]) -> None:
    """Draw curves with their names at their ends, moved apart where they would overlap."""
    ends = []
    for name, curve in panel.items():
        held_out = name.startswith("val")
        (line,) = axes.plot(
            np.arange(1, len(curve) + 1),
            curve,
            color=ACCENT if held_out else INK,
            linestyle="-" if held_out else (0, (4, 2)),
            marker="o" if len(curve) < 12 else None,
            markersize=3,
            linewidth=1.6,
        )
        known = curve[np.isfinite(curve)]
        if len(known):
            ends.append([known[-1], known[-1], len(curve), _spoken(name), line.get_color()])
    low, high = axes.get_ylim()
    gap = (high - low) * 0.12
    ends.sort(key=lambda end: end[0])
    for lower, upper in pairwise(ends):
        upper[1] = max(upper[1], lower[1] + gap)
    for value, height, epoch, name, colour in ends:
        axes.annotate(
            f"{name} {value:.3g}", (epoch, height), (6, 0), textcoords="offset points",
            fontsize=8, va="center", color=colour,
        )  # fmt: skip
    axes.grid(axis="y")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if max(len(curve) for curve in panel.values()) == 1:
        axes.set_xlim(0.5, 1.5)
        axes.set_xticks([1])
    axes.set_ylabel("loss" if any(w in n for n in panel for w in _LOSSES) else "score")


def _spoken(name: str) -> str:
    """Return a curve's name as it is printed: ``"val_macro_auc"`` → ``"validation macro AUC"``."""
    words = {"val": "validation", "auc": "AUC", "bce": "BCE", "mse": "MSE"}
    return " ".join(words.get(word, word) for word in name.split("_"))


def _one_each(values: Sequence[float], names: Sequence[str]) -> np.ndarray:
    """Return values as floats, one a name."""
    values = np.asarray(values, float)
    if values.shape != (len(names),):
        raise ValueError(f"values: expected {len(names)}, one a name, got shape {values.shape}")
    return values


def _colours(names: Sequence[str]) -> list[str]:
    return [FINDING_COLOURS.get(name, ACCENT) for name in names]


def _labels(names: Sequence[str]) -> list[str]:
    return [printed(name) if name in FINDINGS else str(name) for name in names]


def _short(names: Sequence[str]) -> list[str]:
    return [SHORT_NAMES.get(name, str(name)) for name in names]


def _rows(names, values, form, unit, title, alt, kind):
    """Return a figure with one row a name, the first on top, and its axes."""
    labels = _labels(names)
    told = (
        f"{label} {'undefined' if np.isnan(value) else form.format(value)}"
        for label, value in zip(labels, values, strict=True)
    )
    alt = alt or f"{title + '. ' if title else ''}{kind}, {unit}: {', '.join(told)}."
    drawn, axes = figure(4.8, 0.8 + 0.23 * len(names), alt=alt)
    with style():
        axes.set_yticks(range(len(names)), labels, fontsize=9)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(unit)
        axes.set_title(title, loc="left")
    return drawn, axes
