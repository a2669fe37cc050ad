"""Open pages in headless Chromium of the system, driven by Playwright, without a network.

::

    python tools/browser.py book/_build/html/index.html shots/   # light, dark and phone
"""

import contextlib
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

PHONE = {"viewport": {"width": 390, "height": 900}, "is_mobile": True}
"""Options of ``open_page`` for the width of a phone."""


@contextlib.contextmanager
def chromium(*flags):
    """Start Chromium with further flags; the context is Playwright's browser."""
    flags = ["--no-sandbox", "--disable-dev-shm-usage", *flags]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=flags) as browser,
    ):
        yield browser


@contextlib.contextmanager
def open_page(browser, address, **options):
    """Open a file or address; the context is Playwright's page with two more attributes.

    Requests of another scheme or host than the page's own are aborted. ``page.requests`` lists
    the addresses of all requests, except ``data:`` and ``blob:``, and ``page.problems`` the errors
    and warnings on the console and uncaught exceptions.

    Args:
        options: of Playwright's ``Browser.new_context``.
    """
    address = address.resolve().as_uri() if isinstance(address, Path) else address
    origin = urlsplit(address)[:2]
    with browser.new_context(**options) as context:
        context.set_default_timeout(120_000)
        context.route(lambda url: urlsplit(url)[:2] != origin, lambda route: route.abort())
        page = context.new_page()
        page.requests, page.problems = [], []

        def note_request(request):
            if not request.url.startswith(("data:", "blob:")):
                page.requests.append(request.url)

        def note_message(message):
            if message.type in ("error", "warning"):
                page.problems.append(message.text)

        page.on("request", note_request)
        page.on("console", note_message)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.goto(address)
        yield page


def external(page):
    """List the requests of a page for anything but files."""
    return [address for address in page.requests if not address.startswith("file:")]


def main(file: str, folder: str) -> int:
    file, desktop = Path(file), {"viewport": {"width": 1280, "height": 900}}
    with chromium() as browser:
        for mode, options in (
            ("light", desktop),
            ("dark", desktop | {"color_scheme": "dark"}),
            ("phone", PHONE),
        ):
            with open_page(browser, file, **options) as page:
                width = page.viewport_size["width"]
                wide, height = page.evaluate(
                    "(({scrollWidth, scrollHeight}) => [scrollWidth, scrollHeight])"
                    "(document.documentElement)"
                )
                page.set_viewport_size({"width": width, "height": min(height, 12000)})
                page.wait_for_timeout(1000)
                page.screenshot(path=Path(folder) / f"{file.stem}-{mode}.png")
                print(f"{mode}: {wide} of {width} px wide; {external(page)}; {page.problems}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    sys.exit(main(*sys.argv[1:]))
