"""Interactive figures: a function from parameters to a picture, with a slider per parameter."""

import html
import importlib.util
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from xraylab.arguments import invalid_argument, require_choice
from xraylab.widgets.page import colour_bar, picture, widget
from xraylab.widgets.scrubbers import scrubber

LIMIT_FRAMES = 120
"""Largest number of frames in a static interactive figure."""


def mode() -> str:
    """Return how interactive figures are rendered: ``"live"`` with a kernel, else ``"static"``.

    The environment variable ``XRAYLAB_WIDGETS`` (``live`` or ``static``) overrides the detection.

    Raises:
        ValueError: if ``XRAYLAB_WIDGETS`` has another value.
    """
    setting = os.environ.get("XRAYLAB_WIDGETS", "")
    require_choice("XRAYLAB_WIDGETS", setting, ("", "live", "static"))
    if setting == "static" or importlib.util.find_spec("ipywidgets") is None:
        return "static"
    ipython = sys.modules.get("IPython")  # not imported here: a notebook has imported it already
    shell = ipython.get_ipython() if ipython else None
    return "live" if setting == "live" or getattr(shell, "kernel", None) is not None else "static"


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
    if not sliders:
        raise invalid_argument("sliders", "at least one parameter with its values", "none")
    options = {name: _options(name, values) for name, values in sliders.items()}
    if mode() == "live":
        return _live(function, title, alt, bar, options)
    count = prod(len(values) for values in options.values())
    if count > LIMIT_FRAMES:
        product = " × ".join(f"{len(values)} {name}" for name, values in options.items())
        expected, received = f"at most {LIMIT_FRAMES} frames", f"{product} = {count} frames"
        raise invalid_argument("sliders", expected, received, "Give fewer values.")
    frames = [
        function(**dict(zip(options, values, strict=True)))
        for values in itertools.product(*(values.values() for values in options.values()))
    ]
    labels = {_words(name): list(values) for name, values in options.items()}
    pick = pick and (_words(pick[0]), _words(pick[1]))
    return scrubber(frames, labels, title=title, alt=alt, pick=pick, bar=bar)


def _options(name: str, values) -> dict[str, object]:
    """Return the values of one slider by label."""
    if not isinstance(values, Mapping):
        labels = [_label(value) for value in values]
        if len(set(labels)) != len(labels):
            hint = "Pass a mapping from labels to values."
            raise invalid_argument(name, "values with distinct labels", ", ".join(labels), hint)
        values = dict(zip(labels, values, strict=True))
    if not values:
        raise invalid_argument(name, "at least one value", "none")
    return {str(label): value for label, value in values.items()}


def _label(value) -> str:
    """Format one value for the slider."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _words(name: str) -> str:
    """Format the name of a parameter for the slider."""
    return name.replace("_", " ")


def _live(function, title, alt, bar, options):
    """Build the live rendering from what ipywidgets 7.7 and 8 have in common."""
    import ipywidgets

    sliders = {
        name: ipywidgets.SelectionSlider(
            options=list(values),
            description=_words(name),
            continuous_update=True,
            layout=ipywidgets.Layout(width="26em", max_width="100%"),
            style={"description_width": "9em"},
        )
        for name, values in options.items()
    }
    output = ipywidgets.HTML()
    below = "" if bar is None else colour_bar(*bar)

    @lru_cache(4 * LIMIT_FRAMES)
    def frame(*labels):
        selected = dict(zip(options, labels, strict=True))
        state = ", ".join(f"{_words(name)} {label}" for name, label in selected.items())
        values = {name: options[name][label] for name, label in selected.items()}
        return picture(function(**values), f"{alt}: {state}" if alt else "")

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
