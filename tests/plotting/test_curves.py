"""Curves are named at their ends, and say in words where they begin and end."""

import numpy as np
import pytest

from xraylab import plotting


def test_every_curve_is_drawn_and_named_within_the_axes():
    figure = plotting.curves(
        [0, 1, 2],
        {"a": [0, 1, 2.0], "b": [0, 1, 2.0], "c": [1, np.nan, 2.0]},
        across="t, s",
        unit="v, m/s",
        bands={"a": np.array([[0, 1], [1, 2], [2, 3]])},
    )
    (axes,) = figure.axes
    assert {line.get_label() for line in axes.lines} and len(axes.lines) == 3
    heights = {text.get_text(): text.xyann[1] for text in axes.texts}
    assert set(heights) == {"a", "b", "c"}
    low, high = axes.get_ylim()
    ordered = sorted(heights.values())
    assert (np.diff(ordered) > 0.07 * (high - low)).all()  # none covers another
    assert ordered[-1] <= high
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("t, s", "v, m/s")
    assert figure.alt == "v, m/s over t, s: a from 0 to 2; b from 0 to 2; c from 1 to 2."


def test_a_curve_has_a_value_for_every_place():
    with pytest.raises(ValueError, match="expected 2 of 'a', got"):
        plotting.curves([0, 1], {"a": [1.0]}, across="t", unit="v")
    with pytest.raises(ValueError, match="at least one curve"):
        plotting.curves([0, 1], {}, across="t", unit="v")


def test_curves_without_a_number_and_bands_without_a_curve_are_refused():
    with pytest.raises(ValueError, match="finite number of 'a'"):
        plotting.curves([1, 2], {"a": [np.nan, np.nan]}, across="x", unit="y")
    with pytest.raises(ValueError, match="among a, got 'b'"):
        plotting.curves([1, 2], {"a": [1, 2]}, across="x", unit="y", bands={"b": np.ones((2, 2))})
    with pytest.raises(ValueError, match=r"expected \(2, 2\) for 'a'"):
        plotting.curves([1, 2], {"a": [1, 2]}, across="x", unit="y", bands={"a": np.ones(2)})


def test_eight_curves_look_different():
    drawn = plotting.curves((0, 1), {str(k): (k, k + 1) for k in range(8)}, across="x", unit="y")
    looks = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in drawn.axes[0].lines}
    assert len(looks) == 8
