"""The page with the live model, on disk and on a local server."""

import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


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
def page(browse, site):
    """The page, opened from disk; afterwards only its own files were requested, without errors."""
    page = browse(site / "page.html", viewport={"width": 1000, "height": 900})
    yield page
    assert page.problems == []
    assert [url for url in page.requests if not url.startswith(site.as_uri())] == []


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
