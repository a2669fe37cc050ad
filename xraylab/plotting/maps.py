"""Maps: a quantity over a film, or by itself, with a colour bar and its unit."""

import numpy as np

from xraylab.plotting.films import film, say_simulated, to_grey
from xraylab.plotting.look import Figure, figure, style


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
    """Return a film under a map of values, with a colour bar; the film stays readable beneath.

    Shapes:
        image: (height, width), uint8 in [0, 255] or float in [0, 1].
        values: (rows, columns), any grid over the same field of view.

    Args:
        image: the film.
        values: the map, e.g. attention over patches.
        unit: what the values are, with their unit; stands beside the colour bar.
        title: short text above the film.
        limits: values at the ends of the colour bar; by default the smallest and the largest.
        boxes: boxes to outline, as for :func:`film`.
        simulated: mark the film as simulated.
        alt: what can be seen; by default where the largest value lies.
    """
    values = np.asarray(values, float)
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    across, down = (column + 0.5) / values.shape[1], (row + 0.5) / values.shape[0]
    alt = alt or (
        f"{title or 'Film'} with a map of {unit} over it, from {np.nanmin(values):.3g} to "
        f"{np.nanmax(values):.3g}; largest at {across:.0%} from the left and {down:.0%} from above."
    )
    drawn, axes = figure(3.4, 2.8, alt=alt)
    film(axes, image, title=title, boxes=boxes, simulated=simulated)
    with style():
        height, width = to_grey(image).shape
        low, high = limits or (np.nanmin(values), np.nanmax(values))
        shown = axes.imshow(
            values,
            vmin=low,
            vmax=high,
            alpha=0.45,
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
    """Return a picture of a quantity, with a colour bar and its unit: a map without a film.

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
