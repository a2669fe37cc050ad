"""The live model in headless Chromium, driven by Playwright, without a network.

Under continuous integration (``CI=true``) a missing browser is an error; elsewhere tests skip.
"""

import functools
import http.server
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from browser import CHROMIUM  # noqa: E402


def require_browser(what, found):
    """Skip a test, or fail it under continuous integration, unless something was found."""
    if found:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"CI needs {what}")
    return pytest.skip(f"no {what} on this machine")


@pytest.fixture(scope="module")  # Playwright's event loop would stop those of other tests
def chromium():
    """A headless Chromium of the system."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        require_browser("Playwright", None)
    path = require_browser("Chromium", CHROMIUM)
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--js-flags=--expose-gc"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pretrained():
    """The shipped model."""
    from xraylab import models

    return models.build("rr_vit", image_size=64, weights="pretrained")


def make_site(folder, model, others=()):
    """Write a page that holds the component, as in the built book; return its folder."""
    import live_model
    import live_onnx

    scripts = folder / "_static" / "live"
    shutil.copytree(ROOT / "book" / "live", scripts)
    (scripts / "rr_vit_weights.js").write_text(live_model.weights_script(model), "utf-8")
    component = live_model.component(model, live_onnx.write(scripts, others) if others else {})
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    style = '<link rel="stylesheet" href="_static/live/live.css">'
    script = "".join(
        f'<script defer src="_static/live/{name}"></script>' for name in live_model.SCRIPTS
    )
    body = f'<body><main class="bd-content">{component}</main></body>'
    html = f'<!doctype html><html lang="en">{head}<title>t</title>{style}{script}{body}</html>'
    (folder / "page.html").write_text(html, "utf-8")
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory, pretrained):
    """A folder with a page that has RR-ViT only."""
    return make_site(tmp_path_factory.mktemp("site"), pretrained)


@pytest.fixture
def browse(chromium):
    """Return a function that opens an address; the page may only request what lies beside it."""
    contexts = []

    def browse(address, **options):
        context = chromium.new_context(viewport={"width": 1000, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.problems, page.requests = [], []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on(
            "console",
            lambda message: (
                page.problems.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        page.on("request", lambda request: page.requests.append(request.url))
        folder = address.rsplit("/", 1)[0]
        context.route(lambda url: not url.startswith(folder), lambda route: route.abort())
        page.goto(address)
        return page

    yield browse
    for context in contexts:
        context.close()


@pytest.fixture
def page(browse, site):
    """The page, opened from disk; afterwards nothing was requested and no error was logged."""
    page = browse((site / "page.html").as_uri())
    yield page
    assert page.problems == []
    outside = [url for url in page.requests if not url.startswith((site.as_uri(), "data:"))]
    assert outside == []


@pytest.fixture
def served(site):
    """The address of the page on a local server."""
    handler = functools.partial(QuietHandler, directory=site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/page.html"
    server.shutdown()
    thread.join()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files without writing to the terminal."""

    def log_message(self, format, *arguments):
        pass
