"""Scores over costs: labels and the Pareto front."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from xraylab.evaluation import Interval
from xraylab.plotting import trade_off
from xraylab.plotting.charts import pareto_front

POINTS = {"small": (1.0, 0.7), "costly": (100.0, 0.69), "large": (50.0, 0.75), "equal": (1.0, 0.6)}


def test_pareto_front_contains_the_points_that_are_not_dominated():
    rng = np.random.default_rng(0)
    for _ in range(50):
        points = {str(k): tuple(rng.integers(1, 6, 2).astype(float)) for k in range(6)}
        front = pareto_front(points)
        for name, (cost, score) in points.items():
            dominated = any(
                c <= cost and s >= score and (c < cost or s > score) for c, s in points.values()
            )
            assert dominated <= (name not in front)
        # One of several equal points is enough.
        assert {points[name] for name in front} == {
            p for p in points.values()
            if not any(c <= p[0] and s >= p[1] and (c, s) != p for c, s in points.values())
        }  # fmt: skip


def test_labels_do_not_overlap():
    points = POINTS | {"large": (50.0, Interval(0.75, 0.7, 0.8))}
    figure = trade_off(points, xlabel="multiply-adds", ylabel="AUC")
    for name in POINTS:
        assert name in figure.alt
    assert figure.alt.endswith("Pareto front: small, large.")
    assert [0.7, 0.8] in [list(line.get_ydata()) for line in figure.axes[0].lines]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert len(boxes) == len(POINTS)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


@pytest.mark.parametrize(
    "points", [{}, {"a": (0.0, 0.5)}, {"a": (1.0, float("nan"))}, {"a": (np.inf, 0.5)}]
)
def test_invalid_points(points):
    with pytest.raises(ValueError, match="positive costs and finite scores"):
        trade_off(points, xlabel="x", ylabel="y")
