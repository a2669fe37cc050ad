"""Scrubbers: right frames in the right order, turned by keyboard in a real browser."""

import json
import re

import numpy as np
import pytest

from xraylab import plotting, widgets
from xraylab.widgets import scrubbers

IMAGES = np.stack([np.full((8, 8), 40 * i, np.uint8) for i in range(6)])


def _shown(browser):
    """Return the texts of the frames that can be seen."""
    return browser.run(
        "[...document.querySelectorAll('.frame')].filter(f => f.offsetParent !== null)"
        ".map(f => f.firstElementChild.alt || f.firstElementChild.getAttribute('aria-label'))"
    )


def test_every_frame_has_its_text_and_one_is_shown():
    page = widgets.scrubber(IMAGES[:3], labels="abc", title="Images", alt="An image")._repr_html_()
    assert re.findall(r'alt="([^"]*)"', page) == [f"An image: frame {name}" for name in "abc"]
    assert page.count("<div hidden") == 2
    assert "http" not in page
    assert 'aria-label="Images"' in page
    assert 'aria-valuetext="a"' in page


def test_one_text_a_frame():
    page = widgets.scrubber(IMAGES[:2], title="Images", alt=["one <image>", "two"])._repr_html_()
    assert 'alt="one &lt;image&gt;"' in page
    assert repr(widgets.scrubber(IMAGES[:1], title="Images", alt="x")) == "<scrubber: Images>"


def test_figures_bring_their_own_text_and_may_not_lack_it():
    figures = [plotting.bars([n], unit="images", names=["all"]) for n in (1, 2)]
    page = widgets.scrubber(figures, title="Bars")._repr_html_()
    assert page.count("<svg") == 2
    assert "Bars, images: all 2" in page
    figures[0].alt = ""
    with pytest.raises(ValueError, match="alt:"):
        widgets.scrubber(figures, title="Bars")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"frames": [], "alt": "x"}, "frames: expected"),
        ({"frames": IMAGES, "labels": "ab", "alt": "x"}, "expected 2"),
        ({"frames": IMAGES, "labels": {"a": "12", "b": "12"}, "alt": "x"}, "expected 4"),
        ({"frames": IMAGES}, "alt:"),
        ({"frames": IMAGES, "alt": ["x"]}, "expected 6 texts"),
        ({"frames": IMAGES * 1.0, "alt": "x"}, "expected uint8"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        widgets.scrubber(**arguments, title="Images")


def test_figures_of_one_text_are_told_apart():
    same = [plotting.bars([1, 2], names="ab", unit="images", alt="Bars.") for _ in range(2)]
    shown = widgets.scrubber(same, title="B", labels=["x", "y"]).text
    assert "Bars. (frame x)" in shown
    assert "Bars. (frame y)" in shown


@pytest.mark.parametrize("pick", [("row", "image"), ("row", "one"), ("row",), ("row", "row")])
def test_picking_needs_two_sliders_that_turn(pick):
    grid = {"row": ["up", "down"], "column": ["x", "y", "z"], "one": ["a"]}
    with pytest.raises(ValueError, match="expected two different sliders of several"):
        widgets.scrubber(IMAGES, labels=grid, title="Two", alt="G", pick=pick)


def test_a_figure_takes_no_clicks():
    figures = [plotting.bars([k], names="a", unit="images", alt=f"{k}") for k in range(4)]
    grid = {"row": ["up", "down"], "column": ["x", "y"]}
    with pytest.raises(ValueError, match="frames of pixels"):
        widgets.scrubber(figures, labels=grid, title="F", pick=("row", "column"))


def test_a_scrubber_keeps_its_budget(monkeypatch):
    monkeypatch.setattr(scrubbers, "LIMIT_BYTES", 1000)
    with pytest.raises(ValueError, match="weigh"):
        widgets.scrubber(IMAGES, title="Images", alt="An image")


def test_the_keyboard_turns_it_and_only_it(browse):
    first = widgets.scrubber(IMAGES[:3], labels="abc", title="One", alt="F")
    grid = {"row": ["up", "down"], "column": ["x", "y", 'z"<']}
    second = widgets.scrubber(IMAGES, labels=grid, title="Two", alt="G")
    browser = browse(first, second, first)  # the same one twice must work twice
    browser.press("Tab")
    assert _shown(browser) == ["F: frame a", "G: row up, column x", "F: frame a"]
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    assert _shown(browser)[0] == "F: frame c"
    browser.press("Tab")
    browser.press("End")
    browser.press("Tab")
    browser.press("End")
    assert _shown(browser) == ["F: frame c", 'G: row down, column z"<', "F: frame a"]
    browser.press("ArrowLeft")
    browser.press("Tab")
    browser.press("ArrowRight")
    assert _shown(browser) == ["F: frame c", "G: row down, column y", "F: frame b"]
    said = browser.run("[...document.querySelectorAll('.heard')].map(e => e.textContent)")
    assert said == _shown(browser)
    spoken = browser.run("document.activeElement.getAttribute('aria-valuetext')")
    assert spoken == "b"
    assert browser.run("document.querySelector('output').textContent") == "c"
    assert browser.problems == []
    assert [address for address in browser.requests if not address.startswith("file:")] == []


def test_a_click_on_the_picture_turns_two_sliders(browse):
    grid = {"row": ["up", "down"], "column": ["x", "y", "z"]}
    browser = browse(
        widgets.scrubber(IMAGES, labels=grid, title="Two", alt="G", pick=("row", "column"))
    )
    box = json.loads(
        browser.run("JSON.stringify(document.querySelector('img').getBoundingClientRect())")
    )
    for down, across, expected in ((0.75, 0.5, "down, column y"), (0.1, 0.9, "up, column z")):
        place = {"x": box["x"] + across * box["width"], "y": box["y"] + down * box["height"]}
        for kind in ("mousePressed", "mouseReleased"):
            browser.call(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place
            )
        assert _shown(browser) == [f"G: row {expected}"]
    values = browser.run("[...document.querySelectorAll('input')].map(e => e.value).join()")
    assert values == "0,2"
    assert browser.problems == []


def test_a_bar_says_what_the_colours_mean():
    shown = widgets.scrubber(IMAGES, title="F", alt="F", bar=("share <%>", 0, 0.25)).text
    assert "<span>0</span>" in shown
    assert "<span>0.25</span><b>share &lt;%&gt;</b>" in shown
    assert plotting.map_colours(9)[-1] in shown


def test_nothing_is_added_to_the_global_space(browse):
    browser = browse(widgets.scrubber(IMAGES[:3], title="One", alt="F"))
    before = browser.run("Object.keys(window).length")
    browser.press("Tab")
    browser.press("ArrowRight")
    assert _shown(browser) == ["F: frame 2"]
    assert browser.run("Object.keys(window).length") == before


def test_it_fits_a_phone(browse):
    figure = plotting.bars(np.arange(14), unit="images")
    browser = browse(
        widgets.scrubber([figure], title="Bars"),
        widgets.scrubber(IMAGES, title="Images", alt="F", name="a rather long name of a slider"),
        width=390,
    )
    browser.run("document.head.append(Object.assign(document.createElement('meta'), "
                "{name: 'viewport', content: 'width=device-width'}))")  # fmt: skip
    assert browser.run("document.documentElement.scrollWidth") <= 390
