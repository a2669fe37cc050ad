"""Operate every interactive figure of the built book in headless Chromium without a network.

::

    python tools/check_interactive.py book/_build/html --shots shots

Moves every slider by keyboard and by mouse and clicks every picture that accepts clicks; each time
another frame must become visible and its text must be announced. Then opens each page at the width
of a phone, where nothing may overflow. Exits with 1 on any problem. Takes minutes.
"""

import argparse
import sys
from pathlib import Path

from browser import Browser

_STATE = """
[...document.querySelectorAll('.xraylab.scrubber')].map(box => {
  const frame = [...box.querySelectorAll('.frame')].find(frame => !frame.hidden).firstElementChild;
  return [frame.alt || frame.getAttribute('aria-label'),
          box.querySelector('.announcement').textContent];
})
"""

_SLIDERS = """
[...document.querySelectorAll('.xraylab.scrubber')].map(box =>
  [...box.querySelectorAll('input[type=range]')].length)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("html", type=Path, help="folder of the built book")
    parser.add_argument("--shots", type=Path, help="folder for a screenshot of each page and width")
    options = parser.parse_args()
    problems, total = [], 0
    for page in sorted(options.html.glob("**/*.html")):
        if "_static" in page.parts or "xraylab scrubber" not in page.read_text(encoding="utf-8"):
            continue
        sliders, found = check_page(page, options.shots)
        total += sliders
        problems += [f"{page.name}: {problem}" for problem in found]
        print(f"{page.name:45} {sliders:3} sliders  {len(found)} problems", flush=True)
    print("\n".join(problems) or f"{total} sliders work")
    return 1 if problems or not total else 0


def check_page(page, shots):
    """Return the number of sliders of a page and its problems."""
    problems, sliders = [], 0
    with Browser(1280, 900) as browser:
        browser.open(page, wait=2)
        for figure, count in enumerate(browser.run(_SLIDERS)):
            sliders += count
            for slider in range(count):
                for move in (move_by_key, move_by_mouse):
                    before = browser.run(_STATE)[figure]
                    move(browser, figure, slider)
                    after = browser.run(_STATE)[figure]
                    if after[0] == before[0] or after[0] != after[1]:
                        problems.append(
                            f"figure {figure}, slider {slider}, {move.__name__}: {after}"
                        )
            problems += check_click(browser, figure)
        problems += browser.problems
        problems += [address for address in browser.requests if not address.startswith("file:")]
        if shots:
            browser.shot(shots / f"{page.stem}-desktop.png")
    with Browser(390, 900) as browser:
        browser.open(page, wait=1)
        width = browser.run("document.documentElement.scrollWidth")
        if width > 390:
            problems.append(f"{width} px wide on a phone of 390 px")
        if shots:
            browser.shot(shots / f"{page.stem}-phone.png")
    return sliders, problems


def move_by_key(browser, figure, slider):
    """Move a slider one step with the keyboard."""
    browser.run(f"{_slider(figure, slider)}.focus()")
    browser.press("ArrowRight")


def move_by_mouse(browser, figure, slider):
    """Press a slider at its left end, its first position."""
    press(browser, _slider(figure, slider), 0.02, 0.5)


def check_click(browser, figure):
    """Click near the lower right corner of a picture that accepts clicks; return the problems."""
    picture = f"document.querySelectorAll('.xraylab.scrubber')[{figure}].querySelector('.pick')"
    if not browser.run(f"!!{picture}"):
        return []
    before = browser.run(_STATE)[figure][0]
    press(browser, f"{picture}.querySelector('.frame:not([hidden]) img')", 0.95, 0.95)
    after = browser.run(_STATE)[figure][0]
    return [] if after != before else [f"figure {figure}: a click has no effect"]


def press(browser, element, across, down):
    """Scroll to an element and press the mouse at a fraction of its width and height."""
    browser.run(f"{element}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    box = browser.run(f"{element}.getBoundingClientRect().toJSON()")
    point = {"x": box["x"] + across * box["width"], "y": box["y"] + down * box["height"]}
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **point)


def _slider(figure, slider):
    return (
        f"document.querySelectorAll('.xraylab.scrubber')[{figure}]"
        f".querySelectorAll('input[type=range]')[{slider}]"
    )


if __name__ == "__main__":
    sys.exit(main())
