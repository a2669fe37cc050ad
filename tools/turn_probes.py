"""Turn every probe of the built book in headless Chromium with no network, and look at the pages.

::

    python tools/turn_probes.py book/_build/html --shots shots

On each page every slider is moved by keyboard and by mouse, and every picture that takes clicks is
clicked; another picture must be seen and its text be told each time. Then the page is opened at
the width of a phone, where nothing may stick out. Ends with 1 if anything is wrong. Minutes.
"""

import argparse
import sys
from pathlib import Path

from browser import Browser

_SHOWN = """
[...document.querySelectorAll('.xraylab.scrubber')].map(box => {
  const frame = [...box.querySelectorAll('.frame')].find(frame => !frame.hidden).firstElementChild;
  return [frame.alt || frame.getAttribute('aria-label'), box.querySelector('.heard').textContent];
})
"""

_INPUTS = """
[...document.querySelectorAll('.xraylab.scrubber')].map(box =>
  [...box.querySelectorAll('input[type=range]')].length)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("html", type=Path)
    parser.add_argument("--shots", type=Path, help="folder for a screenshot of each page and width")
    asked = parser.parse_args()
    wrong, sliders = [], 0
    for page in sorted(asked.html.glob("**/*.html")):
        if "_static" in page.parts or "xraylab scrubber" not in page.read_text(encoding="utf-8"):
            continue
        turned, problems = turn(page, asked.shots)
        sliders += turned
        wrong += [f"{page.name}: {problem}" for problem in problems]
        print(f"{page.name:45} {turned:3} sliders  {len(problems)} problems", flush=True)
    print("\n".join(wrong) or f"{sliders} sliders turn as they should")
    return 1 if wrong or not sliders else 0


def turn(page, shots):
    """Return how many sliders a page has, and what is wrong with them."""
    problems, turned = [], 0
    with Browser(1280, 900) as browser:
        browser.open(page, wait=2)
        for number, count in enumerate(browser.run(_INPUTS)):
            for slider in range(count):
                turned += 1
                for how in (by_key, by_mouse):
                    before = browser.run(_SHOWN)[number]
                    how(browser, number, slider)
                    after = browser.run(_SHOWN)[number]
                    if after[0] == before[0] or after[0] != after[1]:
                        problems.append(f"probe {number}, slider {slider}, {how.__name__}: {after}")
            problems += click(browser, number)
        problems += browser.problems
        problems += [a for a in browser.requests if not a.startswith("file:")]
        if shots:
            browser.shot(shots / f"{page.stem}-desktop.png")
    with Browser(390, 900) as browser:
        browser.open(page, wait=1)
        wide = browser.run("document.documentElement.scrollWidth")
        if wide > 390:
            problems.append(f"{wide} px wide on a phone of 390")
        if shots:
            browser.shot(shots / f"{page.stem}-phone.png")
    return turned, problems


def by_key(browser, number, slider):
    """Move a slider one step by the keyboard."""
    browser.run(f"{_input(number, slider)}.focus()")
    browser.press("ArrowRight")


def by_mouse(browser, number, slider):
    """Press a slider at its left end, where it begins."""
    press(browser, f"{_input(number, slider)}", 0.02, 0.5)


def click(browser, number):
    """Click a picture that takes clicks near its lower right corner; return what is wrong."""
    picture = f"document.querySelectorAll('.xraylab.scrubber')[{number}].querySelector('.pick')"
    if not browser.run(f"!!{picture}"):
        return []
    before = browser.run(_SHOWN)[number][0]
    press(browser, f"{picture}.querySelector('.frame:not([hidden]) img')", 0.95, 0.95)
    after = browser.run(_SHOWN)[number][0]
    return [] if after != before else [f"probe {number}: a click changes nothing"]


def press(browser, element, across, down):
    """Press the mouse on a part of an element, having scrolled there."""
    browser.run(f"{element}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    box = browser.run(f"{element}.getBoundingClientRect().toJSON()")
    place = {"x": box["x"] + across * box["width"], "y": box["y"] + down * box["height"]}
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)


def _input(number, slider):
    return (
        f"document.querySelectorAll('.xraylab.scrubber')[{number}]"
        f".querySelectorAll('input[type=range]')[{slider}]"
    )


if __name__ == "__main__":
    sys.exit(main())
