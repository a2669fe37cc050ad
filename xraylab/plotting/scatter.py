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
        _label(axes, points, intervals)
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


def _label(axes, points, intervals):
    """Write each name beside its point, where it lies on no point, interval or other name."""
    axes.margins(x=0.12)
    size = np.array([4.1, 2.8]) * 72  # of the axes, nearly, in points
    low, high = (np.array(ends) for ends in zip(axes.get_xlim(), axes.get_ylim(), strict=True))
    low[0], high[0] = np.log10([low[0], high[0]])

    def place(cost, score):
        return (np.array([np.log10(cost), score]) - low) / (high - low) * size

    taken = []  # (left, lower, right, upper)
    for name, (cost, score) in points.items():
        x, y = place(cost, score)
        ends = [place(cost, end)[1] for end in intervals.get(name, (score, score))]
        taken += [(x - 4, y - 4, x + 4, y + 4), (x - 1, min(ends), x + 1, max(ends))]
    for name, (cost, score) in sorted(points.items(), key=lambda item: item[1]):
        x, y = place(cost, score)
        ends = [place(cost, end)[1] for end in intervals.get(name, (score, score))]
        wide = 4.9 * len(name)
        best = None
        for height in (y, ends[1], ends[0], ends[1] + 10, ends[0] - 10):
            for left in (x + 7, x - 7 - wide, x - wide / 2):
                spot = (left, height - 5, left + wide, height + 5)
                waste = _covered(spot, taken) + 10 * _outside(spot, size)
                if best is None or waste < best[0]:
                    best = (waste, spot)
        taken.append(best[1])
        left, lower, *_ = best[1]
        axes.annotate(name, (cost, score), (left - x, lower + 5 - y), fontsize=8, va="center",
                      textcoords="offset points", annotation_clip=False)  # fmt: skip


def _covered(spot, taken):
    """Return how much of what is taken a rectangle covers, in square points."""
    left, lower, right, upper = np.array(taken).T
    wide = np.clip(np.minimum(right, spot[2]) - np.maximum(left, spot[0]), 0, None)
    high = np.clip(np.minimum(upper, spot[3]) - np.maximum(lower, spot[1]), 0, None)
    return float((wide * high).sum())


def _outside(spot, size):
    """Return how far a rectangle reaches out of the axes, in points."""
    over = max(0, -spot[0]) + max(0, spot[2] - size[0])
    return over + max(0, -spot[1]) + max(0, spot[3] - size[1])
