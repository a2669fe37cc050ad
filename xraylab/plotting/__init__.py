"""Figures in one style: images, overlays, scores and training curves.

Functions return a :class:`Figure` that needs no pyplot, changes no global state and displays itself
at the end of a notebook cell. In HTML it is an SVG drawing whose text takes the color of the text
around it, so that the same figure is readable in light mode, in dark mode and in print; images keep
their pixels. Every figure has a text alternative (``alt``).
"""

from xraylab.plotting import style
from xraylab.plotting.architecture import architecture
from xraylab.plotting.charts import bar_chart, matrix, score_plot, trade_off
from xraylab.plotting.curves import curves, history
from xraylab.plotting.heatmaps import heatmap, image_with_heatmap, overlay_heatmap
from xraylab.plotting.images import image_grid, mark_boundaries
from xraylab.plotting.model_figures import (
    attention_difference,
    processing_pipeline,
    regions_with_labels,
)
from xraylab.plotting.probabilities import reliability, roc_curves, threshold_histogram
from xraylab.plotting.style import ACCENT, COLORMAP, FINDING_COLORS, FOREGROUND, Figure, figure

__all__ = [
    "ACCENT",
    "COLORMAP",
    "FINDING_COLORS",
    "FOREGROUND",
    "Figure",
    "architecture",
    "attention_difference",
    "bar_chart",
    "curves",
    "figure",
    "heatmap",
    "history",
    "image_grid",
    "image_with_heatmap",
    "mark_boundaries",
    "matrix",
    "overlay_heatmap",
    "processing_pipeline",
    "regions_with_labels",
    "reliability",
    "roc_curves",
    "score_plot",
    "style",
    "threshold_histogram",
    "trade_off",
]
