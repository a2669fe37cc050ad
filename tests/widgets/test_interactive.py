"""Interactive figures: choice of rendering, equal frames in both, and error display."""

import sys

import numpy as np
import pytest

from xraylab import plotting, widgets


def shade(level, inverted=False):
    image = np.full((8, 8), level, float)
    return 1 - image if inverted else image


def test_the_environment_variable_selects_the_rendering(monkeypatch):
    monkeypatch.delenv("XRAYLAB_WIDGETS", raising=False)
    assert widgets.mode() == "static"  # no kernel runs here
    monkeypatch.setenv("XRAYLAB_WIDGETS", "static")
    assert widgets.mode() == "static"
    monkeypatch.setenv("XRAYLAB_WIDGETS", "dynamic")
    with pytest.raises(ValueError, match="XRAYLAB_WIDGETS"):
        widgets.mode()


def test_static_rendering_has_a_frame_per_combination(static):
    page = widgets.interactive(
        shade, title="Shade", alt="A field", level=[0.0, 0.5, 1.0], inverted=[False, True]
    )._repr_html_()
    assert page.count("<img") == 6
    assert "A field: level 0.5, inverted on" in page


def test_values_can_be_labelled(static):
    levels = {"dark": 0.0, "bright": 1.0}
    page = widgets.interactive(shade, title="Shade", alt="A field", level=levels)._repr_html_()
    assert "A field: level dark" in page


def test_too_many_frames_are_rejected_before_drawing(static):
    def never(**_):
        raise AssertionError

    with pytest.raises(ValueError, match="Received: 20 a × 20 b = 400 frames"):
        widgets.interactive(never, title="Many", alt="x", a=range(20), b=range(20))


@pytest.mark.parametrize(
    ("sliders", "message"),
    [({}, "at least one"), ({"level": []}, "level"), ({"level": [0.1, 0.1]}, "distinct labels")],
)
@pytest.mark.parametrize("rendering", ["static", "live"])
def test_invalid_sliders_are_rejected(monkeypatch, rendering, sliders, message):
    monkeypatch.setenv("XRAYLAB_WIDGETS", rendering)
    with pytest.raises(ValueError, match=message):
        widgets.interactive(shade, title="Shade", alt="x", **sliders)


def test_pick_is_validated(static):
    with pytest.raises(ValueError, match="Expected: two different sliders"):
        widgets.interactive(shade, title="T", alt="x", pick=("level", "column"), level=[0.1, 0.2])


def test_static_rendering_propagates_exceptions(static):
    def refuse(layer):
        raise ValueError(f"layer {layer} is out of range")

    with pytest.raises(ValueError, match="layer 9 is out of range"):
        widgets.interactive(refuse, title="Layers", alt="x", layer=[9])


def test_live_rendering_shows_the_static_frames_and_caches_them(live, monkeypatch):
    calls = []

    def shade_and_count(level, inverted):
        calls.append((level, inverted))
        return shade(level, inverted)

    sliders = {"level": [0.0, 0.5], "inverted": [False, True]}
    box = widgets.interactive(shade_and_count, title="Shade", alt="A field", **sliders)
    output, level, inverted = box.children
    assert 'alt="A field: level 0, inverted off"' in output.value
    level.value = "0.5"
    inverted.value = "on"
    assert 'alt="A field: level 0.5, inverted on"' in output.value
    level.value = "0"
    level.value = "0.5"
    assert calls == [(0.0, False), (0.5, False), (0.5, True), (0.0, True)]
    monkeypatch.setenv("XRAYLAB_WIDGETS", "static")
    static = widgets.interactive(shade, title="Shade", alt="A field", **sliders)._repr_html_()
    picture = output.value.split('src="')[1].split('"')[0]
    assert picture in static


def test_live_rendering_displays_exceptions_and_recovers(live):
    def refuse(layer):
        if layer == 2:
            raise ValueError("layer <2> is out of range")
        return plotting.bar_chart([layer], xlabel="layer", names=["chosen"])

    box = widgets.interactive(refuse, title="Layers", layer=[1, 2, 3])
    output, layer = box.children
    assert "<svg" in output.value
    layer.value = "2"
    assert "ValueError</strong>: layer &lt;2&gt; is out of range" in output.value
    assert 'role="alert"' in output.value
    layer.value = "3"
    assert "<svg" in output.value


def test_static_rendering_needs_no_ipywidgets(static, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert widgets.interactive(shade, title="Shade", alt="x", level=[0.5])._repr_html_()
