"""A map by itself says what it shows, in what unit and from where to where."""

import numpy as np
import pytest

from xraylab import plotting


def test_a_field_tells_its_range_and_unit():
    values = np.linspace(-1, 20, 64 * 64).reshape(64, 64)
    figure = plotting.field(
        values,
        unit="cm of water",
        title="body",
        across="left to right",
        down="rows",
        simulated=True,
    )
    picture, bar = figure.axes
    assert (picture.get_xlabel(), picture.get_ylabel()) == ("left to right", "rows")
    assert figure.alt == "body, simulated: cm of water, from -1 to 20."
    assert bar.get_ylabel() == "cm of water"
    assert [text.get_text() for text in picture.texts] == ["simulated"]
    assert picture.images[0].get_clim() == (-1, 20)
    assert plotting.field(values, unit="cm", limits=(0, 5)).axes[0].images[0].get_clim() == (0, 5)


def test_a_field_of_anything_else_is_refused():
    for values in (np.ones(3), np.array([[1.0, np.nan]])):
        with pytest.raises(ValueError, match="finite numbers"):
            plotting.field(values, unit="cm")
