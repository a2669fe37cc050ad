"""Scores over costs, with the Pareto front."""

from collections.abc import Mapping

import numpy as np
from matplotlib.transforms import Bbox

from xraylab.plotting import style
from xraylab.plotting.style import Figure

Pairs = Mapping[str, tuple[float, float]]


@style.context()
def trade_off(
    points: Pairs, *, xlabel: str, ylabel: str, intervals: Pairs | None = None, title: str = ""
) -> Figure:
    """Draw scores over costs; points on the Pareto front are filled and connected.

    Args:
        points: ``(cost, score)`` by name; positive costs, on a logarithmic axis.
        xlabel: the cost and its unit.
        ylabel: name of the score.
        intervals: lower and upper bounds of scores by name.
        title: short text above the chart.

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
    fig, axes = style.figure(4.8, 3.4, alt=style.with_title(title, description))
    axes.set_xscale("log")
    x, y = np.array([points[name] for name in front]).T
    axes.step(x, y, where="post", color=style.ACCENT, linewidth=1.2, alpha=0.5)
    for name, (cost, score) in points.items():
        if name in intervals:
            line = {"color": style.FOREGROUND, "linewidth": 1, "alpha": 0.5}
            axes.plot([cost, cost], intervals[name], **line)
        fill = style.ACCENT if name in front else "none"
        axes.plot(cost, score, "o", color=style.ACCENT, markerfacecolor=fill, markersize=6)
    axes.grid(axis="y")
    style.label_axes(axes, xlabel, ylabel, title)
    _label_points(axes, points, intervals)
    return fig


def pareto_front(points: Pairs) -> list[str]:
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
    axes.figure.draw_without_rendering()  # determines the position of the axes
    # In pixels: each point and the ends of its interval.
    marks = {
        name: axes.transData.transform([(cost, y) for y in (score, *intervals.get(name, ()))])
        for name, (cost, score) in points.items()
    }
    occupied = [Bbox([mark[0] - 5, mark[0] + 5]) for mark in marks.values()]
    occupied += [Bbox([mark.min(axis=0) - 1, mark.max(axis=0) + 1]) for mark in marks.values()]
    for name in sorted(points, key=points.get):
        (x, y), low, high = marks[name][0], marks[name][:, 1].min(), marks[name][:, 1].max()
        label = style.label_point(axes, name, points[name], (0, 0), annotation_clip=False)
        width, height = label.get_window_extent().size
        candidates = [
            Bbox.from_bounds(left, middle - height / 2, width, height)
            for middle in (y, high, low, high + height, low - height)
            for left in (x + 10, x - 10 - width, x - width / 2)
        ]
        best = min(
            candidates, key=lambda box: _overlap(box, occupied) - 10 * _overlap(box, [axes.bbox])
        )
        occupied.append(best)
        points_per_pixel = 72 / axes.figure.dpi
        middle = (best.y0 + best.y1) / 2
        label.xyann = (best.x0 - x) * points_per_pixel, (middle - y) * points_per_pixel


def _overlap(box, others):
    """Return the area in which a rectangle overlaps others."""
    common = (Bbox.intersection(box, other) for other in others)
    return sum(part.width * part.height for part in common if part is not None)
