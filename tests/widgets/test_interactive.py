"""Interactive figures: one frame for each combination of values, and errors."""

import numpy as np
import pytest

from xraylab import widgets


def shade(level, inverted=False):
    image = np.full((8, 8), level, float)
    return 1 - image if inverted else image


def test_there_is_a_frame_per_combination():
    page = widgets.interactive(
        shade, title="Shade", alt="A field", level=[0.0, 0.5, 1.0], inverted=[False, True]
    )._repr_html_()
    assert page.count("<img") == 6
    assert "A field: level 0.5, inverted on" in page


def test_values_can_be_labelled():
    levels = {"dark": 0.0, "bright": 1.0}
    page = widgets.interactive(shade, title="Shade", alt="A field", level=levels)._repr_html_()
    assert "A field: level dark" in page


def test_too_many_frames_are_rejected_before_drawing():
    def never(**_):
        raise AssertionError

    with pytest.raises(ValueError, match="Received: 20 a × 20 b = 400 frames"):
        widgets.interactive(never, title="Many", alt="x", a=range(20), b=range(20))


@pytest.mark.parametrize(
    ("sliders", "message"),
    [({}, "at least one"), ({"level": []}, "level"), ({"level": [0.1, 0.1]}, "distinct labels")],
)
def test_invalid_sliders_are_rejected(sliders, message):
    with pytest.raises(ValueError, match=message):
        widgets.interactive(shade, title="Shade", alt="x", **sliders)


def test_pick_is_validated():
    with pytest.raises(ValueError, match="Expected: one of 'level'"):
        widgets.interactive(shade, title="T", alt="x", pick=("level", "column"), level=[0.1, 0.2])


def test_exceptions_propagate():
    def refuse(layer):
        raise ValueError(f"layer {layer} is out of range")

    with pytest.raises(ValueError, match="layer 9 is out of range"):
        widgets.interactive(refuse, title="Layers", alt="x", layer=[9])
