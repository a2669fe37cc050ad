"""Charts show the given values, in the figure and in its text alternative."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from xraylab import plotting
from xraylab.evaluation import Interval


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_bar_chart_labels_every_value_in_order():
    values = np.arange(14.0) * 1000
    values[3] = np.nan
    figure = plotting.bar_chart(values, xlabel="images", title="Train")
    assert texts(figure)[:4] == ["0", "1,000", "2,000", "undefined"]
    assert figure.alt.startswith("Train. Bars, images: Atelectasis 0, Cardiomegaly 1,000")
    assert figure.axes[0].get_yticklabels()[-2].get_text() == "Pleural thickening"
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]


def test_bar_chart_with_invalid_values():
    with pytest.raises(ValueError, match="Expected: 14 values"):
        plotting.bar_chart([1, 2], xlabel="images")


def test_score_plot_shows_intervals_baselines_and_undefined_scores():
    scores = np.linspace(0.6, 0.9, 14)
    scores[-1] = np.nan
    intervals = np.stack([scores - 0.1, scores + 0.1], axis=1)
    baseline = np.linspace(0.1, 0.5, 14)
    figure = plotting.score_plot(scores, intervals=intervals, baseline=baseline)
    assert {"undefined", "baseline"} <= set(texts(figure))
    assert "0.60" in texts(figure)
    assert "Hernia undefined" in figure.alt
    low, high = figure.axes[0].get_xlim()
    assert low < 0.1
    assert high > 1.0 - 0.05
    assert figure.to_svg()


def test_score_below_its_baseline_is_labelled_beyond_the_baseline():
    figure = plotting.score_plot([0.3, 0.7], names=["below", "above"])
    positions = {text.get_text(): text.xy[0] for text in figure.axes[0].texts}
    assert positions["0.30"] == 0.5
    assert positions["0.70"] == 0.7


def test_scores_bring_their_own_intervals():
    scores = np.linspace(0.6, 0.9, 14)
    bounds = np.stack([scores - 0.1, scores + 0.05], axis=1)
    objects = [Interval(*row) for row in np.column_stack([scores, bounds])]
    figure = plotting.score_plot(objects)
    assert figure.to_svg() == plotting.score_plot(scores, intervals=bounds).to_svg()


def test_baseline_label_is_visible_above_the_axes():
    figure = plotting.score_plot(np.full(14, 0.8), title="Scores")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (axes,) = figure.axes
    extents = {
        text.get_text(): text.get_window_extent(canvas.get_renderer()) for text in axes.texts
    }
    label = extents["baseline"]
    assert label.y0 >= axes.bbox.y1 - 1
    assert not label.overlaps(axes._left_title.get_window_extent(canvas.get_renderer()))
    drawn = np.asarray(canvas.buffer_rgba())[::-1]
    pixels = drawn[int(label.y0) : int(label.y1), int(label.x0) : int(label.x1), :3]
    assert pixels.min() < 128  # it is not clipped


def test_the_label_of_narrow_axes_is_not_cut_off():
    names = ["efficientvit_m0_mxa: box of stage 0 block 0", "b"]
    figure = plotting.score_plot([0.1, 0.2], names=names, xlabel="pointing game, gain (SIMULATED)")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    label = figure.axes[0].xaxis.label.get_window_extent(canvas.get_renderer())
    assert 0 <= label.x0 < label.x1 <= figure.bbox.width


def test_score_plot_with_invalid_intervals():
    with pytest.raises(ValueError, match=r"\(14, 2\)"):
        plotting.score_plot(np.ones(14), intervals=np.ones((2, 14)))


def test_matrix_names():
    figure = plotting.matrix(np.eye(2), names=["a", "b"], colorbar_label="fraction", alt="Identity")
    assert texts(figure) == ["1", "0", "0", "1"]
    with pytest.raises(ValueError, match=r"\(14, 14\)"):
        plotting.matrix(np.eye(2), colorbar_label="fraction", alt="Identity")
