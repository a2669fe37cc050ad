"""Colors, fonts and labels of all figures, and a figure that notebooks display as inline SVG."""

import base64
import hashlib
import html
import io
import re
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from numpy.typing import ArrayLike
from PIL import Image

from xraylab import findings
from xraylab.arguments import require
from xraylab.findings import FINDINGS

FOREGROUND = "#15171a"
"""Color of text and axes; in HTML it is replaced by the color of the surrounding text."""

ACCENT = "#2f80d8"
"""Color of a series that is not a finding."""

_COLORS = (
    *("#0c67ba", "#d70b01", "#08ac0d", "#b900b0", "#f35975", "#4e7107", "#5d91fa"),
    *("#b15093", "#0c97cc", "#f841de", "#46935e", "#613efc", "#b079a2", "#63686d"),
)
FINDING_COLORS: dict[str, str] = dict(zip(FINDINGS, _COLORS, strict=True))
"""One color per finding: contrast of at least 3:1 on white and on dark pages, with the largest
distances between 14 colors for normal, protanopic and deuteranopic vision. Color is never the only
distinction: the name is always beside it."""

COLORMAP = "viridis"
"""The perceptually uniform colormap of overlays and matrices."""

Point = tuple[float, float]
"""Two coordinates."""

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": FOREGROUND,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.labelcolor": FOREGROUND,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": FOREGROUND,
    "axes.titlesize": 10,
    "figure.facecolor": "none",
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same figure on every machine
    "font.size": 10,
    "grid.alpha": 0.2,
    "grid.color": FOREGROUND,
    "image.cmap": COLORMAP,
    "image.composite_image": False,  # images keep their pixels inside the vector drawing
    "svg.fonttype": "path",
    "svg.hashsalt": "xraylab",  # the same figure has the same bytes
    "text.color": FOREGROUND,
    "text.parse_math": False,  # names of labels and files may have dollar signs
    "xtick.color": FOREGROUND,
    "ytick.color": FOREGROUND,
}


context = partial(matplotlib.rc_context, _STYLE)
"""Apply the style inside a ``with`` block or a decorated function, and nowhere else."""


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that a notebook displays as SVG, in the text color of the page.

    Attributes:
        alt: text alternative, for readers who cannot see the figure.
    """

    alt = ""

    @context()
    def to_svg(self) -> str:
        """Return the figure as an ``<svg>`` element for an HTML page."""
        stream = io.StringIO()
        self.savefig(stream, format="svg", metadata={"Date": None}, facecolor="none")
        return _inline_svg(stream.getvalue(), self.alt, self.get_figwidth())

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.to_svg(), "text/plain": f"<Figure: {self.alt}>"}


@context()
def figure(
    width: float = 4.8, height: float = 3.0, *, alt: str, rows: int = 1, columns: int = 1
) -> tuple[Figure, Any]:
    """Create an empty figure and its axes.

    Args:
        width: in inches; 4.8 is readable on a phone.
        height: in inches.
        alt: text alternative, which states what the figure shows.
        rows: rows of axes.
        columns: columns of axes.

    Returns:
        ``(figure, axes)``: one :class:`~matplotlib.axes.Axes`, or a (rows, columns) array of them.
    """
    fig = Figure(figsize=(width, height), layout="constrained")
    fig.alt = alt
    return fig, fig.subplots(rows, columns)


def panels(count: int, columns: int, margin: float, *, alt: str) -> tuple[Figure, list[Axes]]:
    """Create a figure of ``count`` square axes, row by row.

    Args:
        count: number of axes.
        columns: largest number of axes per row.
        margin: height in inches of each row's titles and labels.
        alt: text alternative.
    """
    columns = min(columns, count)
    rows, side = -(-count // columns), 4.8 / max(columns, 2)
    fig, axes = figure(side * columns, (side + margin) * rows, alt=alt, rows=rows, columns=columns)
    axes = list(np.atleast_1d(axes).flat)
    for unused in axes[count:]:
        unused.set_axis_off()
    return fig, axes[:count]


def per_name(argument: str, values: Any, names: Sequence[str]) -> np.ndarray:
    """Return values as floats; raise a ValueError unless there is one per name."""
    values = np.asarray(values, float)
    expected = f"{len(names)} values, one per name"
    require(values.shape == (len(names),), argument, expected, f"shape {values.shape}")
    return values


def display_name(name: str) -> str:
    """Return the printed name of a finding, and any other name unchanged."""
    return findings.title(name) if name in FINDINGS else str(name)


def short_name(name: str) -> str:
    """Return the short name of a finding, and any other name unchanged."""
    return findings.SHORT_NAMES.get(name, str(name))


def color_of(name: str, default: str = ACCENT) -> str:
    """Return the color of a finding, or a default for any other name."""
    return FINDING_COLORS.get(name, default)


def with_title(title: str, description: str) -> str:
    """Return a text alternative: the title, if there is one, and the description."""
    return f"{title}. {description}" if title else description


def label_axes(axes: Axes, xlabel: str = "", ylabel: str = "", title: str = "") -> None:
    """Label the axes, with the title above their left edge."""
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_title(title, loc="left")


def label_point(axes: Axes, text: str, xy: Point, offset: Point, **options: Any) -> Annotation:
    """Write a small label beside a point.

    Args:
        axes: the axes.
        text: the label.
        xy: the point, in data coordinates.
        offset: offset of the label from it, in points.
        options: further arguments of :meth:`matplotlib.axes.Axes.annotate`.
    """
    defaults = {"fontsize": 8, "va": "center", "textcoords": "offset points"}
    return axes.annotate(text, xy, offset, **defaults | options)


def spread_labels(heights: ArrayLike, gap: float, top: float = np.inf) -> np.ndarray:
    """Move heights of labels apart: at least ``gap`` between neighbours, at most ``top``.

    Shapes:
        heights: (n,) in data coordinates; returned in the same order.
    """
    spread = np.array(heights, float)
    order = np.argsort(spread, kind="stable")
    for lower, upper in pairwise(order):
        spread[upper] = max(spread[upper], spread[lower] + gap)
    spread[order[-1]] = min(spread[order[-1]], top)
    for upper, lower in pairwise(order[::-1]):
        spread[lower] = min(spread[lower], spread[upper] - gap)
    return spread


def label_ends(
    axes: Axes, names: Iterable[str], points: Iterable[Point], lines: Iterable[tuple], gap: float
) -> None:
    """Label points, such as the ends of curves, by names on their right, with leader lines.

    Args:
        axes: the axes, whose limits are final.
        names: the labels.
        points: x and y of each point, in data coordinates.
        lines: line style and color of each leader line. The text has the color of the axes, because
            not all 14 colors of the findings are legible as text.
        gap: least distance between labels, as a fraction of the height of the axes.
    """
    points = list(points)
    scale = axes.yaxis.get_transform()
    low, high = scale.transform(axes.get_ylim())
    spread = spread_labels(scale.transform([y for _, y in points]), gap * (high - low), top=high)
    heights = scale.inverted().transform(spread)
    for name, point, height, (linestyle, color) in zip(names, points, heights, lines, strict=True):
        leader = {"linestyle": linestyle, "color": color, "linewidth": 1, "relpos": (0, 0.5)}
        arrow = {"arrowstyle": "-", "shrinkA": 1, "shrinkB": 4, **leader}
        beside = {"textcoords": ("offset points", "data"), "annotation_clip": False}
        label_point(axes, name, point, (22, height), arrowprops=arrow, **beside)


def encode_image(pixels: np.ndarray) -> str:
    """Encode pixels as a ``data:`` URI in lossless WebP, which is smaller than PNG.

    Shapes:
        pixels: (height, width), (height, width, 3) or (height, width, 4) uint8.
    """
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "webp", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _inline_svg(text: str, alt: str, width: float) -> str:
    """Convert matplotlib's SVG file to an accessible element for an HTML page.

    It has the text color and at most the width of the page.
    """
    text = text[text.index("<svg") :]
    # A style element would apply to the whole page; its declarations go to the head element.
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r' d="[^"]*"', _shorten_path, text)
    text = re.sub(r"<image\b[^>]*>", _compress_image, text, flags=re.S)
    text = text.replace(FOREGROUND, "currentColor")
    # Identifiers must be unique in a page, or a figure would use clip paths of another one.
    prefix = "x" + hashlib.sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", text)
    for size in ("width", "height"):
        text = re.sub(rf'^<svg\b(.*?) {size}="[^"]*"', r"<svg\1", text, count=1, flags=re.S)
    head = (
        f'<svg class="xraylab-figure" role="img" aria-label="{html.escape(alt)}" '
        f'style="display:block;width:100%;max-width:{width * 96 * 1.25:.0f}px;height:auto;'
        f'stroke-linejoin:round;stroke-linecap:butt" '
    )
    return re.sub(r"\n\s*", "\n", head + text[len("<svg ") :]).strip()


def _shorten_path(match: re.Match) -> str:
    """Round a path to hundredths of a point and put it on one line."""
    path = re.sub(r"(\.\d\d)\d+", r"\1", match[0])
    return re.sub(r"\s+", " ", path).replace(' "', '"')


def _compress_image(match: re.Match) -> str:
    """Compress an ``<image>``; let the browser smooth it if both sides have 128 pixels or more."""
    text = match[0]
    (uri,) = re.findall(r"data:image/png;base64,[A-Za-z0-9+/=\s]+", text)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
    text = text.replace(uri, encode_image(pixels))
    if min(pixels.shape[:2]) >= 128:
        text = re.sub(r'\s*style="image-rendering[^"]*"', "", text)
    return text
