"""Heatmaps have a unit, a range and a text alternative; overlays blend image and colors."""

import matplotlib
import numpy as np
import pytest

from xraylab import plotting


def test_heatmap_describes_its_range_and_unit():
    values = np.linspace(-1, 20, 64 * 64).reshape(64, 64)
    figure = plotting.heatmap(
        values,
        colorbar_label="cm of water",
        title="body",
        xlabel="left to right",
        ylabel="rows",
        simulated=True,
    )
    axes, colorbar = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("left to right", "rows")
    assert figure.alt == "body, simulated: cm of water, from -1 to 20."
    assert colorbar.get_ylabel() == "cm of water"
    assert [text.get_text() for text in axes.texts] == ["simulated"]
    assert axes.images[0].get_clim() == (-1, 20)


def test_heatmap_with_invalid_values():
    for values in (np.ones(3), np.array([[1.0, np.nan]])):
        with pytest.raises(ValueError, match="finite numbers"):
            plotting.heatmap(values, colorbar_label="cm")


def test_overlay_blends_image_and_heatmap():
    """By hand: 55 % of the grey level and 45 % of the color of the cell."""
    image = np.array([[0, 100], [200, 255]], np.uint8).repeat(4, 0).repeat(4, 1)
    found = plotting.overlay_heatmap(image, [[0.0, 1.0], [2.0, 4.0]], (0, 2))
    low, high = (np.array(matplotlib.colormaps[plotting.COLORMAP](v)[:3]) for v in (0.0, 1.0))
    assert found[0, 0].tolist() == np.rint(0.45 * 255 * low).tolist()
    for position, grey in (((4, 0), 200), ((7, 7), 255)):  # at the limit, and above it
        assert found[position].tolist() == np.rint(0.55 * grey + 0.45 * 255 * high).tolist()
    marked_image = image[..., None].repeat(3, axis=-1)
    marked_image[2, 3] = (255, 0, 9)
    again = plotting.overlay_heatmap(marked_image, [[0.0, 1.0], [2.0, 4.0]], (0, 2))
    assert again[2, 3].tolist() == [255, 0, 9]
    assert (again != found).any(axis=-1).sum() == 1
    same = plotting.overlay_heatmap(image, np.zeros((2, 2)), (0, 1))
    marked = plotting.overlay_heatmap(image, np.zeros((2, 2)), (0, 1), cell=(1, 0, 2, 2))
    changed = (marked != same).any(axis=-1)
    assert changed[4:, :4].sum() == 12  # the rim of the lower left quarter
    assert changed.sum() == 12


@pytest.mark.parametrize(
    ("values", "limits"),
    [([1.0], (0, 1)), ([[np.nan]], (0, 1)), ([[1.0]], (1, 1)), ([[1.0]], (2, 1))],
)
def test_overlay_with_invalid_heatmap(values, limits):
    with pytest.raises(ValueError, match=r"\(rows, columns\) finite numbers|two ascending numbers"):
        plotting.overlay_heatmap(np.zeros((4, 4), np.uint8), values, limits)
