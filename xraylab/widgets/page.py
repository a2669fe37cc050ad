"""HTML building blocks of the widgets: style, frame, colour bar and pictures."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xraylab.arguments import require
from xraylab.plotting import Figure
from xraylab.plotting.heatmaps import colormap_colors
from xraylab.plotting.images import data_uri

STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")


@dataclass(repr=False)
class Html:
    """HTML that displays itself at the end of a cell.

    Args:
        text: the HTML.
        plain: representation where HTML is not supported.
    """

    text: str
    plain: str

    def __repr__(self):
        return self.plain

    def _repr_html_(self):
        return self.text


def widget(kind: str, title: str, body: str) -> Html:
    """Frame the HTML of a widget; the style is included because Colab isolates every cell."""
    name = html.escape(title)
    frame = f'<div class="xraylab {kind}" role="group" aria-label="{name}">'
    text = f'<style>{STYLE}</style>{frame}<p class="title">{name}</p>{body}</div>'
    return Html(text, plain=f"<{kind}: {title}>")


def colour_bar(unit: str, low: float, high: float) -> str:
    """Build the colour bar of :func:`xraylab.plotting.overlay_heatmap` with its unit and range."""
    return (
        f'<div class="bar"><span>{low:.3g}</span>'
        f'<i style="background:linear-gradient(to right,{",".join(colormap_colors(9))})"></i>'
        f"<span>{high:.3g}</span><b>{html.escape(unit)}</b></div>"
    )


def picture(frame: Any, alt: str) -> str:
    """Render a frame as HTML: an array as an image, a figure as SVG, each with alternative text.

    Args:
        frame: an image as in :func:`xraylab.plotting.image_grid`, or a figure of
            :mod:`xraylab.plotting`.
        alt: alternative text; a figure keeps its own if this is empty.

    Raises:
        ValueError: if the frame is neither, or has no alternative text.
    """
    alt = alt or getattr(frame, "alt", "")
    require(alt.strip(), "alt", "what the picture shows", "no alternative text")
    if isinstance(frame, Figure):
        frame.alt = alt
        return f'<div class="frame">{frame.to_svg()}</div>'
    frame = np.asarray(frame)
    small = " small" if min(frame.shape[:2], default=0) < 128 else ""
    wide = " wide" if frame.ndim > 1 and frame.shape[1] > 2 * frame.shape[0] else ""
    return (
        f'<div class="frame{small}{wide}"><img class="dark-light" src="{data_uri(frame)}" '
        f'alt="{html.escape(alt)}"></div>'
    )
