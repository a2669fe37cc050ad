"""A piece of a page: HTML that shows itself in a cell, and frames turned into HTML."""

import html

import numpy as np

from xraylab.plotting import Figure, data_uri, map_colours

# Greys that are half transparent stand out from a white page and from a dark one.
CSS = """
.xraylab{--line:rgba(128,128,128,.5);--tint:rgba(128,128,128,.1);max-width:40rem;margin:1em 0;
padding:.8em 1em;border:1px solid var(--line);border-radius:.5em;color:inherit;font-size:1em}
.xraylab .title{font-weight:600;margin:0 0 .5em}
.xraylab [hidden]{display:none}
.xraylab .frame img{display:block;width:100%;max-width:22rem;height:auto;background:none;padding:0;
filter:none}
.xraylab .small img{image-rendering:pixelated}
.xraylab .wide img{max-width:none}
.xraylab .knob{display:grid;grid-template-columns:minmax(5em,auto) 1fr minmax(4em,auto);gap:.8em;
align-items:center;margin:.5em 0 0}
.xraylab .pick img{cursor:crosshair}
.xraylab .bar{display:flex;flex-wrap:wrap;gap:.2em .6em;align-items:center;margin:.5em 0;
font-variant-numeric:tabular-nums}
.xraylab .bar i{width:12em;max-width:50%;height:.8em;border-radius:.2em}
.xraylab .bar b{flex-basis:100%;font-weight:400}
.xraylab input[type=range]{width:100%;min-width:0;accent-color:#2f80d8}
.xraylab output{font-variant-numeric:tabular-nums}
.xraylab :focus-visible{outline:3px solid #2f80d8;outline-offset:2px}
.xraylab .heard{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.xraylab details{border:1px solid var(--line);border-radius:.4em;margin:.4em 0;padding:0 .8em}
.xraylab summary{cursor:pointer;padding:.5em 0}
.xraylab details[open]{background:var(--tint)}
.xraylab details p{margin:.2em 0 .7em}
.xraylab h4{font-size:1em;margin:1em 0 .4em}
"""


class Html:
    """HTML that shows itself at the end of a cell.

    Args:
        text: the HTML.
        plain: what is shown where HTML is not.
    """

    def __init__(self, text: str, plain: str):
        self.text = text
        self.plain = plain

    def __repr__(self):
        return self.plain

    def _repr_html_(self):
        return self.text


def widget(kind: str, label: str, body: str) -> Html:
    """Return a framed widget; it carries its own style, for each cell of Colab is its own page."""
    label = html.escape(label)
    return Html(
        f"<style>{CSS}</style>"
        f'<div class="xraylab {kind}" role="group" aria-label="{label}">'
        f'<p class="title">{label}</p>{body}</div>',
        plain=f"<{kind}: {html.unescape(label)}>",
    )


def colour_bar(unit: str, low: float, high: float) -> str:
    """Return a bar of the colours of :func:`xraylab.plotting.tinted`, with what its ends mean."""
    return (
        f'<div class="bar"><span>{low:.3g}</span>'
        f'<i style="background:linear-gradient(to right,{",".join(map_colours(9))})"></i>'
        f"<span>{high:.3g}</span><b>{html.escape(unit)}</b></div>"
    )


def picture(frame, alt: str) -> str:
    """Return a frame as HTML: an image as an image, a figure as vectors, each with its text.

    Args:
        frame: an image as in :func:`xraylab.plotting.data_uri`, or a figure of
            :mod:`xraylab.plotting`.
        alt: what can be seen; for a figure it may be empty: the figure has its own.

    Raises:
        ValueError: if the frame is neither, or nothing says what can be seen in it.
    """
    if isinstance(frame, Figure):
        if alt:
            frame.alt = alt
        if not frame.alt.strip():
            raise ValueError("alt: a frame needs a text that says what can be seen in it")
        return f'<div class="frame">{frame.to_svg()}</div>'
    if not alt.strip():
        raise ValueError("alt: a frame needs a text that says what can be seen in it")
    frame = np.asarray(frame)
    small = " small" if min(frame.shape[:2], default=0) < 128 else ""
    wide = " wide" if frame.ndim > 1 and frame.shape[1] > 2 * frame.shape[0] else ""
    return (
        f'<div class="frame{small}{wide}"><img class="dark-light" src="{data_uri(frame)}" '
        f'alt="{html.escape(alt)}"></div>'
    )
