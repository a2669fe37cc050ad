"""ROC and reliability curves, thresholds: panels, counts and text alternatives."""

from types import SimpleNamespace

import numpy as np
import pytest

from xraylab import plotting

CURVE = SimpleNamespace(
    mean_predicted=[0.1, 0.6], observed_frequency=[0.2, 0.5], low=[0.1, 0.4], high=[0.3, 0.7]
)


def test_roc_curves_name_areas_and_thresholds():
    curves = {"edema": ([0, 0, 1], [0, 0.5, 1])}
    figure = plotting.roc_curves(curves, thresholds=[np.inf, 0.9, 0.25], title="One")
    assert figure.alt == "One. ROC curves: Edema, area 0.750."
    (axes,) = figure.axes
    assert [(text.get_text(), *text.xy) for text in axes.texts] == [("0.9", 0, 0.5), ("0.25", 1, 1)]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["chance level", "Edema"]
    with pytest.raises(ValueError, match="at least one curve"):
        plotting.roc_curves({})
    with pytest.raises(ValueError, match="one for each point of a single curve"):
        plotting.roc_curves(curves, thresholds=[0.9, 0.25])
    with pytest.raises(
        ValueError, match=r"curves\. .*labels and scores\. .*sklearn.metrics.roc_curve"
    ):
        plotting.roc_curves([0, 1], [0.1, 0.9])


def test_every_curve_has_a_panel_and_a_description():
    figure = plotting.reliability({"edema": CURVE, "mass": CURVE, "ours": CURVE}, title="Three")
    assert [axes.get_title() for axes in figure.axes if axes.axison] == ["Edema", "Mass", "ours"]
    assert "Edema, highest bin: predicted 0.6, observed 0.5" in figure.alt
    low, high = figure.axes[0].get_xlim()
    assert (low, high) == figure.axes[0].get_ylim()
    assert high > 0.7
    assert plotting.reliability({"a": CURVE}, limit=1.0).axes[0].get_xlim() == (0, 1)


def test_a_theory_is_drawn_in_each_panel():
    theory = np.array([0.0, 1.0]), np.array([0.0, 0.5])
    figure = plotting.reliability({"edema": CURVE, "mass": CURVE}, reference=theory)
    for axes in figure.axes:
        assert any(np.array_equal(line.get_ydata(), theory[1]) for line in axes.lines)


def test_reliability_without_curves():
    with pytest.raises(ValueError, match="at least one curve"):
        plotting.reliability({})


def test_threshold_counts():
    labels, probabilities = np.array([1, 1, 0, 0, 0]), np.array([0.5, 0.9, 0.1, 0.6, 0.5])
    figure = plotting.threshold_histogram(labels, probabilities, 0.5, title="Five")
    assert figure.alt.startswith(
        "Five. Threshold 0.5; with the finding: 1 above the threshold, 1 not"
    )
    assert "; without the finding: 1 above the threshold, 2 not" in figure.alt
    drawn = sum(patch.get_data().values.sum() for axes in figure.axes for patch in axes.patches)
    assert drawn == len(labels)


def test_nan_labels_are_ignored():
    known = plotting.threshold_histogram([1, 0], [0.9, 0.1], 0.5)
    partly = plotting.threshold_histogram([1, np.nan, 0], [0.9, 0.7, 0.1], 0.5)
    assert partly.to_svg() == known.to_svg()


@pytest.mark.parametrize(
    ("labels", "probabilities", "threshold"),
    [([], [], 0.5), ([np.nan], [0.5], 0.5), ([1], [0.5], 0.0)],
)
def test_invalid_thresholds_and_labels(labels, probabilities, threshold):
    with pytest.raises(ValueError, match="Expected"):
        plotting.threshold_histogram(labels, probabilities, threshold)
