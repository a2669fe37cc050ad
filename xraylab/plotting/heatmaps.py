"""Heatmaps, alone or over an image, with a colorbar and its unit."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_hex

from xraylab.arguments import require
from xraylab.plotting import style
from xraylab.plotting.images import draw_image, mark_simulated, outline_box, to_rgb

OPACITY = 0.45
"""Opacity of a heatmap over an image."""


@style.context()
def heatmap(
    values: np.ndarray,
    *,
    colorbar_label: str,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    simulated: bool = False,
    alt: str = "",
) -> style.Figure:
    """Draw a heatmap of a quantity with a colorbar.

    Shapes:
        values: (height, width), finite.

    Args:
        values: the quantity at each pixel.
        colorbar_label: the quantity and its unit.
        title: short text above the heatmap.
        xlabel: meaning of the columns.
        ylabel: meaning of the rows.
        simulated: mark the heatmap as simulated.
        alt: text alternative; by default the range of the values.

    Raises:
        ValueError: if the values are not a matrix of finite numbers.
    """
    values = _finite_matrix(values)
    limits = f"from {values.min():.3g} to {values.max():.3g}"
    name = f"{title or 'Map'}{', simulated' if simulated else ''}"
    fig, axes = style.figure(3.4, 2.8, alt=alt or f"{name}: {colorbar_label}, {limits}.")
    mesh = axes.imshow(values, interpolation="none")
    axes.set(xticks=[], yticks=[], xlabel=xlabel, ylabel=ylabel)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=8.5)
    if simulated:
        mark_simulated(axes)
    fig.colorbar(mesh, ax=axes, label=colorbar_label, shrink=0.9)
    return fig


@style.context()
def image_with_heatmap(
    image: np.ndarray,
    values: np.ndarray,
    *,
    colorbar_label: str,
    title: str = "",
    limits: tuple[float, float] | None = None,
    alt: str = "",
    **options: Any,
) -> style.Figure:
    """Draw an image under a transparent heatmap with a colorbar.

    Shapes:
        image: (height, width), uint8 in [0, 255] or float in [0, 1].
        values: (rows, columns), a grid over the same field of view.

    Args:
        image: the image.
        values: the heatmap, such as the attention to each patch.
        colorbar_label: the quantity and its unit.
        title: short text above the image.
        limits: values at the ends of the colorbar; by default the minimum and the maximum.
        alt: text alternative; by default the range and the position of the maximum.
        **options: ``boxes`` and ``masks`` of this image and ``simulated``, as in
            :func:`image_grid`.
    """
    values = np.asarray(values, float)
    low, high = np.nanmin(values), np.nanmax(values)
    alt = alt or (
        f"{title or 'Image'} with a heatmap of {colorbar_label}, from {low:.3g} to {high:.3g}; "
        f"maximum at {position_of_maximum(values)}."
    )
    fig, axes = style.figure(3.4, 2.8, alt=alt)
    draw_image(axes, image, title=title, **options)
    opaque = draw_heatmap(axes, values, clim=limits)
    fig.colorbar(opaque, ax=axes, label=colorbar_label, shrink=0.9)
    return fig


def position_of_maximum(values: np.ndarray) -> str:
    """Describe where the maximum is: ``"25% from the left and 50% from the top"``."""
    maximum = np.unravel_index(np.nanargmax(values), values.shape)
    y, x = (np.array(maximum) + 0.5) / values.shape
    return f"{x:.0%} from the left and {y:.0%} from the top"


def draw_heatmap(
    axes: Axes, values: np.ndarray, alpha: float = OPACITY, **options: Any
) -> ScalarMappable:
    """Draw a transparent heatmap over an image; return what its colorbar shows.

    Args:
        axes: axes with the image.
        values: (rows, columns), a grid over the same field of view.
        alpha: opacity.
        **options: of :meth:`matplotlib.axes.Axes.imshow`.
    """
    extent = *axes.get_xlim(), *axes.get_ylim()
    mesh = axes.imshow(values, alpha=alpha, interpolation="none", extent=extent, **options)
    # Opaque, or the colors of the colorbar would depend on the page behind it.
    return ScalarMappable(mesh.norm, mesh.cmap)


def overlay_heatmap(
    image: np.ndarray,
    values: np.ndarray,
    limits: tuple[float, float],
    cell: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """Return an RGB image under a transparent heatmap, for interactive figures.

    This is about a hundred times faster than :func:`image_with_heatmap`, which adds a colorbar.

    Shapes:
        image: (height, width) or (height, width, 3), uint8 in [0, 255] or float in [0, 1].
        values: (rows, columns), finite; a grid over the same field of view.
        returns: (height, width, 3) uint8.

    Args:
        image: the image, or the result of :func:`mark_boundaries`, whose colored pixels are kept.
        values: the heatmap.
        limits: values at the ends of the colormap.
        cell: (row, column, rows, columns), a cell of a grid that is outlined in white.

    Raises:
        ValueError: if the heatmap is not a matrix of finite numbers, or the limits are not
            ascending.
    """
    values, (low, high), image = _finite_matrix(values), limits, to_rgb(image)
    require(low < high, "limits", "two ascending numbers", limits)
    height, width, _ = image.shape
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    colors = matplotlib.colormaps[style.COLORMAP](np.clip((values - low) / (high - low), 0, 1))
    colors = colors[..., :3][np.ix_(rows, columns)]
    overlay = np.rint((1 - OPACITY) * image + 255 * OPACITY * colors).astype(np.uint8)
    colored = image.max(axis=-1) != image.min(axis=-1)
    overlay[colored] = image[colored]
    if cell is not None:
        row, column, num_rows, num_columns = cell
        top, bottom = (round(height * r / num_rows) for r in (row, row + 1))
        left, right = (round(width * c / num_columns) for c in (column, column + 1))
        outline_box(overlay, left, top, right, bottom, 255)
    return overlay


def colormap_colors(count: int) -> list[str]:
    """Return colors from the lowest to the highest value of a heatmap, as ``#rrggbb``."""
    colors = matplotlib.colormaps[style.COLORMAP](np.linspace(0, 1, count))
    return [to_hex(color) for color in colors]


def _finite_matrix(values):
    """Return values as floats; raise a ValueError unless they are a finite matrix."""
    values = np.asarray(values, float)
    finite = np.isfinite(values)
    received = f"shape {values.shape}, {finite.sum()} finite"
    valid = values.ndim == 2 and finite.all()
    require(valid, "values", "(rows, columns) finite numbers", received)
    return values
