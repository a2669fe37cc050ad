"""Curves are labelled at their ends; the text alternative has their first and last values."""

from types import SimpleNamespace

import numpy as np
import pytest

from xraylab import plotting


def test_every_curve_is_labelled_within_the_axes():
    figure = plotting.curves(
        [0, 1, 2],
        {"a": [0, 1, 2.0], "b": [0, 1, 2.0], "c": [1, np.nan, 2.0]},
        xlabel="t, s",
        ylabel="v, m/s",
        bands={"a": np.array([[0, 1], [1, 2], [2, 3]])},
    )
    (axes,) = figure.axes
    assert {line.get_label() for line in axes.lines} and len(axes.lines) == 3
    heights = {text.get_text(): text.xyann[1] for text in axes.texts}
    assert set(heights) == {"a", "b", "c"}
    low, high = axes.get_ylim()
    ordered = sorted(heights.values())
    assert (np.diff(ordered) > 0.07 * (high - low)).all()  # labels do not overlap
    assert ordered[-1] <= high
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("t, s", "v, m/s")
    assert figure.alt == "v, m/s over t, s: a from 0 to 2; b from 0 to 2; c from 1 to 2."


def test_labels_are_apart_on_logarithmic_axes():
    values = {"a": [1, 100.0], "b": [1, 101.0], "c": [1, 1e6]}
    figure = plotting.curves([1, 1000], values, xlabel="n", ylabel="s", log=True, ticks=[1, 1000])
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "1,000"]
    heights = np.log10(sorted(text.xyann[1] for text in axes.texts))
    gap = 0.07 * np.diff(np.log10(axes.get_ylim()))
    assert (np.diff(heights) > gap).all()
    assert "$" not in figure.to_svg()


def test_curves_with_invalid_lengths():
    with pytest.raises(ValueError, match=r"values\['a'\]. Expected: 2 numbers"):
        plotting.curves([0, 1], {"a": [1.0]}, xlabel="t", ylabel="v")
    with pytest.raises(ValueError, match="at least one curve"):
        plotting.curves([0, 1], {}, xlabel="t", ylabel="v")


def test_curves_with_only_nan_and_bands_without_curves():
    with pytest.raises(ValueError, match="not all NaN"):
        plotting.curves([1, 2], {"a": [np.nan, np.nan]}, xlabel="x", ylabel="y")


def test_logarithmic_axes_take_positive_numbers_only():
    for x, values in (([0, 1], [1, 2]), ([1, 2], [0, 1])):
        with pytest.raises(ValueError, match="positive numbers with log=True"):
            plotting.curves(x, {"a": values}, xlabel="x", ylabel="y", log=True)


def test_eight_curves_have_distinct_styles():
    figure = plotting.curves((0, 1), {str(k): (k, k + 1) for k in range(8)}, xlabel="x", ylabel="y")
    styles = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in figure.axes[0].lines}
    assert len(styles) == 8


def test_history_accepts_rows_or_columns_and_undefined_values():
    rows = [
        {"epoch": 1, "loss": 2.0, "val_macro_auc": None, "val_macro_f1": 0.1, "seconds": 1.0},
        {"epoch": 2, "loss": 1.0, "val_macro_auc": 0.6, "val_macro_f1": 0.2, "seconds": 2.0},
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    assert plotting.history(rows).to_svg() == plotting.history(columns).to_svg()
    of_keras = SimpleNamespace(history=columns)
    assert plotting.history(of_keras).to_svg() == plotting.history(columns).to_svg()
    figure = plotting.history(rows)
    assert "loss from 2 to 1" in figure.alt
    assert "validation macro AUC" in figure.alt
    assert "validation macro F1 from 0.1 to 0.2" in figure.alt
    assert "seconds" not in figure.alt
    assert len(figure.axes) == 2


@pytest.mark.parametrize("history", [[], {}, {"epoch": [1, 2]}])
def test_history_without_losses_and_scores(history):
    with pytest.raises(ValueError, match="Expected: a loss or a score"):
        plotting.history(history)
