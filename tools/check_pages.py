"""Examine every page of the built book in headless Chromium without a network.

::

    python tools/check_pages.py book/_build/html                # all pages; minutes
    python tools/check_pages.py book/_build/html 10_ index      # pages whose names contain these

Runs axe-core, which finds violations of the guidelines for accessible content, in the light and in
the dark theme, and looks for content that is cut off or overflows at the widths of a laptop and of
a phone, for errors on the console and for requests outside the book. Exits with 1 on any problem.
"""

import argparse
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from browser import chromium, external, open_page

WIDTHS = (1300, 390)
CUT_OFF = """
() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
  for (const box of document.querySelectorAll('article pre'))
    if (box.scrollWidth > box.clientWidth + 1 && !(innerWidth < 600 && box.closest('.cell_output')))
      found.push('cut off: ' + box.textContent.trim().slice(0, 60).replaceAll('\\n', ' '));
  return found;
}
"""


def check_page(browser, page, axe, scheme):
    """Return the problems of a page in a colour scheme."""
    with open_page(browser, page, color_scheme=scheme, reduced_motion="reduce") as tab:
        problems = tab.problems
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            tab.wait_for_timeout(600)  # the theme then makes boxes that scroll focusable
            problems += [f"{width} px: {found}" for found in tab.evaluate(CUT_OFF)]
        # Preloading would request the style sheets, which a page opened from disk may not.
        found = axe.run(tab, options={"preload": False}).response
        for violation in found["violations"]:
            example = violation["nodes"][0]["html"][:100]
            problems.append(f"{violation['id']}: {violation['help']}: {example}")
        return problems + [f"requests {address}" for address in external(tab)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("html", type=Path, help="folder of the built book")
    parser.add_argument("names", nargs="*", help="parts of the names of pages; default: all pages")
    options = parser.parse_args()
    pages = [page for page in sorted(options.html.rglob("*.html")) if "_static" not in page.parts]
    if options.names:
        pages = [page for page in pages if any(name in page.name for name in options.names)]
    number, axe = 0, Axe()
    with chromium() as browser:
        for scheme in ("light", "dark"):
            for page in pages:
                problems = check_page(browser, page, axe, scheme)
                number += len(problems)
                print(f"{page.relative_to(options.html)} {scheme}: {len(problems)} problems")
                print("".join(f"  {problem}\n" for problem in problems), end="", flush=True)
    print(f"{len(pages)} pages, {number} problems")
    return 1 if number or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
