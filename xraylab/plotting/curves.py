"""Curves of quantities over another quantity, such as epochs, labelled at their ends."""

from collections.abc import Mapping, Sequence
from itertools import cycle, product

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator

from xraylab.arguments import require
from xraylab.plotting import style

History = Mapping[str, Sequence[float]] | Sequence[Mapping[str, float]]

LINE_STYLES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
"""Line styles, each used in two colors, so that eight curves are distinguishable."""


@style.context()
def curves(
    x: Sequence[float],
    values: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    ylabel: str,
    bands: Mapping[str, np.ndarray] | None = None,
    title: str = "",
    value_format: str = "{:.2g}",
    ticks: Sequence[float] | None = None,
    log: bool = False,
) -> style.Figure:
    """Draw one curve per name over the same positions, each labelled at its end.

    Shapes:
        x: (m,). values: (m,) per name; NaN leaves a gap. bands: (m, 2) per name, lower and upper
        bounds.

    Args:
        x: positions of the values.
        values: the curves by name; findings have their own color.
        xlabel: quantity and unit of ``x``.
        ylabel: quantity and unit of the values.
        bands: intervals, drawn as bands around the curves.
        title: short text above the chart.
        value_format: format of the values in the text alternative.
        ticks: positions of the ticks of the x axis; by default round numbers.
        log: whether both axes are logarithmic.

    Raises:
        ValueError: if there is no curve, a curve has another length than ``x`` or no finite value,
            or a number is not positive with ``log=True``.
    """
    arrays = {name: np.asarray(curve, float) for name, curve in values.items()}
    bands = {name: np.asarray(band, float) for name, band in (bands or {}).items()}
    require(arrays, "values", "at least one curve", "none")
    for name, curve in arrays.items():
        valid = curve.shape == (len(x),) and np.isfinite(curve).any()
        require(valid, f"values[{name!r}]", f"{len(x)} numbers, not all NaN", curve)
    for name, numbers in {"x": np.asarray(x, float), **arrays}.items():
        require(not (log and (numbers <= 0).any()), name, "positive numbers with log=True", numbers)
    description = f"{ylabel} over {xlabel}: {_ranges(arrays, value_format)}."
    fig, axes = style.figure(4.8, 2.9, alt=style.with_title(title, description))
    if log:
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:,.9g}")  # powers of ten would need mathematics
        axes.minorticks_off()
    styles = cycle(product(LINE_STYLES, (style.ACCENT, style.FOREGROUND)))
    lines = []
    for name, (linestyle, color) in zip(arrays, styles, strict=False):
        lines.append((linestyle, style.color_of(name, color)))
        if name in bands:
            axes.fill_between(x, *bands[name].T, color=lines[-1][1], alpha=0.18, linewidth=0)
    _draw_curves(axes, x, arrays, lines)
    if ticks is not None:
        axes.set_xticks(ticks, [f"{tick:,.9g}" if log else f"{tick:g}" for tick in ticks])
    style.label_axes(axes, xlabel, ylabel, title)
    return fig


@style.context()
def history(history: History, *, title: str = "") -> style.Figure:
    """Draw the history of a training run: losses and scores by epoch.

    Args:
        history: what ``fit`` returns, or values by epoch, as ``{"loss": [...]}`` or as one such row
            per epoch. Names with ``loss``, ``error`` or ``entropy`` are losses, names with ``auc``,
            ``f1`` or ``precision`` are scores; other names (epoch, step, seconds) are not drawn.
        title: short text above the chart.

    Raises:
        ValueError: if ``history`` contains no loss and no score.
    """
    table, panels = pd.DataFrame(getattr(history, "history", history)), {}
    for kind, words in (("loss", "loss|error|entropy"), ("score", "auc|f1|precision")):
        panel = table.filter(regex=words).astype(float).dropna(axis=1, how="all")
        if len(panel.columns):
            panels[kind] = {_curve_name(name): panel[name].to_numpy() for name in panel}
    require(panels, "history", "a loss or a score", ", ".join(table) or "nothing")
    ranges = "; ".join(_ranges(panel, "{:.3g}") for panel in panels.values())
    alt = f"Training over {len(table)} epochs: {ranges}."
    fig, axes = style.figure(4.8, 2.2 * len(panels) + 0.2, alt=alt, rows=len(panels))
    axes = np.atleast_1d(axes)
    training, validation = (LINE_STYLES[1], style.FOREGROUND), (LINE_STYLES[0], style.ACCENT)
    for axis, (kind, panel) in zip(axes, panels.items(), strict=True):
        lines = [validation if name.startswith("validation") else training for name in panel]
        _draw_curves(axis, np.arange(1, len(table) + 1), panel, lines, 0.12, " {:.3g}")
        axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axis.set_ylabel(kind)
    axes[-1].set_xlabel("epoch")
    axes[0].set_title(title)
    return fig


def _curve_name(name: str) -> str:
    """Return the printed name of a curve: ``"val_macro_auc"`` → ``"validation macro AUC"``."""
    words = {"val": "validation", "auc": "AUC", "f1": "F1", "bce": "BCE", "mse": "MSE"}
    return " ".join(words.get(word, word) for word in name.split("_"))


def _ranges(curves, value_format):
    """Return the first and the last value of each curve as text."""
    finite = {name: curve[np.isfinite(curve)] for name, curve in curves.items()}
    return "; ".join(
        f"{name} from {value_format.format(values[0])} to {value_format.format(values[-1])}"
        for name, values in finite.items()
    )


def _draw_curves(axes, x, curves, lines, gap=0.08, value_format=""):
    """Draw curves with their names, and their last values if there is a format, at their ends.

    Args:
        lines: line style and color of each curve.
        gap: smallest distance of the names, as a fraction of the height of the axes.
    """
    marker = "o" if len(x) < 12 else None
    for curve, (linestyle, color) in zip(curves.values(), lines, strict=True):
        line = {"linestyle": linestyle, "color": color, "linewidth": 1.6}
        axes.plot(x, curve, marker=marker, markersize=3.5, **line)
    last = [np.flatnonzero(np.isfinite(curve))[-1] for curve in curves.values()]
    ends = [(x[row], curve[row]) for curve, row in zip(curves.values(), last, strict=True)]
    names = [name + value_format.format(y) for name, (_, y) in zip(curves, ends, strict=True)]
    style.label_ends(axes, names, ends, lines, gap)
    axes.grid(axis="y")
