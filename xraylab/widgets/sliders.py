"""Interactive figures: a picture for each combination of parameters, with a slider for each."""

import html
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from xraylab.arguments import invalid_argument, require, require_choice
from xraylab.plotting import Figure
from xraylab.widgets.page import Html, colour_bar, picture, widget

LIMIT_FRAMES = 120
"""Largest number of frames in a static interactive figure."""

LIMIT_BYTES = 700_000
"""Largest size of a static interactive figure; a page of the book may have 1.5 MB."""


def mode() -> str:
    """Return how interactive figures are rendered: ``"live"`` with a kernel, else ``"static"``.

    The environment variable ``XRAYLAB_WIDGETS`` (``live`` or ``static``) overrides the detection.

    Raises:
        ValueError: if ``XRAYLAB_WIDGETS`` has another value.
    """
    setting = os.environ.get("XRAYLAB_WIDGETS", "")
    if require_choice("XRAYLAB_WIDGETS", setting, ("", "live", "static")):
        return setting
    ipython = sys.modules.get("IPython")  # not imported here: a notebook has imported it already
    shell = ipython.get_ipython() if ipython else None
    return "static" if getattr(shell, "kernel", None) is None else "live"


def interactive(
    function: Callable,
    *,
    title: str,
    alt: str = "",
    pick: tuple[str, str] | None = None,
    bar: tuple[str, float, float] | None = None,
    **sliders: Sequence | Mapping[str, object],
) -> Any:
    """Show the pictures of a function with one slider per parameter.

    With a kernel the function is called when a slider moves. On a static page all combinations
    are drawn in advance and the sliders select among the frames.

    Args:
        function: takes the parameters by name and returns a picture: (height, width) uint8 or
            float in [0, 1], (height, width, 3), or a :class:`~xraylab.plotting.Figure`. It must be
            deterministic: pictures are cached.
        title: title of the figure.
        alt: alternative text; the slider positions are appended. A ``Figure`` has its own.
        pick, bar: as in :func:`scrubber`. ``pick`` has no effect in live rendering.
        sliders: the values of each parameter in slider order, or a mapping from labels to values.

    Returns:
        An ipywidgets box (live) or :class:`Html` (static); either displays
        itself at the end of a cell.

    Raises:
        ValueError: if a slider has no values, ``pick`` names an unknown slider, or a static figure
            has more than :data:`LIMIT_FRAMES` frames. Exceptions of ``function`` propagate in
            static rendering and are displayed in live rendering.
    """
    require(sliders, "sliders", "at least one parameter with its values", "none")
    options = {name: _options(name, values) for name, values in sliders.items()}
    if mode() == "live":
        return _live(function, title, alt, bar, options)
    count = prod(len(values) for values in options.values())
    factors = " × ".join(f"{len(values)} {name}" for name, values in options.items())
    expected, received = f"at most {LIMIT_FRAMES} frames", f"{factors} = {count} frames"
    require(count <= LIMIT_FRAMES, "sliders", expected, received, "Give fewer values.")
    frames = [
        function(**dict(zip(options, values, strict=True)))
        for values in product(*(values.values() for values in options.values()))
    ]
    labels = {_words(name): list(values) for name, values in options.items()}
    pick = pick and (_words(pick[0]), _words(pick[1]))
    return scrubber(frames, labels, title=title, alt=alt, pick=pick, bar=bar)


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
    require(len(frames) == expected, "frames", f"{expected} frames, one per label", len(frames))
    texts = _alt_texts(frames, labels, alt)
    pictures = [picture(frame, text) for frame, text in zip(frames, texts, strict=True)]
    body = pictures[0] + "".join(p.replace("<div ", "<div hidden ", 1) for p in pictures[1:])
    if pick is not None:
        usable = [slider for slider, values in labels.items() if len(values) > 1]
        expected = f"two different sliders with several positions out of {usable}"
        require(len({*pick} & {*usable}) == 2, "pick", expected, pick)
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
    received = f"{len(body):,} bytes in {len(frames)} frames, too large"
    hint = "Use fewer or smaller frames."
    require(len(body) <= LIMIT_BYTES, "frames", f"at most {LIMIT_BYTES:,} bytes", received, hint)
    return widget("scrubber", title, body)


def _alt_texts(frames, labels, alt) -> list[str]:
    """Return the alternative text of every frame."""
    states = [_state(labels, values) for values in product(*labels.values())]
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


def _state(names, labels) -> str:
    """Describe the positions of the sliders."""
    return ", ".join(f"{name} {label}" for name, label in zip(names, labels, strict=True))


def _live(function, title, alt, bar, options):
    """Build the live rendering from what ipywidgets 7.7 and 8 have in common."""
    import ipywidgets

    sliders = {
        name: ipywidgets.SelectionSlider(
            options=list(values),
            description=_words(name),
            layout=ipywidgets.Layout(width="26em", max_width="100%"),
            style={"description_width": "9em"},
        )
        for name, values in options.items()
    }
    output = ipywidgets.HTML()
    below = "" if bar is None else colour_bar(*bar)

    @lru_cache(4 * LIMIT_FRAMES)
    def frame(*labels):
        values = {name: options[name][label] for name, label in zip(options, labels, strict=True)}
        text = f"{alt}: {_state(map(_words, options), labels)}" if alt else ""
        return picture(function(**values), text)

    def update(_=None):
        try:
            content = frame(*(slider.value for slider in sliders.values()))
        except Exception as error:  # an exception in a callback would only reach the kernel's log
            name, text = type(error).__name__, html.escape(str(error))
            content = f'<p role="alert"><strong>{name}</strong>: {text}</p>'
        output.value = widget("interactive", title, content + below).text

    for slider in sliders.values():
        slider.observe(update, names="value")
    update()
    return ipywidgets.VBox([output, *sliders.values()])
