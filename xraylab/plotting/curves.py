"""Curves: what a quantity does while another one grows."""

from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise, product

import numpy as np

from xraylab.plotting.look import ACCENT, FINDING_COLOURS, INK, Figure, figure, style

DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
"""Lines in two colours each, so that eight curves look different."""


def curves(
    places: Sequence[float],
    values: Mapping[str, Sequence[float]],
    *,
    across: str,
    unit: str,
    bands: Mapping[str, np.ndarray] | None = None,
    title: str = "",
    form: str = "{:.2g}",
    ticks: Sequence[float] | None = None,
    alt: str = "",
) -> Figure:
    """Return one curve a name over the same places, each with its name at its end.

    Shapes:
        places: (m,). values: (m,) a name; ``nan`` leaves a gap. bands: (m, 2) a name, lower and
            upper end.

    Args:
        places: what grows.
        values: the curves by their names; findings take their own colour.
        across: what grows, with its unit; stands below the axis.
        unit: what the values are, with their unit; stands beside the axis.
        bands: intervals, drawn as bands about the curves.
        title: short text above the chart.
        form: how a value is written in the default ``alt``.
        ticks: where the axis below has marks; by default at round numbers.
        alt: what can be seen; by default first and last value of every curve.

    Raises:
        ValueError: if there is no curve, one has not as many values as there are places or no
            finite one, or a band does not fit them.
    """
    values = {name: np.asarray(curve, float) for name, curve in values.items()}
    if not values:
        raise ValueError("values: expected at least one curve, got none")
    for name, curve in values.items():
        if curve.shape != (len(places),):
            raise ValueError(f"values: expected {len(places)} of {name!r}, got {curve.shape}")
        if not np.isfinite(curve).any():
            raise ValueError(f"values: expected a finite number of {name!r}, got none")
    for name, band in (bands or {}).items():
        if name not in values:
            raise ValueError(f"bands: expected names among {', '.join(values)}, got {name!r}")
        if np.shape(band) != (len(places), 2):
            raise ValueError(
                f"bands: expected ({len(places)}, 2) for {name!r}, got {np.shape(band)}"
            )
    told = []
    for name, curve in values.items():
        first, last = curve[np.isfinite(curve)][[0, -1]]
        told.append(f"{name} from {form.format(first)} to {form.format(last)}")
    alt = alt or f"{title + '. ' if title else ''}{unit} over {across}: {'; '.join(told)}."
    drawn, axes = figure(4.8, 2.9, alt=alt)
    with style():
        ends = []
        looks = cycle(product(DASHES, (ACCENT, INK)))
        for (name, curve), (line, colour) in zip(values.items(), looks, strict=False):
            colour = FINDING_COLOURS.get(name, colour)
            mark = "o" if len(curve) < 12 else None
            axes.plot(places, curve, color=colour, linestyle=line, marker=mark, markersize=3.5,
                      linewidth=1.6)  # fmt: skip
            if bands and name in bands:
                low, high = np.asarray(bands[name], float).T
                axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
            last = np.flatnonzero(np.isfinite(curve))[-1]
            ends.append([curve[last], curve[last], places[last], name, line, colour])
        low, high = axes.get_ylim()
        gap = 0.08 * (high - low)
        ends.sort(key=lambda end: end[0])
        for lower, upper in pairwise(ends):
            upper[1] = max(upper[1], lower[1] + gap)
        ends[-1][1] = min(ends[-1][1], high)
        for upper, lower in pairwise(reversed(ends)):  # and down again, where they have left it
            lower[1] = min(lower[1], upper[1] - gap)
        # A leader in the curve's look: 14 colours cannot all be legible as text on both pages.
        for value, height, place, name, line, colour in ends:
            axes.annotate(name, (place, value), (22, height), fontsize=8, va="center",
                          textcoords=("offset points", "data"), annotation_clip=False,
                          arrowprops={"arrowstyle": "-", "color": colour, "linestyle": line,
                                      "linewidth": 1, "shrinkA": 1, "shrinkB": 4,
                                      "relpos": (0, 0.5)})  # fmt: skip
        if ticks is not None:
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.grid(axis="y")
        axes.set_xlabel(across)
        axes.set_ylabel(unit)
        axes.set_title(title, loc="left")
    return drawn
