"""What a score costs: one point a model, and the front that nobody beats at its price."""

from collections.abc import Mapping

import numpy as np

from xraylab.plotting.look import ACCENT, INK, Figure, figure, style


def trade_off(
    points: Mapping[str, tuple[float, float]],
    *,
    across: str,
    unit: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    title: str = "",
    alt: str = "",
) -> Figure:
    """Return scores over costs, the Pareto front filled and joined: none is better for less.

    Args:
        points: ``(cost, score)`` a name; costs above zero, on a logarithmic axis.
        across: what is paid, with its unit; stands below the axis.
        unit: name of the score.
        intervals: lower and upper end of scores by name.
        title: short text above the chart.
        alt: what can be seen; by default every point, and which are on the front.

    Raises:
        ValueError: if there is no point, a cost is not above zero, a score is not finite, or an
            interval has no point or no finite end.
    """
    intervals = dict(intervals or {})
    if not points:
        raise ValueError("points: expected at least one, got none")
    for name, (cost, score) in points.items():
        if not (0 < cost < np.inf and np.isfinite(score)):
            raise ValueError(
                f"points: expected a cost above 0 and a finite score of {name!r}, "
                f"got {cost}, {score}"
            )
    if unknown := sorted(intervals.keys() - points.keys()):
        raise ValueError(f"intervals: {unknown[0]!r} has no point")
    for name, ends in intervals.items():
        if None in ends or not np.isfinite(ends).all():
            raise ValueError(
                f"intervals: expected two finite ends of {name!r}, got {tuple(ends)}; leave it out "
                "where it is undefined"
            )
    front = pareto_front(points)
    told = "; ".join(f"{name} {score:.3f} for {cost:.3g}" for name, (cost, score) in points.items())
    alt = alt or (
        f"{title + '. ' if title else ''}{unit} over {across}: {told}. On the front: "
        f"{', '.join(front)}."
    )
    drawn, axes = figure(4.8, 3.4, alt=alt)
    with style():
        axes.set_xscale("log")
        along = np.array([points[name] for name in front])
        axes.step(*along.T, where="post", color=ACCENT, linewidth=1.2, alpha=0.5)
        for name, (cost, score) in points.items():
            if name in intervals:
                axes.plot([cost, cost], intervals[name], color=INK, linewidth=1, alpha=0.5)
            filled = ACCENT if name in front else "none"
            axes.plot(cost, score, "o", color=ACCENT, markerfacecolor=filled, markersize=6)
        _label(axes, points)
        axes.grid(axis="y")
        axes.set_xlabel(across)
        axes.set_ylabel(unit)
        axes.set_title(title, loc="left")
    return drawn


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names of the points that no other one beats: none as good for less, or better for
    as little; the cheapest first.
    """
    front, best = [], -np.inf
    for name, (_, score) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if score > best:
            front.append(name)
            best = score
    return front


def _label(axes, points):
    """Write names above and right of their points, apart where they would lie on each other."""
    low, high = axes.get_ylim()
    gap = 0.055 * (high - low)
    left, right = np.log10(axes.get_xlim())
    width = 0.45 * (right - left)
    axes.set_xlim(10**left, 10 ** (right + width))  # room for the last names
    placed = []
    for name, (cost, score) in sorted(points.items(), key=lambda item: item[1][1]):
        place = np.log10(cost)
        height = score + 0.2 * gap
        for other, taken in placed:  # from below upwards
            if abs(other - place) < 1.5 * width and abs(taken - height) < gap:
                height = taken + gap
        placed.append((place, height))
        axes.annotate(
            name,
            (cost, score),
            (10 ** (place + 0.02 * (right - left)), height),
            fontsize=8,
            va="bottom",
            annotation_clip=False,
        )
