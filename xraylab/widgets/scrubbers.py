"""Static interactive figures: frames embedded in the page, and sliders that select one of them."""

import html
import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

from xraylab.arguments import invalid_argument
from xraylab.plotting import Figure
from xraylab.widgets.page import Html, colour_bar, picture, widget

LIMIT_BYTES = 700_000
"""Largest size of one scrubber; a page of the book may have 1.5 MB."""


def scrubber(
    frames: Sequence,
    labels: Mapping[str, Sequence],
    *,
    title: str,
    alt: str = "",
    pick: tuple[str, str] | None = None,
    bar: tuple[str, float, float] | None = None,
) -> Html:
    """Render frames with one or several sliders as self-contained HTML.

    Shapes:
        frames: each (height, width) uint8 or float in [0, 1], (height, width, 3) for colour, or a
            :class:`~xraylab.plotting.Figure`. With several sliders the last one varies fastest.

    Args:
        frames: the frames, in the order of the labels.
        labels: the labels of the positions of each slider, by the name of the slider.
        title: title of the figure.
        alt: alternative text, to which the slider positions are appended. Figures have their own;
            positions are appended if two are equal.
        pick: names of the two sliders (vertical, horizontal) that a click on the image sets.
        bar: unit, lowest and highest value of the map in the frames, shown as a colour bar; see
            :func:`xraylab.plotting.overlay_heatmap`.

    Raises:
        ValueError: if the numbers of frames and labels differ, a frame has no text, the frames
            exceed :data:`LIMIT_BYTES`, or ``pick`` names no two sliders with several positions.
    """
    labels = {slider: [str(label) for label in values] for slider, values in labels.items()}
    expected = max(1, prod(len(values) for values in labels.values()))
    if len(frames) != expected:
        raise invalid_argument("frames", f"{expected} frames, one per label", len(frames))
    texts = _alt_texts(frames, labels, alt)
    pictures = [picture(frame, text) for frame, text in zip(frames, texts, strict=True)]
    body = pictures[0] + "".join(p.replace("<div ", "<div hidden ", 1) for p in pictures[1:])
    if pick is not None:
        usable = [slider for slider, values in labels.items() if len(values) > 1]
        if len({*pick} & {*usable}) != 2:
            expected = f"two different sliders with several positions out of {usable}"
            raise invalid_argument("pick", expected, pick)
        if any(isinstance(frame, Figure) for frame in frames):
            raise invalid_argument("pick", "frames that are arrays", "figures")
        sliders = f'data-sliders="{html.escape(json.dumps(pick, ensure_ascii=False))}"'
        body = f'<div class="pick" {sliders} onclick="{_inline("pick.js")}">{body}</div>'
    if bar is not None:
        body += colour_bar(*bar)
    body += '<div class="announcement" aria-live="polite"></div>'
    stride = len(frames)
    for slider, values in labels.items():
        stride //= len(values)
        body += _slider(slider, values, stride)
    if len(body) > LIMIT_BYTES:
        received = f"{len(body):,} bytes in {len(frames)} frames, too large"
        hint = "Use fewer or smaller frames."
        raise invalid_argument("frames", f"at most {LIMIT_BYTES:,} bytes", received, hint)
    return widget("scrubber", title, body)


def _alt_texts(frames, labels, alt) -> list[str]:
    """Return the alternative text of every frame."""
    states = [""]
    for slider, values in labels.items():
        states = [f"{s}{', ' if s else ''}{slider} {value}" for s in states for value in values]
    if alt:
        return [f"{alt}: {state}" for state in states]
    texts = [getattr(frame, "alt", "") for frame in frames]
    if len(set(texts)) < len(texts):  # a screen reader must announce that the frame has changed
        texts = [text and f"{text} ({state})" for text, state in zip(texts, states, strict=True)]
    return texts


def _slider(name: str, labels: list[str], stride: int) -> str:
    """Build one slider between its name and its current label."""
    if len(labels) == 1:
        return ""
    values = html.escape(json.dumps(labels, ensure_ascii=False))
    name, first = html.escape(name), html.escape(labels[0])
    return (
        f'<label class="slider"><span>{name}</span>'
        f'<input type="range" min="0" max="{len(labels) - 1}" value="0" step="1" '
        f'autocomplete="off" data-name="{name}" data-stride="{stride}" data-values="{values}" '
        f'aria-valuetext="{first}" oninput="{_inline("select.js")}">'
        f'<output aria-hidden="true">{first}</output></label>'
    )


def _inline(file: str) -> str:
    """Return a script of this folder as an attribute value.

    Inline handlers need no script to load and no global names, so any number of scrubbers, even
    two copies of one, work independently on a page.
    """
    script = Path(__file__).with_name(file).read_text(encoding="utf-8")
    return html.escape(" ".join(script.splitlines()[1:]))
