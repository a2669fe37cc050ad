"""Films: grey, fixed window, their own pixels; boxes and masks as outlines, maps as overlays."""

from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from xraylab.findings import FINDINGS, SHORT_NAMES
from xraylab.findings import title as printed
from xraylab.plotting.look import ACCENT, FINDING_COLOURS, Figure, encode, figure, style


def film(
    axes: Axes,
    image: np.ndarray,
    *,
    title: str = "",
    boxes: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    label_names: Sequence[str] = FINDINGS,
    simulated: bool = False,
) -> None:
    """Draw one film on ``axes``: grey, fixed window, no interpolation, boxes, masks as outlines.

    Shapes:
        image: (height, width) or (height, width, 1); uint8 in [0, 255], or float in [0, 1].
        boxes: structured array with ``finding``, ``x_min``, ``y_min``, ``x_max`` and ``y_max``,
            fractions of width and height from the upper left corner, as in ``split.boxes``.
        masks: (k, height, width) bool, the pixels of each label, as in ``split.masks[i]``.

    Args:
        axes: where to draw.
        image: the film.
        title: short text above the film.
        boxes: the boxes of this film.
        masks: the masks of this film, in the order of ``label_names``.
        label_names: the label names that ``boxes["finding"]`` counts in.
        simulated: mark the film as simulated.

    Raises:
        ValueError: if ``image`` is no film: wrong shape, or values outside the window.
    """
    pixels = _grey(image)
    height, width = pixels.shape
    with style():
        # As colours, not through a colour map, which loses a grey level here and there.
        axes.imshow(np.repeat(pixels[..., None], 3, axis=-1), interpolation="none")
        axes.set(xticks=[], yticks=[], xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        axes.spines[:].set_visible(False)
        if title:
            axes.set_title(title, fontsize=8.5)
        for box in () if boxes is None else boxes:
            _outline(axes, box, width, height, label_names)
        for name, mask in zip(label_names, () if masks is None else masks, strict=False):
            if np.any(mask):
                _trace(axes, mask, FINDING_COLOURS.get(name, ACCENT))
        if simulated:
            _say_simulated(axes)


def films(
    images: np.ndarray,
    *,
    titles: Sequence[str] | None = None,
    boxes: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    label_names: Sequence[str] = FINDINGS,
    simulated: bool = False,
    columns: int = 4,
    alt: str = "",
) -> Figure:
    """Return a grid of films.

    Shapes:
        images: (n, height, width), uint8 in [0, 255] or float in [0, 1].
        boxes: structured array as in ``split.boxes``; ``film`` counts the films in ``images``.
        masks: (n, k, height, width) bool, as in ``split.masks``.

    Args:
        images: the films.
        titles: one short text a film.
        boxes: boxes of all the films.
        masks: masks of all the films, in the order of ``label_names``.
        label_names: the label names that ``boxes["finding"]`` counts in.
        simulated: mark every film as simulated.
        columns: films side by side.
        alt: what can be seen; by default the titles.

    Raises:
        ValueError: if there is no film, or the number of titles is not that of films.
    """
    count = len(images)
    if not count:
        raise ValueError("images: expected at least one film, got none")
    if titles is not None and len(titles) != count:
        raise ValueError(f"titles: expected {count}, one a film, got {len(titles)}")
    columns = min(columns, count)
    rows = -(-count // columns)
    kind = "simulated chest film" if simulated else "chest film"
    named = f": {'; '.join(str(t) for t in titles)}" if titles is not None else ""
    alt = alt or f"{count} {kind}{'s' if count > 1 else ''}{named}."
    side = 4.8 / max(columns, 2)
    lines = max((str(t).count("\n") + 1 for t in titles), default=0) if titles is not None else 0
    drawn, axes = figure(side * columns, (side + 0.16 * lines) * rows, alt=alt, rows=rows,
                         columns=columns)  # fmt: skip
    for number, place in enumerate(np.atleast_1d(axes).flat):
        if number >= count:
            place.set_axis_off()
            continue
        film(
            place,
            images[number],
            title="" if titles is None else str(titles[number]),
            boxes=None if boxes is None else boxes[boxes["film"] == number],
            masks=None if masks is None else masks[number],
            label_names=label_names,
            simulated=simulated,
        )
    return drawn


def heat(
    image: np.ndarray,
    values: np.ndarray,
    *,
    unit: str,
    title: str = "",
    limits: tuple[float, float] | None = None,
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
    film(axes, image, title=title, simulated=simulated)
    with style():
        height, width = _grey(image).shape
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
        limits: values at the ends of the colour bar; by default the smallest and the largest.
        simulated: mark the picture as simulated.
        alt: what can be seen; by default the range of the values.
    """
    values = np.asarray(values, float)
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
        axes.set_title(title, fontsize=8.5)
        if simulated:
            _say_simulated(axes)
        drawn.colorbar(shown, ax=axes, label=unit, shrink=0.9)
    return drawn


def _say_simulated(axes: Axes) -> None:
    """Mark what is drawn on ``axes`` as simulated."""
    axes.text(
        *(0.03, 0.03, "simulated"),
        transform=axes.transAxes,
        fontsize=6.5,
        color="white",
        bbox={"boxstyle": "square,pad=0.25", "facecolor": "black", "edgecolor": "none"},
    )


def _trace(axes: Axes, mask: np.ndarray, colour: str) -> None:
    """Draw the outline of a mask, also along the film's edge."""
    height, width = mask.shape
    framed = np.pad(np.asarray(mask, float), 1)
    rim = [patheffects.Stroke(linewidth=2, foreground="white"), patheffects.Normal()]
    axes.contour(
        np.clip(np.arange(-1, width + 1), -0.5, width - 0.5),
        np.clip(np.arange(-1, height + 1), -0.5, height - 0.5),
        framed,
        levels=[0.5],
        colors=[colour],
        linewidths=1,
        path_effects=rim,
    )


def _grey(image: np.ndarray) -> np.ndarray:
    """Return a film as (height, width) uint8."""
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim != 2:
        raise ValueError(
            f"image: expected (height, width) or (height, width, 1), got {image.shape}"
        )
    if image.dtype == np.uint8:
        return image
    # The window is fixed, never stretched to the film: two films in one figure must be comparable.
    if not (np.isfinite(image).all() and image.min() >= -1e-3 and image.max() <= 1 + 1e-3):
        raise ValueError(
            f"image: expected uint8 or values in [0, 1], got {image.dtype} from {image.min():.3g} "
            f"to {image.max():.3g}; scale or clip it first"
        )
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _outline(axes: Axes, box, width: int, height: int, label_names: Sequence[str]) -> None:
    """Draw one box as an outline with its finding's short name."""
    finding = label_names[int(box["finding"])]
    colour = FINDING_COLOURS.get(finding, ACCENT)
    left, top = float(box["x_min"]) * width - 0.5, float(box["y_min"]) * height - 0.5
    right, bottom = float(box["x_max"]) * width - 0.5, float(box["y_max"]) * height - 0.5
    # A light rim under the line: the outline is seen on black lung and on white bone alike.
    rim = [patheffects.Stroke(linewidth=3, foreground="white"), patheffects.Normal()]
    axes.add_patch(
        Rectangle(
            (left, top),
            right - left,
            bottom - top,
            fill=False,
            edgecolor=colour,
            linewidth=1.5,
            path_effects=rim,
        )
    )
    above = top > 0.12 * height
    axes.text(
        left,
        top if above else bottom,
        SHORT_NAMES.get(finding, printed(finding)),
        fontsize=7,
        fontweight="bold",
        color=colour,
        verticalalignment="bottom" if above else "top",
        path_effects=[patheffects.Stroke(linewidth=2, foreground="white"), patheffects.Normal()],
    )


def data_uri(image: np.ndarray) -> str:
    """Return a film with its own pixels as a ``data:`` address, for a page that loads nothing.

    Shapes:
        image: (height, width) or (height, width, 1) grey, or (height, width, 3) colour;
            uint8 in [0, 255], or float in [0, 1].
    """
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] == 3:
        return encode(np.stack([_grey(image[..., channel]) for channel in range(3)], axis=-1))
    return encode(_grey(image))
