"""The look: colours, type, and a figure that takes on the colours of the page it is shown in."""

import base64
import hashlib
import html
import io
import re
from contextlib import contextmanager

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from xraylab.findings import FINDINGS

INK = "#15171a"
"""Colour of text and axes; becomes the colour of the surrounding text where a figure is shown."""

ACCENT = "#2f80d8"
"""Colour of a series that is not a finding."""

FINDING_COLOURS = dict(
    zip(
        FINDINGS,
        (
            *("#0c67ba", "#d70b01", "#08ac0d", "#b900b0", "#f35975", "#4e7107", "#5d91fa"),
            *("#b15093", "#0c97cc", "#f841de", "#46935e", "#613efc", "#b079a2", "#63686d"),
        ),
        strict=True,
    )
)
"""One colour for each finding: contrast 3:1 or better on white and on the dark page, and as far
apart as 14 colours can be for normal, red-blind and green-blind eyes. Never the only sign: the name
always stands beside it."""

HEAT_MAP = "viridis"
"""The one perceptually even colour map of overlays and matrices."""

_STYLE = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "figure.facecolor": "none",
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same picture on every machine
    "font.size": 10,
    "grid.alpha": 0.2,
    "grid.color": INK,
    "image.cmap": HEAT_MAP,
    "image.composite_image": False,  # images keep their own pixels inside the vector drawing
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "xraylab",  # the same figure, the same bytes
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that shows itself in a cell, in the colours of the page around it.

    Args:
        alt: what can be seen in the figure, for those who cannot see it.
    """

    alt = ""

    def to_svg(self) -> str:
        """Return the figure as an ``<svg>`` element to be put into a page."""
        return _svg(self)

    def to_png(self, dpi: int = 144) -> bytes:
        """Return the figure as PNG on white, for files and slides."""
        stream = io.BytesIO()
        with style():
            FigureCanvasAgg(self).print_figure(stream, dpi=dpi, format="png", facecolor="white")
        return stream.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.to_svg(), "text/plain": f"<Figure: {self.alt}>"}


@contextmanager
def style():
    """Draw in the look of the book inside a ``with`` block; nothing is changed outside it."""
    with matplotlib.rc_context(_STYLE):
        yield


def figure(width: float = 4.8, height: float = 3.0, *, alt: str, rows: int = 1, columns: int = 1):
    """Return an empty figure in the look of the book and its axes.

    Args:
        width: in inches; 4.8 stays readable on a phone.
        height: in inches.
        alt: what can be seen in the figure; required, because a reader may not see it.
        rows: rows of axes.
        columns: columns of axes.

    Returns:
        ``(figure, axes)``: one :class:`~matplotlib.axes.Axes`, or a (rows, columns) array of them.
    """
    with style():
        drawn = Figure(figsize=(width, height), layout="constrained")
        drawn.alt = alt
        return drawn, drawn.subplots(rows, columns)


def encode(pixels: np.ndarray) -> str:
    """Return pixels as a ``data:`` address, losslessly and in the smaller of two formats.

    Shapes:
        pixels: (height, width), (height, width, 3) or (height, width, 4) uint8.
    """
    from PIL import Image  # comes with matplotlib

    coded = {}
    for kind, options in (("png", {"optimize": True}), ("webp", {"lossless": True, "method": 4})):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind, **options)
        coded[kind] = stream.getvalue()
    kind = min(coded, key=lambda name: len(coded[name]))
    return f"data:image/{kind};base64,{base64.b64encode(coded[kind]).decode()}"


def _svg(drawn: Figure) -> str:
    """Return the drawing as an ``<svg>`` element: inline, labelled, coloured by the page."""
    stream = io.StringIO()
    with style():
        drawn.savefig(stream, format="svg", metadata={"Date": None}, facecolor="none")
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    # A style element would hold for the whole page; what matplotlib says there goes to the head.
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r' d="[^"]*"', _shorten, text)
    text = re.sub(r"<image\b[^>]*>", _image, text, flags=re.S)
    text = text.replace(INK, "currentColor")
    # Two figures of a page must not share names, or one would take clips and glyphs of the other.
    prefix = "x" + hashlib.sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", text)
    for size in ("width", "height"):
        text = re.sub(rf'^<svg\b(.*?) {size}="[^"]*"', r"<svg\1", text, count=1, flags=re.S)
    width = drawn.get_figwidth() * 96
    head = (
        f'<svg class="xraylab-figure" role="img" aria-label="{html.escape(drawn.alt)}" '
        f'style="display:block;width:100%;max-width:{width * 1.25:.0f}px;height:auto;'
        f'stroke-linejoin:round;stroke-linecap:butt" '
    )
    return re.sub(r"\n\s*", "\n", head + text[len("<svg ") :]).strip()


def _shorten(match: re.Match) -> str:
    """Write a path in hundredths of a point, on one line."""
    path = re.sub(r"(\.\d\d)\d+", r"\1", match[0])
    return re.sub(r"\s+", " ", path).replace(' "', '"')


def _image(match: re.Match) -> str:
    """Write an image as small as it goes; let the browser smooth one of 128 px or more."""
    from PIL import Image

    text = match[0]
    code = re.search(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", text)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(code[1]))))
    if pixels.ndim == 3 and pixels.shape[-1] == 4 and (pixels[..., 3] == 255).all():
        pixels = pixels[..., :3]
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    text = text.replace(code[0], encode(np.ascontiguousarray(pixels)))
    if min(pixels.shape[:2]) >= 128:
        text = re.sub(r'\s*style="image-rendering[^"]*"', "", text)
    return text
