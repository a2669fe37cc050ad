"""Curves of quantities over another quantity, labelled at their ends."""

from collections.abc import Mapping, Sequence
from itertools import cycle, product

import numpy as np

from xraylab.plotting import style
from xraylab.plotting.style import Figure

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
    alt: str = "",
) -> Figure:
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
        value_format: format of the values in the default ``alt``.
        ticks: positions of the ticks of the x axis; by default round numbers.
        alt: text alternative; by default the first and last value of every curve.

    Raises:
        ValueError: if there is no curve, a curve has another length than ``x`` or no finite value,
            or a band does not match its curve.
    """
    arrays = {name: np.asarray(curve, float) for name, curve in values.items()}
    bands = {name: np.asarray(band, float) for name, band in (bands or {}).items()}
    if not arrays:
        raise style.invalid("values", "at least one curve", "none")
    for name, curve in arrays.items():
        if curve.shape != (len(x),) or not np.isfinite(curve).any():
            received = f"{curve} of shape {curve.shape}"
            raise style.invalid(f"values[{name!r}]", f"{len(x)} numbers, not all NaN", received)
    for name, band in bands.items():
        if name not in arrays or band.shape != (len(x), 2):
            expected = f"shape ({len(x)}, 2), and a curve of that name"
            raise style.invalid(f"bands[{name!r}]", expected, f"shape {band.shape}")
    finite = {name: np.flatnonzero(np.isfinite(curve)) for name, curve in arrays.items()}
    ranges = "; ".join(
        f"{name} from {value_format.format(curve[finite[name][0]])} to "
        f"{value_format.format(curve[finite[name][-1]])}"
        for name, curve in arrays.items()
    )
    alt = alt or style.with_title(title, f"{ylabel} over {xlabel}: {ranges}.")
    fig, axes = style.figure(4.8, 2.9, alt=alt)
    lines = []
    marker = "o" if len(x) < 12 else None
    styles = cycle(product(LINE_STYLES, (style.ACCENT, style.FOREGROUND)))
    for (name, curve), (linestyle, color) in zip(arrays.items(), styles, strict=False):
        line = {"color": style.color_of(name, color), "linestyle": linestyle}
        axes.plot(x, curve, marker=marker, markersize=3.5, linewidth=1.6, **line)
        if name in bands:
            axes.fill_between(x, *bands[name].T, color=line["color"], alpha=0.18, linewidth=0)
        lines.append(line)
    last = [rows[-1] for rows in finite.values()]
    ends = [curve[row] for curve, row in zip(arrays.values(), last, strict=True)]
    low, high = axes.get_ylim()
    heights = style.spread_labels(ends, 0.08 * (high - low), top=high)
    # The leader has the style of its curve, because not all 14 colors are legible as text.
    for name, row, end, height, line in zip(values, last, ends, heights, lines, strict=True):
        leader = {"arrowstyle": "-", "linewidth": 1, "shrinkA": 1, "shrinkB": 4, **line}
        axes.annotate(
            name,
            (x[row], end),
            (22, height),
            fontsize=8,
            va="center",
            textcoords=("offset points", "data"),
            annotation_clip=False,
            arrowprops={"relpos": (0, 0.5), **leader},
        )
    if ticks is not None:
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.grid(axis="y")
    style.label_axes(axes, xlabel, ylabel, title)
    return fig
