"""A probe: a function from parameters to a picture, turned live or on the static page."""

import html
import importlib.util
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from math import prod

from xraylab.widgets.page import CSS, colour_bar, picture
from xraylab.widgets.scrubbers import require_pick, scrubber

LIMIT_FRAMES = 120
"""How many frames a static probe may hold."""


def mode() -> str:
    """Return which face a probe shows: ``"live"`` with a kernel, else ``"static"``.

    The environment variable ``XRAYLAB_WIDGETS`` (``live`` or ``static``) decides where it is set.

    Raises:
        ValueError: if ``XRAYLAB_WIDGETS`` is set to anything else.
    """
    wanted = os.environ.get("XRAYLAB_WIDGETS", "")
    if wanted not in ("", "live", "static"):
        raise ValueError(f"XRAYLAB_WIDGETS: expected 'live' or 'static', got {wanted!r}")
    if wanted == "static" or importlib.util.find_spec("ipywidgets") is None:
        return "static"
    return "live" if wanted == "live" or _kernel_runs() else "static"


def probe(
    function: Callable,
    *,
    title: str,
    alt: str = "",
    pick: tuple[str, str] | None = None,
    bar: tuple[str, float, float] | None = None,
    **parameters: Sequence | Mapping[str, object],
):
    """Return sliders over what ``function`` draws: live with a kernel, frames without.

    Args:
        function: takes the parameters by name and returns a picture: (height, width) uint8 or float
            in [0, 1], (height, width, 3), or a :class:`~xraylab.plotting.Figure`. The same values
            must give the same picture: it is drawn once and kept.
        title: what the probe shows.
        alt: what can be seen; the positions of the sliders are added. A figure brings its own.
        pick, bar: as :func:`scrubber`. In the live face the picture takes no clicks: two sliders
            turn it.
        parameters: the values of each parameter in the order of its slider, or the values by the
            name that each is to be shown under.

    Returns:
        A widget of ipywidgets, or the frames as HTML; both show themselves at the end of a cell.

    Raises:
        ValueError: if a parameter has no values, ``pick`` names another one, or, in the static
            face, if the frames are more than :data:`LIMIT_FRAMES`. What ``function`` raises passes
            through in the static face and is shown in the picture's place in the live one.
    """
    if not parameters:
        raise ValueError("parameters: expected at least one, with its values")
    knobs = {name: _labelled(name, values) for name, values in parameters.items()}
    if pick is not None:
        pick = tuple(map(_spoken, pick))
        require_pick(pick, {_spoken(name): named for name, named in knobs.items()})
    if mode() == "live":
        return _live(function, title, alt, bar, knobs)
    count = prod(len(values) for values in knobs.values())
    if count > LIMIT_FRAMES:
        product = " × ".join(f"{len(values)} {name}" for name, values in knobs.items())
        raise ValueError(
            f"parameters: {product} are {count} frames, more than the {LIMIT_FRAMES} a static "
            f"probe may hold; give fewer values"
        )
    frames = [
        function(**dict(zip(knobs, values, strict=True)))
        for values in itertools.product(*(named.values() for named in knobs.values()))
    ]
    labels = {_spoken(name): list(named) for name, named in knobs.items()}
    return scrubber(frames, labels=labels, title=title, alt=alt, pick=pick, bar=bar)


def _kernel_runs() -> bool:
    """Tell whether this is a notebook; IPython is asked only if it is there already."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def _labelled(name: str, values) -> dict[str, object]:
    """Return the values of a parameter by their labels."""
    if not isinstance(values, Mapping):
        labels = [_label(value) for value in values]
        if len(set(labels)) != len(labels):
            raise ValueError(f"{name}: two values read alike: {', '.join(labels)}")
        values = dict(zip(labels, values, strict=True))
    if not values:
        raise ValueError(f"{name}: expected at least one value, got none")
    return {str(label): value for label, value in values.items()}


def _label(value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _live(function, title, alt, bar, knobs):
    """Return the live face; only what ipywidgets 7.7 and 8 share is used."""
    import ipywidgets

    sliders = {
        name: ipywidgets.SelectionSlider(
            options=list(named),
            description=_spoken(name),
            continuous_update=True,
            layout=ipywidgets.Layout(width="26em", max_width="100%"),
            style={"description_width": "9em"},
        )
        for name, named in knobs.items()
    }
    shown = ipywidgets.HTML()
    below = "" if bar is None else colour_bar(*bar)
    drawn = {}

    def turn(_=None):
        labels = tuple(slider.value for slider in sliders.values())
        try:
            if labels not in drawn:
                values = {name: knobs[name][slider.value] for name, slider in sliders.items()}
                said = ", ".join(f"{_spoken(n)} {v}" for n, v in zip(knobs, labels, strict=True))
                drawn[labels] = picture(function(**values), f"{alt}: {said}" if alt else "")
                while len(drawn) > 4 * LIMIT_FRAMES:
                    drawn.pop(next(iter(drawn)))
            content = drawn[labels]
        except Exception as error:  # an error in a callback would vanish into the kernel's log
            content = (
                f'<p role="alert"><strong>{type(error).__name__}</strong>: '
                f"{html.escape(str(error))}</p>"
            )
        shown.value = (
            f'<style>{CSS}</style><div class="xraylab probe" role="group" '
            f'aria-label="{html.escape(title)}"><p class="title">{html.escape(title)}</p>'
            f"{content}{below}</div>"
        )

    for slider in sliders.values():
        slider.observe(turn, names="value")
    turn()
    return ipywidgets.VBox([shown, *sliders.values()])
