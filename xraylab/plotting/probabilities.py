"""Probabilities: what was said beside what happened, and what a threshold makes of them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from xraylab.findings import FINDINGS
from xraylab.findings import title as printed
from xraylab.plotting.look import ACCENT, FINDING_COLOURS, INK, Figure, figure, style

_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


def reliability(
    curves: Mapping[str, object],
    *,
    title: str = "",
    limit: float | None = None,
    columns: int = 2,
    alt: str = "",
) -> Figure:
    """Draw reliability curves with bounds and the diagonal, one panel for each name.

    Args:
        curves: :class:`xraylab.evaluation.Reliability` by name, or anything with its attributes;
            findings take their own colour and printed name.
        title: short text above the panels.
        limit: where both axes end; by default each panel holds its own bins and bounds.
        columns: panels side by side.
        alt: what can be seen; by default the last bin of every curve.

    Raises:
        ValueError: if there is no curve, or one has no bin.
    """
    if not curves:
        raise ValueError("curves: expected at least one, got none")
    for name, curve in curves.items():
        if not len(curve.mean_predicted):
            raise ValueError(f"curves: expected at least one bin of {name!r}, got none")
    spoken = {name: printed(name) if name in FINDINGS else str(name) for name in curves}
    told = (
        f"{spoken[name]}, last bin: predicted {curve.mean_predicted[-1]:.2g}, observed "
        f"{curve.observed_frequency[-1]:.2g}, bounds {curve.low[-1]:.2g} to {curve.high[-1]:.2g}"
        for name, curve in curves.items()
    )
    alt = alt or f"{title + '. ' if title else ''}Reliability curves. {'; '.join(told)}."
    columns = min(columns, len(curves))
    rows = -(-len(curves) // columns)
    height = (4.8 / max(columns, 2)) * rows + (0.3 if title else 0.0)
    drawn, axes = figure(4.8, height, alt=alt, rows=rows, columns=columns)
    places = np.atleast_1d(axes).flat
    with style():
        if title:
            drawn.suptitle(title, fontsize=10, color=INK)
        for (name, curve), place in zip(curves.items(), places, strict=False):
            _panel(place, curve, spoken[name], FINDING_COLOURS.get(name, ACCENT), limit)
        for place in places:  # those that are left
            place.set_axis_off()
        drawn.supxlabel("mean predicted probability", fontsize=9, color=INK)
        drawn.supylabel("observed frequency", fontsize=9, color=INK)
    return drawn


def _panel(axes: Axes, curve, name: str, colour: str, limit: float | None) -> None:
    """Draw one reliability curve."""
    said, happened, low, high = (
        np.asarray(getattr(curve, part), float)
        for part in ("mean_predicted", "observed_frequency", "low", "high")
    )
    end = limit or 1.05 * max(said.max(), high.max())
    axes.plot([0, end], [0, end], color=INK, linewidth=1, linestyle=(0, (4, 3)), alpha=0.6)
    axes.vlines(said, low, high, color=colour, linewidth=2.5, alpha=0.5)
    axes.plot(said, happened, "o-", color=colour, markersize=3.5, linewidth=1)
    axes.set(xlim=(0, end), ylim=(0, end))
    axes.locator_params(nbins=4)
    axes.tick_params(labelsize=7.5)
    axes.set_title(name, fontsize=9)


def threshold(
    truth: np.ndarray,
    probabilities: np.ndarray,
    at: float,
    *,
    title: str = "",
    bins: int = 30,
) -> Figure:
    """Return what one threshold does to one finding: who is called, who is missed.

    Shapes:
        truth: (num_images,), 0 or 1. probabilities: (num_images,) in (0, 1).

    Args:
        truth: whether the finding is there.
        probabilities: what the model says; an image is called where it says more than ``at``.
        at: the threshold, in (0, 1).
        title: short text above the chart.
        bins: bars, on an axis of log-odds.

    Raises:
        ValueError: if lengths differ, there is no image, or the threshold is out of range.
    """
    truth, said = np.asarray(truth).astype(bool), np.asarray(probabilities, float)
    if truth.ndim != 1 or truth.shape != said.shape or not truth.size:
        raise ValueError(
            f"truth and probabilities: expected one row of each; {truth.shape} and {said.shape} "
            "came"
        )
    if not 0 < at < 1:
        raise ValueError(f"at: expected a threshold in (0, 1), got {at}")
    called = said > at
    groups = (("with the finding", truth), ("without it", ~truth))
    counts = [(int((called & rows).sum()), int((~called & rows).sum())) for _, rows in groups]
    (hits, missed), (alarms, left) = counts
    alt = (
        f"{title + '. ' if title else ''}Threshold {at:.3g}. With the finding: {hits:,} called, "
        f"{missed:,} missed. Without it: {alarms:,} called, {left:,} not called."
    )
    odds = np.log(np.clip(said, 1e-6, 1 - 1e-6))
    odds -= np.log1p(-np.clip(said, 1e-6, 1 - 1e-6))
    cut = np.log(at) - np.log1p(-at)
    # One edge lies on the threshold, so that no bar is called in part.
    first, last = min(odds.min(), cut - 0.1), max(odds.max(), cut + 0.1)
    wide = (last - first) / bins
    below = cut - wide * np.arange(np.ceil((cut - first) / wide), -1, -1)
    edges = np.append(below, cut + wide * np.arange(1, np.ceil((last - cut) / wide) + 1))
    drawn, axes = figure(4.8, 3.2, alt=alt, rows=2)
    with style():
        for place, (name, rows), (over, under) in zip(axes, groups, counts, strict=True):
            for chosen, colour in ((called, ACCENT), (~called, INK)):
                heights = np.histogram(odds[rows & chosen], edges)[0]
                place.stairs(heights, edges, fill=True, color=colour,
                             alpha=1.0 if colour == ACCENT else 0.3)  # fmt: skip
            place.axvline(cut, color=INK, linewidth=1, linestyle=(0, (4, 3)))
            place.set_title(f"{name}: {over:,} called, {under:,} not", fontsize=9, loc="left")
            ticks = [t for t in _TICKS if first < np.log(t / (1 - t)) < last]
            places = [np.log(t / (1 - t)) for t in ticks]
            place.set_xticks(places, [f"{t:g}" if place is axes[-1] else "" for t in ticks])
            place.set_xlim(first - wide, last + wide)
            place.tick_params(labelsize=8)
            place.locator_params(axis="y", nbins=3)
            place.set_ylabel("images", fontsize=8)
        axes[1].set_xlabel("probability said", fontsize=9)
        if title:
            drawn.suptitle(title, fontsize=10, color=INK)
    return drawn
