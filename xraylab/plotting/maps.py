"""Maps: a quantity over an image, or by itself, with a colour bar and its unit."""

import matplotlib
import numpy as np

from xraylab.plotting.images import draw_image, say_simulated, to_grey
from xraylab.plotting.look import HEAT_MAP, Figure, figure, style

MAP_OPACITY = 0.45
"""How far a map covers the image beneath it."""


def heat(
    image: np.ndarray,
    values: np.ndarray,
    *,
    unit: str,
    title: str = "",
    limits: tuple[float, float] | None = None,
    boxes: np.ndarray | None = None,
    simulated: bool = False,
    alt: str = "",
) -> Figure:
    """Return an image under a map of values, with a colour bar; the image stays readable beneath.

    Shapes:
        image: (height, width), uint8 in [0, 255] or float in [0, 1].
        values: (rows, columns), any grid over the same field of view.

    Args:
        image: the image.
        values: the map, e.g. attention over patches.
        unit: what the values are, with their unit; stands beside the colour bar.
        title: short text above the image.
        limits: values at the ends of the colour bar; by default the smallest and the largest.
        boxes: boxes to outline, as for :func:`draw_image`.
        simulated: mark the image as simulated.
        alt: what can be seen; by default where the largest value lies.
    """
    values = np.asarray(values, float)
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    across, down = (column + 0.5) / values.shape[1], (row + 0.5) / values.shape[0]
    alt = alt or (
        f"{title or 'Image'} with a map of {unit} over it, from {np.nanmin(values):.3g} to "
        f"{np.nanmax(values):.3g}; largest at {across:.0%} from the left and {down:.0%} from above."
    )
    drawn, axes = figure(3.4, 2.8, alt=alt)
    draw_image(axes, image, title=title, boxes=boxes, simulated=simulated)
    with style():
        height, width = to_grey(image).shape
        low, high = limits or (np.nanmin(values), np.nanmax(values))
        shown = axes.imshow(
            values,
            vmin=low,
            vmax=high,
            alpha=MAP_OPACITY,
            interpolation="none",
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        )
        bar = drawn.colorbar(shown, ax=axes, label=unit, shrink=0.9)
        bar.solids.set_alpha(1)  # or its colours would change with the page behind it
    return drawn


def field(
    values: np.ndarray,
    *,
    unit: str,
    title: str = "",
    across: str = "",
    down: str = "",
    limits: tuple[float, float] | None = None,
    simulated: bool = False,
    alt: str = "",
) -> Figure:
    """Return a picture of a quantity, with a colour bar and its unit: a map without an image.

    Shapes:
        values: (height, width), finite.

    Args:
        values: the quantity, pixel by pixel.
        unit: what it is, with its unit; stands beside the colour bar.
        title: short text above the picture.
        across: what the columns are; stands below the picture.
        down: what the rows are; stands beside it.
        limits: values at the ends of the colour bar; by default the smallest and the largest.
        simulated: mark the picture as simulated.
        alt: what can be seen; by default the range of the values.

    Raises:
        ValueError: if the values are no (height, width) of finite numbers.
    """
    values = np.asarray(values, float)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(
            f"values: expected (height, width) finite numbers, got {values.shape}"
            f"{'' if np.isfinite(values).all() else ' with others among them'}"
        )
    low, high = limits or (values.min(), values.max())
    alt = alt or (
        f"{title or 'Map'}{', simulated' if simulated else ''}: {unit}, from {values.min():.3g} to "
        f"{values.max():.3g}."
    )
    drawn, axes = figure(3.4, 2.8, alt=alt)
    with style():
        shown = axes.imshow(values, vmin=low, vmax=high, interpolation="none")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set(xlabel=across, ylabel=down)
        axes.set_title(title, fontsize=8.5)
        if simulated:
            say_simulated(axes)
        drawn.colorbar(shown, ax=axes, label=unit, shrink=0.9)
    return drawn


def tinted(
    image: np.ndarray, values: np.ndarray, limits: tuple[float, float], mark=None
) -> np.ndarray:
    """Return an image in the colours of a map over it, for the frames of a probe.

    :func:`heat` draws the same as a figure with a colour bar; this takes a hundredth of the time.

    Shapes:
        image: (height, width), uint8 in [0, 255] or float in [0, 1]; or (height, width, 3) uint8.
        values: (rows, columns), finite; a grid over the same field of view.
        returns: (height, width, 3) uint8.

    Args:
        image: the image, or what :func:`outlined` makes of it: what is coloured stays as it is.
        values: the map.
        limits: values at the ends of the colours.
        mark: (row, column) of a cell of another grid and its (rows, columns), to be outlined in
            white: ``(2, 3, 8, 8)``.

    Raises:
        ValueError: if the map is no grid of finite numbers, the limits are not in order, or the
            mark lies outside of its grid.
    """
    values, (low, high), image = np.asarray(values, float), limits, np.asarray(image)
    if values.ndim != 2 or not np.isfinite(values).all() or not low < high:
        raise ValueError(
            f"values: expected (rows, columns) finite numbers and limits in order, got "
            f"{values.shape} and {limits}"
        )
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
        image = np.repeat(to_grey(image)[..., None], 3, axis=-1)
    height, width, _ = image.shape
    colours = matplotlib.colormaps[HEAT_MAP]
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    cover = colours(np.clip((values - low) / (high - low), 0, 1))[..., :3][np.ix_(rows, columns)]
    shown = np.uint8(np.rint((1 - MAP_OPACITY) * image + 255 * MAP_OPACITY * cover))
    coloured = image.max(axis=-1) != image.min(axis=-1)
    shown[coloured] = image[coloured]
    if mark is not None:
        row, column, down, across = mark
        if not (0 <= row < down and 0 <= column < across):
            raise ValueError(f"mark: expected a cell of {down} × {across}, got {row}, {column}")
        top, bottom = (round(height * r / down) for r in (row, row + 1))
        left, right = (round(width * c / across) for c in (column, column + 1))
        inner = shown[top + 1 : bottom - 1, left + 1 : right - 1].copy()
        shown[top:bottom, left:right] = 255
        shown[top + 1 : bottom - 1, left + 1 : right - 1] = inner
    return shown


def map_colours(count: int) -> list[str]:
    """Return colours from the lowest to the highest value of a map, as ``#rrggbb``."""
    colours = matplotlib.colormaps[HEAT_MAP]
    return [matplotlib.colors.to_hex(colours(place)) for place in np.linspace(0, 1, count)]
