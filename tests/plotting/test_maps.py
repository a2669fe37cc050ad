"""A map by itself says what it shows, in what unit and from where to where."""

import matplotlib
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


def test_tinted_images_show_image_and_map():
    """By hand: 55 % of the grey, 45 % of the colour of the cell that lies over it."""
    image = np.array([[0, 100], [200, 255]], np.uint8).repeat(4, 0).repeat(4, 1)
    found = plotting.tinted(image, [[0.0, 1.0], [2.0, 4.0]], (0, 2))
    low, high = (np.array(matplotlib.colormaps[plotting.HEAT_MAP](v)[:3]) for v in (0.0, 1.0))
    assert found[0, 0].tolist() == np.rint(0.45 * 255 * low).tolist()
    for place, grey in (((4, 0), 200), ((7, 7), 255)):  # at the limit, and above it
        assert found[place].tolist() == np.rint(0.55 * grey + 0.45 * 255 * high).tolist()
    outlined = image[..., None].repeat(3, axis=-1)
    outlined[2, 3] = (255, 0, 9)
    again = plotting.tinted(outlined, [[0.0, 1.0], [2.0, 4.0]], (0, 2))
    assert again[2, 3].tolist() == [255, 0, 9]
    assert (again != found).any(axis=-1).sum() == 1
    same = plotting.tinted(image, np.zeros((2, 2)), (0, 1))
    marked = plotting.tinted(image, np.zeros((2, 2)), (0, 1), mark=(1, 0, 2, 2))
    changed = (marked != same).any(axis=-1)
    assert changed[4:, :4].sum() == 12  # the rim of the lower left quarter
    assert changed.sum() == 12
    with pytest.raises(ValueError, match="a cell of 2 × 2"):
        plotting.tinted(image, np.zeros((2, 2)), (0, 1), mark=(2, 0, 2, 2))


@pytest.mark.parametrize(
    ("values", "limits"),
    [([1.0], (0, 1)), ([[np.nan]], (0, 1)), ([[1.0]], (1, 1)), ([[1.0]], (2, 1))],
)
def test_maps_that_cannot_tint(values, limits):
    with pytest.raises(ValueError, match=r"expected \(rows, columns\) finite numbers"):
        plotting.tinted(np.zeros((4, 4), np.uint8), values, limits)
