"""Operate every interactive figure of the built book in headless Chromium without a network.

::

    python tools/check_interactive.py book/_build/html

Moves every slider by keyboard and by mouse and clicks every picture that accepts clicks; each time
another frame must become visible and its text must be announced. Exits with 1 on any problem. Takes
minutes.
"""

import argparse
import sys
from pathlib import Path

from browser import chromium, external, open_page

_STATE = """
box => {
  const frame = [...box.querySelectorAll('.frame')].find(frame => !frame.hidden).firstElementChild;
  return [frame.alt || frame.getAttribute('aria-label'),
          box.querySelector('.announcement').textContent];
}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("html", type=Path, help="folder of the built book")
    options = parser.parse_args()
    problems, total = [], 0
    with chromium() as browser:
        for page in sorted(options.html.glob("**/*.html")):
            if "_static" in page.parts or "xraylab scrubber" not in page.read_text("utf-8"):
                continue
            sliders, found = check_page(browser, page)
            total += sliders
            problems += [f"{page.name}: {problem}" for problem in found]
            print(f"{page.name:45} {sliders:3} sliders  {len(found)} problems", flush=True)
    print("\n".join(problems) or f"{total} sliders work")
    return 1 if problems or not total else 0


def check_page(browser, page):
    """Return the number of sliders of a page and its problems."""
    problems, sliders = [], 0
    with open_page(browser, page, viewport={"width": 1280, "height": 900}) as tab:
        tab.wait_for_timeout(1000)
        for number, figure in enumerate(tab.locator(".xraylab.scrubber").all()):
            for slider in figure.locator("input[type=range]").all():
                sliders += 1
                for move in (move_by_key, move_by_mouse):
                    before = figure.evaluate(_STATE)
                    move(slider)
                    after = figure.evaluate(_STATE)
                    if after[0] == before[0] or after[0] != after[1]:
                        problems.append(f"figure {number}, {move.__name__}: {after}")
            # The lower right corner of a picture that accepts clicks.
            for picture in figure.locator(".pick .frame:not([hidden]) img").all():
                before = figure.evaluate(_STATE)
                press(picture, 0.95, 0.95)
                if figure.evaluate(_STATE)[0] == before[0]:
                    problems.append(f"figure {number}: a click has no effect")
        problems += tab.problems + external(tab)
    return sliders, problems


def move_by_key(slider):
    """Move a slider one step with the keyboard."""
    slider.press("ArrowRight")


def move_by_mouse(slider):
    """Press a slider at its left end, its first position."""
    press(slider, 0.02, 0.5)


def press(element, across, down):
    """Press the mouse at a fraction of the width and height of an element."""
    box = element.bounding_box()
    element.click(position={"x": across * box["width"], "y": down * box["height"]})


if __name__ == "__main__":
    sys.exit(main())
