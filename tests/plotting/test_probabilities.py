"""Reliability curves and thresholds: every panel and every count is there."""

from types import SimpleNamespace

import numpy as np
import pytest

from xraylab import plotting

CURVE = SimpleNamespace(
    mean_predicted=[0.1, 0.6], observed_frequency=[0.2, 0.5], low=[0.1, 0.4], high=[0.3, 0.7]
)


def test_every_curve_has_a_panel_and_is_told():
    figure = plotting.reliability({"edema": CURVE, "mass": CURVE, "ours": CURVE}, title="Three")
    assert [axes.get_title() for axes in figure.axes if axes.axison] == ["Edema", "Mass", "ours"]
    assert "Edema, last bin: predicted 0.6, observed 0.5" in figure.alt
    low, high = figure.axes[0].get_xlim()
    assert (low, high) == figure.axes[0].get_ylim()
    assert high > 0.7
    assert plotting.reliability({"a": CURVE}, limit=1.0).axes[0].get_xlim() == (0, 1)


def test_no_curve_and_no_bin_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        plotting.reliability({})
    with pytest.raises(ValueError, match="at least one bin of 'a'"):
        plotting.reliability({"a": SimpleNamespace(mean_predicted=[])})


def test_a_threshold_counts_as_operating_points_do():
    truth, said = np.array([1, 1, 0, 0, 0]), np.array([0.5, 0.9, 0.1, 0.6, 0.5])
    figure = plotting.threshold(truth, said, 0.5, title="Five")
    assert "With the finding: 1 called, 1 missed. Without it: 1 called, 2 not" in figure.alt
    drawn = sum(patch.get_data().values.sum() for axes in figure.axes for patch in axes.patches)
    assert drawn == len(truth)


@pytest.mark.parametrize(
    ("truth", "said", "at"), [([1], [0.5, 0.5], 0.5), ([], [], 0.5), ([1], [0.5], 0.0)]
)
def test_what_cannot_be_drawn_is_refused(truth, said, at):
    with pytest.raises(ValueError, match="expected"):
        plotting.threshold(truth, said, at)
