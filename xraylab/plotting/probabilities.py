"""ROC curves, reliability curves, and the effect of a decision threshold."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
from scipy.special import expit, logit

from xraylab.arguments import require
from xraylab.plotting import style

_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
_DASHED = {"color": style.FOREGROUND, "linewidth": 1, "linestyle": (0, (4, 3))}


@style.context()
def roc_curves(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    scores: None = None,
    *,
    thresholds: np.ndarray | None = None,
    title: str = "",
) -> style.Figure:
    """Draw ROC curves: the true positive rate over the false positive rate.

    Args:
        curves: false and true positive rates by name, each in increasing order, as the first two
            values of :func:`sklearn.metrics.roc_curve`; findings have their own color and printed
            name.
        scores: None. Labels and scores become a curve by :func:`sklearn.metrics.roc_curve`.
        thresholds: the third value of that function, for one curve: written beside its points,
            except for the first, (0, 0), which no threshold gives.
        title: short text above the chart.

    Raises:
        ValueError: if there is no curve, for labels and scores instead of curves, or if thresholds
            are not those of the only curve.
    """
    fits, received = isinstance(curves, Mapping) and scores is None, "labels and scores"
    hint = "Pass {'effusion': sklearn.metrics.roc_curve(y_true, scores)[:2]}, an entry per label."
    require(fits, "curves", "rates by name", received, hint)
    require(curves, "curves", "at least one curve", "none")
    if thresholds is not None:
        counts = [len(fpr) for fpr, _ in curves.values()]
        expected = "one for each point of a single curve"
        received = f"{len(thresholds)} for curves of {', '.join(map(str, counts))} points"
        require(counts == [len(thresholds)], "thresholds", expected, received)
    areas = "; ".join(
        f"{style.display_name(name)}, area {np.trapezoid(tpr, fpr):.3f}"
        for name, (fpr, tpr) in curves.items()
    )
    fig, axes = style.figure(4.4, 3.6, alt=style.with_title(title, f"ROC curves: {areas}."))
    axes.plot([0, 1], [0, 1], label="chance level", **_DASHED)
    for (name, curve), marker in zip(curves.items(), cycle("os^D"), strict=False):
        line = {"color": style.color_of(name), "marker": marker, "markersize": 4}
        axes.plot(*curve, label=style.display_name(name), **line)
        if thresholds is not None:
            for x, y, threshold in [*zip(*curve, thresholds, strict=True)][1:]:
                style.label_point(axes, f"{threshold:g}", (x, y), (6, -10))
    axes.legend(loc="lower right", fontsize=8)
    axes.grid(True)
    style.label_axes(axes, "false positive rate", "true positive rate", title)
    return fig


@style.context()
def reliability(
    curves: Mapping[str, Any],
    *,
    reference: tuple[np.ndarray, np.ndarray] | None = None,
    title: str = "",
    limit: float | None = None,
) -> style.Figure:
    """Draw reliability curves: observed frequency over mean predicted probability.

    Args:
        curves: :class:`xraylab.evaluation.Reliability` by name, or objects with its attributes;
            findings have their own color and printed name. Each has its own panel.
        reference: predicted and true probability of a theory, drawn in each panel.
        title: short text above the panels.
        limit: end of both axes; by default each panel includes its own bins and intervals.

    Raises:
        ValueError: if there is no curve.
    """
    require(curves, "curves", "at least one curve", "none")
    last_bins = (
        f"{style.display_name(name)}, highest bin: predicted {curve.mean_predicted[-1]:.2g}, "
        f"observed {curve.observed_frequency[-1]:.2g}, interval {curve.low[-1]:.2g} to "
        f"{curve.high[-1]:.2g}"
        for name, curve in curves.items()
    )
    alt = style.with_title(title, f"Reliability curves. {'; '.join(last_bins)}.")
    fig, axes = style.panels(len(curves), 2, 0.15, alt=alt)
    fig.suptitle(title, fontsize=10, color=style.FOREGROUND)
    for (name, curve), axis in zip(curves.items(), axes, strict=True):
        end, color = limit or 1.05 * max(*curve.mean_predicted, *curve.high), style.color_of(name)
        axis.plot([0, end], [0, end], alpha=0.6, **_DASHED)
        if reference is not None:
            axis.plot(*reference, color=style.FOREGROUND, linewidth=1)
        interval = {"color": color, "linewidth": 2.5, "alpha": 0.5}
        axis.vlines(curve.mean_predicted, curve.low, curve.high, **interval)
        line = {"color": color, "marker": "o", "markersize": 3.5, "linewidth": 1}
        axis.plot(curve.mean_predicted, curve.observed_frequency, **line)
        axis.set(xlim=(0, end), ylim=(0, end))
        axis.locator_params(nbins=4)
        axis.tick_params(labelsize=7.5)
        axis.set_title(style.display_name(name), fontsize=9)
    fig.supxlabel("mean predicted probability", fontsize=9, color=style.FOREGROUND)
    fig.supylabel("observed frequency", fontsize=9, color=style.FOREGROUND)
    return fig


@style.context()
def threshold_histogram(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float, *, title: str = ""
) -> style.Figure:
    """Draw histograms of the probabilities of one finding, split at a threshold.

    Shapes:
        labels: (num_images,), 0 or 1; NaN where unknown. probabilities: (num_images,) in (0, 1).

    Args:
        labels: whether the finding is present; images with unknown labels are ignored.
        probabilities: the predictions; an image is positive if its probability is above
            ``threshold``.
        threshold: the threshold, in (0, 1).
        title: short text above the chart.

    Raises:
        ValueError: if no label is known, or the threshold is out of range.
    """
    labels, probabilities = np.asarray(labels, float), np.asarray(probabilities, float)
    require(0 < threshold < 1, "threshold", "a number in (0, 1)", threshold)
    known = ~np.isnan(labels)
    require(known.any(), "labels", "at least one known label", "none")
    labels, probabilities = labels[known] == 1, probabilities[known]
    positive = probabilities > threshold
    groups = {
        f"{name} the finding: {(positive & rows).sum():,} above the threshold, "
        f"{(~positive & rows).sum():,} not": rows
        for name, rows in (("with", labels), ("without", ~labels))
    }
    alt = style.with_title(title, f"Threshold {threshold:.3g}; {'; '.join(groups)}.")
    # The threshold is one of the edges, so that no bin is divided.
    log_odds, cut = logit(np.clip(probabilities, 1e-6, 1 - 1e-6)), logit(threshold)
    reach = np.abs(log_odds - cut).max() + 0.1
    edges = expit(np.linspace(cut - reach, cut + reach, 61))
    fig, axes = style.figure(4.8, 3.2, alt=alt, rows=2)
    for axis, (label, rows) in zip(axes, groups.items(), strict=True):
        bars = (positive, style.ACCENT, 1.0), (~positive, style.FOREGROUND, 0.3)
        for selected, color, alpha in bars:
            heights = np.histogram(expit(log_odds[rows & selected]), edges)[0]
            axis.stairs(heights, edges, fill=True, color=color, alpha=alpha)
        axis.axvline(threshold, **_DASHED)
        axis.set_title(label, fontsize=9, loc="left")
        axis.set_xscale("logit")
        axis.minorticks_off()
        axis.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        axis.set_xlim(expit(log_odds.min() - 0.1), expit(log_odds.max() + 0.1))
        axis.tick_params(labelsize=8)
        axis.set_ylabel("images", fontsize=8)
    axes[1].set_xlabel("predicted probability", fontsize=9)
    fig.suptitle(title, fontsize=10, color=style.FOREGROUND)
    return fig
