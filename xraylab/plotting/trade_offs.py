"""Scores over costs, with the Pareto front."""

from collections.abc import Mapping

import numpy as np

from xraylab.plotting import style
from xraylab.plotting.style import Figure


@style.context()
def trade_off(
    points: Mapping[str, tuple[float, float]],
    *,
    xlabel: str,
    ylabel: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    title: str = "",
    alt: str = "",
) -> Figure:
    """Draw scores over costs; points on the Pareto front are filled and connected.

    Args:
        points: ``(cost, score)`` by name; positive costs, on a logarithmic axis.
        xlabel: the cost and its unit.
        ylabel: name of the score.
        intervals: lower and upper bounds of scores by name.
        title: short text above the chart.
        alt: text alternative; by default every point and the Pareto front.

    Raises:
        ValueError: if there is no point, a cost is not positive, a score is not finite, or an
            interval has no point or is not finite.
    """
    intervals = dict(intervals or {})
    if not points:
        raise style.invalid("points", "at least one point", "none")
    for name, (cost, score) in points.items():
        if not (0 < cost < np.inf and np.isfinite(score)):
            expected = "a positive cost and a finite score"
            raise style.invalid(f"points[{name!r}]", expected, f"{cost}, {score}")
    for name, ends in intervals.items():
        if name not in points or not np.isfinite(np.array(ends, float)).all():
            expected = "two finite bounds, and a point of that name"
            raise style.invalid(f"intervals[{name!r}]", expected, tuple(ends))
    front = pareto_front(points)
    values = "; ".join(
        f"{name} {score:.3f} at {cost:.3g}" for name, (cost, score) in points.items()
    )
    description = f"{ylabel} over {xlabel}: {values}. Pareto front: {', '.join(front)}."
    fig, axes = style.figure(4.8, 3.4, alt=alt or style.with_title(title, description))
    axes.set_xscale("log")
    x, y = np.array([points[name] for name in front]).T
    axes.step(x, y, where="post", color=style.ACCENT, linewidth=1.2, alpha=0.5)
    for name, (cost, score) in points.items():
        if name in intervals:
            line = {"color": style.FOREGROUND, "linewidth": 1, "alpha": 0.5}
            axes.plot([cost, cost], intervals[name], **line)
        fill = style.ACCENT if name in front else "none"
        axes.plot(cost, score, "o", color=style.ACCENT, markerfacecolor=fill, markersize=6)
    _label_points(axes, points, intervals)
    axes.grid(axis="y")
    style.label_axes(axes, xlabel, ylabel, title)
    return fig


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names of the points that no other point dominates, in order of cost."""
    front, best = [], -np.inf
    for name, (_, score) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if score > best:
            front.append(name)
            best = score
    return front


def _label_points(axes, points, intervals):
    """Label each point where the text overlaps neither points, intervals nor other labels."""
    axes.margins(x=0.12)
    size = np.array([4.1, 2.8]) * 72  # approximate size of the axes in points
    low, high = (np.array(ends) for ends in zip(axes.get_xlim(), axes.get_ylim(), strict=True))
    low[0], high[0] = np.log10([low[0], high[0]])

    def to_points(cost, score):
        return (np.array([np.log10(cost), score]) - low) / (high - low) * size

    # For each point: x, y, and the y of the ends of its interval.
    positions = {
        name: (*to_points(cost, score), *(to_points(cost, end)[1] for end in ends))
        for name, (cost, score) in points.items()
        for ends in [intervals.get(name, (score, score))]
    }
    occupied = []  # rectangles (left, bottom, right, top)
    for x, y, *ends in positions.values():
        occupied += [(x - 4, y - 4, x + 4, y + 4), (x - 1, min(ends), x + 1, max(ends))]
    for name in sorted(points, key=points.get):
        x, y, lower, upper = positions[name]
        width = 4.9 * len(name)
        candidates = [
            (left, height - 5, left + width, height + 5)
            for height in (y, upper, lower, upper + 10, lower - 10)
            for left in (x + 7, x - 7 - width, x - width / 2)
        ]
        best = min(candidates, key=lambda box: _overlap(box, occupied) + 10 * _outside(box, size))
        occupied.append(best)
        offset = best[0] - x, best[1] + 5 - y
        style.label_point(axes, name, points[name], offset, annotation_clip=False)


def _overlap(box, occupied):
    """Return the overlap of a rectangle with others, in square points."""
    left, bottom, right, top = np.array(occupied).T
    width = np.clip(np.minimum(right, box[2]) - np.maximum(left, box[0]), 0, None)
    height = np.clip(np.minimum(top, box[3]) - np.maximum(bottom, box[1]), 0, None)
    return float((width * height).sum())


def _outside(box, size):
    """Return how far a rectangle extends beyond the axes, in points."""
    beyond = max(0, -box[0]) + max(0, box[2] - size[0])
    return beyond + max(0, -box[1]) + max(0, box[3] - size[1])
