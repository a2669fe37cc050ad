"""Charts tell the values they are given, in their picture and in their text."""

import numpy as np
import pytest

from xraylab import plotting
from xraylab.findings import FINDINGS


def _texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_bars_write_every_value_in_the_order_of_the_findings():
    values = np.arange(14.0) * 1000
    values[3] = np.nan
    figure = plotting.bars(values, unit="images", title="Train")
    assert _texts(figure)[:4] == ["0", "1,000", "2,000", "undefined"]
    assert figure.alt.startswith("Train. Bars, images: Atelectasis 0, Cardiomegaly 1,000")
    assert figure.axes[0].get_yticklabels()[-2].get_text() == "Pleural thickening"
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]


def test_bars_refuse_what_has_no_length():
    with pytest.raises(ValueError, match="expected 14"):
        plotting.bars([1, 2], unit="images")
    with pytest.raises(ValueError, match="zero or more"):
        plotting.bars([-1, 2], unit="images", names=["a", "b"])


def test_scores_show_intervals_floors_and_the_undefined():
    scores = np.linspace(0.6, 0.9, 14)
    scores[-1] = np.nan
    intervals = np.stack([scores - 0.1, scores + 0.1], axis=1)
    figure = plotting.score_bars(scores, intervals=intervals, floor=np.linspace(0.1, 0.5, 14))
    assert "undefined" in _texts(figure)
    assert "0.60" in _texts(figure)
    assert "Hernia undefined" in figure.alt
    low, high = figure.axes[0].get_xlim()
    assert low < 0.1
    assert high > 1.0 - 0.05
    assert figure.to_svg()


def test_scores_refuse_intervals_of_another_shape():
    with pytest.raises(ValueError, match=r"\(14, 2\)"):
        plotting.score_bars(np.ones(14), intervals=np.ones((2, 14)))


def test_a_matrix_takes_its_own_names_and_needs_them_all():
    figure = plotting.matrix(np.eye(2), names=["one", "two"], unit="share", alt="Identity")
    assert _texts(figure) == ["1", "0", "0", "1"]
    with pytest.raises(ValueError, match=r"\(14, 14\)"):
        plotting.matrix(np.eye(2), unit="share", alt="Identity")
    assert len(FINDINGS) == 14


def test_history_takes_rows_or_columns_and_survives_the_undefined():
    rows = [
        {"epoch": 1, "loss": 2.0, "val_macro_auc": None, "seconds": 1.0},
        {"epoch": 2, "loss": 1.0, "val_macro_auc": 0.6, "seconds": 2.0},
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    assert plotting.history(rows).to_svg() == plotting.history(columns).to_svg()
    figure = plotting.history(rows)
    assert "loss from 2 to 1" in figure.alt
    assert "validation macro AUC" in figure.alt
    assert "seconds" not in figure.alt
    assert len(figure.axes) == 2


@pytest.mark.parametrize("course", [[], {}, {"epoch": [1, 2]}])
def test_history_needs_something_to_draw(course):
    with pytest.raises(ValueError, match="no loss and no score"):
        plotting.history(course)
