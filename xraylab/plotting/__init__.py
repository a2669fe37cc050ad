"""The one look of everything that people see: images, overlays, scores and training curves.

Every function returns a :class:`Figure` that needs no pyplot, changes no global state and shows
itself at the end of a cell. In a page it is drawn as vectors whose text takes the colour of the
text around it, so the same figure is readable in light mode, in dark mode and in print; images keep
their own pixels. Every figure carries a text that says what can be seen in it.
"""

from xraylab.plotting.charts import bars, history, matrix, score_bars
from xraylab.plotting.curves import curves
from xraylab.plotting.images import data_uri, draw_image, image_grid, outlined
from xraylab.plotting.look import ACCENT, FINDING_COLOURS, HEAT_MAP, INK, Figure, figure, style
from xraylab.plotting.maps import field, heat, map_colours, tinted
from xraylab.plotting.probabilities import reliability, threshold
from xraylab.plotting.scatter import pareto_front, trade_off

__all__ = [
    "ACCENT",
    "FINDING_COLOURS",
    "HEAT_MAP",
    "INK",
    "Figure",
    "bars",
    "curves",
    "data_uri",
    "draw_image",
    "field",
    "figure",
    "heat",
    "history",
    "image_grid",
    "map_colours",
    "matrix",
    "outlined",
    "pareto_front",
    "reliability",
    "score_bars",
    "style",
    "threshold",
    "tinted",
    "trade_off",
]
