"""Scores over costs: every point is there, and the front is the one that nobody beats."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from xraylab.plotting import pareto_front, trade_off

POINTS = {"small": (1.0, 0.7), "dear": (100.0, 0.69), "large": (50.0, 0.75), "equal": (1.0, 0.6)}


def test_the_front_is_what_no_other_point_beats():
    rng = np.random.default_rng(0)
    for _ in range(50):
        points = {str(k): tuple(rng.integers(1, 6, 2).astype(float)) for k in range(6)}
        front = pareto_front(points)
        for name, (cost, score) in points.items():
            beaten = any(
                c <= cost and s >= score and (c < cost or s > score) for c, s in points.values()
            )
            assert beaten <= (name not in front)
        # Of equal points one is enough.
        assert {points[name] for name in front} == {
            p for p in points.values()
            if not any(c <= p[0] and s >= p[1] and (c, s) != p for c, s in points.values())
        }  # fmt: skip


def test_every_point_is_named_and_no_two_names_overlap():
    drawn = trade_off(POINTS, across="multiply-adds", unit="AUC", intervals={"large": (0.7, 0.8)})
    for name in POINTS:
        assert name in drawn.alt
    assert drawn.alt.endswith("On the front: small, large.")
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in drawn.axes[0].texts]
    assert len(boxes) == len(POINTS)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


@pytest.mark.parametrize(
    ("points", "intervals", "message"),
    [
        ({}, None, "at least one"),
        ({"a": (0.0, 0.5)}, None, "a cost above 0 and a finite score of 'a'"),
        ({"a": (1.0, float("nan"))}, None, "finite score of 'a'"),
        ({"a": (1.0, 0.5)}, {"b": (0, 1)}, "'b' has no point"),
        ({"a": (1.0, 0.5)}, {"a": (None, None)}, "two finite ends of 'a'"),
    ],
)
def test_what_cannot_be_drawn(points, intervals, message):
    with pytest.raises(ValueError, match=message):
        trade_off(points, across="x", unit="y", intervals=intervals)
