"""Interactive figures: a picture for each combination of parameters, with a slider for each."""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path

from xraylab.arguments import invalid_argument, require, require_choice
from xraylab.widgets.page import Html, colour_bar, picture, widget

LIMIT_FRAMES = 120
"""Largest number of frames of an interactive figure."""

LIMIT_BYTES = 700_000
"""Largest size of an interactive figure; a page of the book may have 1.5 MB."""


def interactive(
    function: Callable,
    *,
    title: str,
    alt: str = "",
    pick: tuple[str, str] | None = None,
    bar: tuple[str, float, float] | None = None,
    **sliders: Sequence | Mapping[str, object],
) -> Html:
    """Show the pictures of a function with one slider per parameter.

    All combinations are drawn in advance and the sliders select among them, so the figure works
    without a kernel, in a saved notebook and on a page of the book.

    Args:
        function: takes the parameters by name and returns a picture: (height, width) uint8 or
            float in [0, 1], (height, width, 3), or a :class:`~xraylab.plotting.Figure`.
        title: title of the figure.
        alt: alternative text, to which the slider positions are appended. A ``Figure`` has its own.
        pick: names of the two sliders (vertical, horizontal) that a click on the image sets.
        bar: unit, lowest and highest value of the map in the pictures, shown as a colour bar; see
            :func:`xraylab.plotting.overlay_heatmap`.
        sliders: the values of each parameter in slider order, or a mapping from labels to values.

    Returns:
        :class:`Html`, which displays itself at the end of a cell.

    Raises:
        ValueError: if a slider has no values, a picture has no alternative text, ``pick`` names an
            unknown slider, or there are more than :data:`LIMIT_FRAMES` frames or
            :data:`LIMIT_BYTES`.
    """
    require(sliders, "sliders", "at least one parameter with its values", "none")
    options = {name: _options(name, values) for name, values in sliders.items()}
    count = prod(len(values) for values in options.values())
    factors = " × ".join(f"{len(values)} {name}" for name, values in options.items())
    expected, received = f"at most {LIMIT_FRAMES} frames", f"{factors} = {count} frames"
    require(count <= LIMIT_FRAMES, "sliders", expected, received, "Give fewer values.")
    pictures = []
    for labels in product(*options.values()):
        positions = dict(zip(options, labels, strict=True))
        frame = function(**{name: options[name][label] for name, label in positions.items()})
        text = alt or getattr(frame, "alt", "")
        state = ", ".join(f"{_words(name)} {label}" for name, label in positions.items())
        pictures.append(picture(frame, text and f"{text.rstrip('.')}: {state}"))
    body = pictures[0] + "".join(p.replace("<div ", "<div hidden ", 1) for p in pictures[1:])
    if pick is not None:
        names = [_words(require_choice("pick", name, options)) for name in pick]
        data = html.escape(json.dumps(names, ensure_ascii=False))
        body = (
            f'<div class="pick" data-sliders="{data}" onclick="{_inline("pick.js")}">{body}</div>'
        )
    if bar is not None:
        body += colour_bar(*bar)
    body += '<div class="announcement" aria-live="polite"></div>'
    stride = count
    for name, values in options.items():
        stride //= len(values)
        body += _slider(_words(name), list(values), stride)
    received = f"{len(body):,} bytes in {count} frames, too large"
    hint = "Use fewer or smaller frames."
    require(len(body) <= LIMIT_BYTES, "frames", f"at most {LIMIT_BYTES:,} bytes", received, hint)
    return widget("scrubber", title, body)


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


def _options(name: str, values) -> dict[str, object]:
    """Return the values of one slider by label."""
    if not isinstance(values, Mapping):
        labels = [_label(value) for value in values]
        if len(set(labels)) != len(labels):
            hint = "Pass a mapping from labels to values."
            raise invalid_argument(name, "values with distinct labels", ", ".join(labels), hint)
        values = dict(zip(labels, values, strict=True))
    require(values, name, "at least one value", "none")
    return {str(label): value for label, value in values.items()}


def _label(value) -> str:
    """Format one value for the slider."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _words(name: str) -> str:
    """Format the name of a parameter for the slider."""
    return name.replace("_", " ")
