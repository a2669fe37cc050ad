"""Scrubbers: order of the frames, keyboard and mouse operation in a headless browser."""

import re

import numpy as np
import pytest

from xraylab import plotting, widgets
from xraylab.plotting.heatmaps import colormap_colors

IMAGES = np.stack([np.full((8, 8), 40 * i, np.uint8) for i in range(6)])
ABC = {"frame": "abc"}
SIX = {"frame": range(1, 7)}
GRID = {"row": ["up", "down"], "column": ["x", "y", "z"]}


def _visible(page):
    """Return the alternative texts of the visible frames."""
    return page.evaluate(
        "[...document.querySelectorAll('.frame')].filter(f => f.offsetParent !== null)"
        ".map(f => f.firstElementChild.alt || f.firstElementChild.getAttribute('aria-label'))"
    )


def test_every_frame_has_alternative_text_and_one_is_visible():
    shown = widgets.scrubber(IMAGES[:3], ABC, title="Images", alt="An <image>")
    assert repr(shown) == "<scrubber: Images>"
    page = shown._repr_html_()
    assert re.findall(r'alt="([^"]*)"', page) == [f"An &lt;image&gt;: frame {c}" for c in "abc"]
    assert page.count("<div hidden") == 2
    assert "http" not in page
    assert 'aria-label="Images"' in page
    assert 'aria-valuetext="a"' in page


def test_figures_supply_their_alternative_text():
    figures = [plotting.bar_chart([n], xlabel="images", names=["all"]) for n in (1, 2)]
    page = widgets.scrubber(figures, {"n": [1, 2]}, title="Bars")._repr_html_()
    assert page.count("<svg") == 2
    assert "Bars, images: all 2" in page
    figures[0].alt = ""
    with pytest.raises(ValueError, match="no alternative text"):
        widgets.scrubber(figures, {"n": [1, 2]}, title="Bars")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": []}, "Expected: 6 frames"),
        ({"labels": {"frame": "ab"}}, "Expected: 2 frames"),
        ({"labels": {"a": "12", "b": "12"}}, "Expected: 4 frames"),
        ({"alt": ""}, "no alternative text"),
        ({"frames": IMAGES * 1.0}, "Expected: uint8"),
    ],
)
def test_inconsistent_arguments_are_rejected(arguments, message):
    with pytest.raises(ValueError, match=message):
        widgets.scrubber(
            **{"frames": IMAGES, "labels": SIX, "title": "Images", "alt": "x"} | arguments
        )


def test_positions_distinguish_figures_with_equal_texts():
    same = [plotting.figure(alt="Lines.")[0] for _ in range(2)]
    shown = widgets.scrubber(same, {"frame": ["x", "y"]}, title="B").text
    assert "Lines. (frame x)" in shown
    assert "Lines. (frame y)" in shown


@pytest.mark.parametrize("pick", [("row", "image"), ("row", "one"), ("row",), ("row", "row")])
def test_pick_needs_two_sliders_with_several_positions(pick):
    with pytest.raises(ValueError, match="Expected: two different sliders"):
        widgets.scrubber(IMAGES, GRID | {"one": ["a"]}, title="Two", alt="G", pick=pick)


def test_pick_does_not_apply_to_figures():
    figures = [plotting.figure(alt=f"{k}")[0] for k in range(6)]
    with pytest.raises(ValueError, match="frames that are arrays"):
        widgets.scrubber(figures, GRID, title="F", pick=("row", "column"))


def test_scrubber_size_is_limited(monkeypatch):
    monkeypatch.setattr("xraylab.widgets.sliders.LIMIT_BYTES", 1000)
    with pytest.raises(ValueError, match="too large"):
        widgets.scrubber(IMAGES, SIX, title="Images", alt="An image")


def test_keyboard_moves_one_scrubber_only(browse):
    first = widgets.scrubber(IMAGES[:3], ABC, title="One", alt="F")
    grid = {"row": ["up", "down"], "column": ["x", "y", 'z"<']}
    second = widgets.scrubber(IMAGES, grid, title="Two", alt="G")
    page = browse(first, second, first)  # two copies of one scrubber must work independently
    page.keyboard.press("Tab")
    assert _visible(page) == ["F: frame a", "G: row up, column x", "F: frame a"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert _visible(page)[0] == "F: frame c"
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert _visible(page) == ["F: frame c", 'G: row down, column z"<', "F: frame a"]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert _visible(page) == ["F: frame c", "G: row down, column y", "F: frame b"]
    announced = page.evaluate(
        "[...document.querySelectorAll('.announcement')].map(e => e.textContent)"
    )
    assert announced == _visible(page)
    value_text = page.evaluate("document.activeElement.getAttribute('aria-valuetext')")
    assert value_text == "b"
    assert page.evaluate("document.querySelector('output').textContent") == "c"
    assert page.problems == []
    assert len(page.requests) == 1


def test_click_on_the_image_sets_two_sliders(browse):
    page = browse(widgets.scrubber(IMAGES, GRID, title="Two", alt="G", pick=("row", "column")))
    image = page.locator(".frame:not([hidden]) img")
    box = image.bounding_box()
    for down, across, expected in ((0.75, 0.5, "down, column y"), (0.1, 0.9, "up, column z")):
        image.click(position={"x": across * box["width"], "y": down * box["height"]})
        assert _visible(page) == [f"G: row {expected}"]
    values = page.evaluate("[...document.querySelectorAll('input')].map(e => e.value).join()")
    assert values == "0,2"
    assert page.problems == []


def test_colour_bar_shows_unit_and_range():
    shown = widgets.scrubber(IMAGES, SIX, title="F", alt="F", bar=("share <%>", 0, 0.25)).text
    assert "<span>0</span>" in shown
    assert "<span>0.25</span><b>share &lt;%&gt;</b>" in shown
    assert colormap_colors(9)[-1] in shown


def test_no_global_javascript_names_are_added(browse):
    page = browse(widgets.scrubber(IMAGES[:3], ABC, title="One", alt="F"))
    before = page.evaluate("Object.keys(window).length")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert _visible(page) == ["F: frame b"]
    assert page.evaluate("Object.keys(window).length") == before


def test_scrubbers_fit_a_phone(browse):
    from browser import PHONE

    figure = plotting.bar_chart(np.arange(14), xlabel="images")
    long = {"a rather long name of a slider": range(1, 7)}
    page = browse(
        widgets.scrubber([figure], {"n": [1]}, title="Bars"),
        widgets.scrubber(IMAGES, long, title="Images", alt="F"),
        **PHONE,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
