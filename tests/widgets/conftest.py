"""A headless browser for the widget tests, where one is installed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))


@pytest.fixture
def browse(tmp_path):
    """Return a function that opens HTML in headless Chromium with networking off."""
    browser_module = pytest.importorskip("browser")
    pytest.importorskip("tornado")
    if browser_module.CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    opened = []

    def browse(*widgets, **options):
        page = tmp_path / "page.html"
        body = "".join(widget._repr_html_() for widget in widgets)
        page.write_text(f"<!doctype html><meta charset='utf-8'><title>t</title>{body}", "utf-8")
        opened.append(browser_module.Browser(**options))
        opened[-1].open(page, wait=0.2)
        return opened[-1]

    yield browse
    for browser in opened:
        browser.close()


@pytest.fixture
def static(monkeypatch):
    """Select static rendering."""
    monkeypatch.setenv("XRAYLAB_WIDGETS", "static")


@pytest.fixture
def live(monkeypatch):
    """Select live rendering."""
    pytest.importorskip("ipywidgets")
    monkeypatch.setenv("XRAYLAB_WIDGETS", "live")
