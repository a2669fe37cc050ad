"""Widgets in headless Chromium, where one is installed, and the choice of rendering."""

import pytest


@pytest.fixture
def browse(browse, tmp_path):
    """Return a function that opens widgets in headless Chromium without a network."""

    def browse_widgets(*widgets, **options):
        page = tmp_path / "page.html"
        head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        body = "".join(widget._repr_html_() for widget in widgets)
        page.write_text(f"<!doctype html>{head}<title>t</title>{body}", "utf-8")
        return browse(page, **options)

    return browse_widgets


@pytest.fixture
def static(monkeypatch):
    """Select static rendering."""
    monkeypatch.setenv("XRAYLAB_WIDGETS", "static")


@pytest.fixture
def live(monkeypatch):
    """Select live rendering."""
    pytest.importorskip("ipywidgets")
    monkeypatch.setenv("XRAYLAB_WIDGETS", "live")
