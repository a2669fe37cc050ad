"""Probes: the right face by itself, the same frames in both, errors where they belong."""

import sys

import numpy as np
import pytest

from xraylab import plotting, widgets


def shade(level, inverted=False):
    image = np.full((8, 8), level, float)
    return 1 - image if inverted else image


def test_the_environment_decides(monkeypatch):
    monkeypatch.delenv("XRAYLAB_WIDGETS", raising=False)
    assert widgets.mode() == "static"  # no kernel runs here
    monkeypatch.setenv("XRAYLAB_WIDGETS", "static")
    assert widgets.mode() == "static"
    monkeypatch.setenv("XRAYLAB_WIDGETS", "dynamic")
    with pytest.raises(ValueError, match="XRAYLAB_WIDGETS"):
        widgets.mode()


def test_without_ipywidgets_it_is_static(live, monkeypatch):
    assert widgets.mode() == "live"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert widgets.mode() == "static"


def test_the_static_face_holds_every_combination(static):
    page = widgets.probe(
        shade, title="Shade", alt="A field", level=[0.0, 0.5, 1.0], inverted=[False, True]
    )._repr_html_()
    assert page.count("<img") == 6
    assert "A field: level 0.5, inverted on" in page


def test_values_may_have_names(static):
    levels = {"dark": 0.0, "bright": 1.0}
    page = widgets.probe(shade, title="Shade", alt="A field", level=levels)._repr_html_()
    assert "A field: level dark" in page


def test_too_many_frames_are_refused_before_one_is_drawn(static):
    def never(**_):
        raise AssertionError

    with pytest.raises(ValueError, match="20 a × 20 b are 400 frames"):
        widgets.probe(never, title="Many", alt="x", a=range(20), b=range(20))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({}, "at least one"), ({"level": []}, "level"), ({"level": [0.1, 0.1]}, "read alike")],
)
@pytest.mark.parametrize("face", ["static", "live"])
def test_parameters_without_sense_are_refused(monkeypatch, face, parameters, words):
    monkeypatch.setenv("XRAYLAB_WIDGETS", face)
    with pytest.raises(ValueError, match=words):
        widgets.probe(shade, title="Shade", alt="x", **parameters)


@pytest.mark.parametrize("face", ["static", "live"])
def test_picking_is_checked_in_either_face(monkeypatch, face):
    monkeypatch.setenv("XRAYLAB_WIDGETS", face)
    with pytest.raises(ValueError, match="expected two different sliders of several"):
        widgets.probe(print, title="T", pick=("row", "column"), row=[1, 2])


def test_the_static_face_raises_what_the_function_raises(static):
    def refuse(layer):
        raise ValueError(f"layer {layer} is out of range")

    with pytest.raises(ValueError, match="layer 9 is out of range"):
        widgets.probe(refuse, title="Layers", alt="x", layer=[9])


def test_the_live_face_shows_the_same_frames_and_draws_each_once(live, monkeypatch):
    drawn = []

    def counted(level, inverted):
        drawn.append((level, inverted))
        return shade(level, inverted)

    knobs = {"level": [0.0, 0.5], "inverted": [False, True]}
    box = widgets.probe(counted, title="Shade", alt="A field", **knobs)
    shown, level, inverted = box.children
    assert 'alt="A field: level 0, inverted off"' in shown.value
    level.value = "0.5"
    inverted.value = "on"
    assert 'alt="A field: level 0.5, inverted on"' in shown.value
    level.value = "0"
    level.value = "0.5"
    assert drawn == [(0.0, False), (0.5, False), (0.5, True), (0.0, True)]
    monkeypatch.setenv("XRAYLAB_WIDGETS", "static")
    static = widgets.probe(shade, title="Shade", alt="A field", **knobs)._repr_html_()
    picture = shown.value.split('src="')[1].split('"')[0]
    assert picture in static


def test_the_live_face_shows_errors_in_place_and_goes_on(live):
    def refuse(layer):
        if layer == 2:
            raise ValueError("layer <2> is out of range")
        return plotting.bars([layer], unit="layer", names=["chosen"])

    box = widgets.probe(refuse, title="Layers", layer=[1, 2, 3])
    shown, layer = box.children
    assert "<svg" in shown.value
    layer.value = "2"
    assert "ValueError</strong>: layer &lt;2&gt; is out of range" in shown.value
    assert 'role="alert"' in shown.value
    layer.value = "3"
    assert "<svg" in shown.value


def test_the_static_face_needs_no_ipywidgets(static, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert widgets.probe(shade, title="Shade", alt="x", level=[0.5])._repr_html_()
