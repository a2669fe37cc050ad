"""Images: grey, fixed window, their own pixels; boxes and masks as outlines."""

from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from xraylab.findings import FINDINGS, SHORT_NAMES
from xraylab.findings import title as printed
from xraylab.plotting.look import ACCENT, FINDING_COLOURS, Figure, encode, figure, style


def draw_image(
    axes: Axes,
    image: np.ndarray,
    *,
    title: str = "",
    boxes: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    label_names: Sequence[str] = FINDINGS,
    simulated: bool = False,
) -> None:
    """Draw one image on ``axes``: grey, fixed window, no interpolation, boxes, masks as outlines.

    Shapes:
        image: (height, width) or (height, width, 1); uint8 in [0, 255], or float in [0, 1].
        boxes: structured array with ``finding``, ``x_min``, ``y_min``, ``x_max`` and ``y_max``,
            fractions of width and height from the upper left corner, as in ``split.boxes``.
        masks: (k, height, width) bool, the pixels of each label, as in ``split.masks[i]``.

    Args:
        axes: where to draw.
        image: the image.
        title: short text above the image.
        boxes: the boxes of this image.
        masks: the masks of this image, in the order of ``label_names``.
        label_names: the label names that ``boxes["finding"]`` counts in.
        simulated: mark the image as simulated.

    Raises:
        ValueError: if ``image`` is no image: wrong shape, or values outside the window.
    """
    pixels = to_grey(image)
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
            say_simulated(axes)


def image_grid(
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
    """Return a grid of images.

    Shapes:
        images: (n, height, width), uint8 in [0, 255] or float in [0, 1].
        boxes: structured array as in ``split.boxes``; ``image`` counts the images in ``images``.
        masks: (n, k, height, width) bool, as in ``split.masks``.

    Args:
        images: the images.
        titles: one short text an image.
        boxes: boxes of all the images.
        masks: masks of all the images, in the order of ``label_names``.
        label_names: the label names that ``boxes["finding"]`` counts in.
        simulated: mark every image as simulated.
        columns: images side by side.
        alt: what can be seen; by default the titles.

    Raises:
        ValueError: if there is no image, or the number of titles is not that of images.
    """
    count = len(images)
    if not count:
        raise ValueError("images: expected at least one image, got none")
    if titles is not None and len(titles) != count:
        raise ValueError(f"titles: expected {count}, one an image, got {len(titles)}")
    columns = min(columns, count)
    rows = -(-count // columns)
    kind = "simulated chest X-ray" if simulated else "chest X-ray"
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
        draw_image(
            place,
            images[number],
            title="" if titles is None else str(titles[number]),
            boxes=None if boxes is None else boxes[boxes["image"] == number],
            masks=None if masks is None else masks[number],
            label_names=label_names,
            simulated=simulated,
        )
    return drawn


def outlined(image: np.ndarray, mask: np.ndarray, box=None, *, finding: str) -> np.ndarray:
    """Return an image in colour, with the outline of a mask and a box, for the frames of a probe.

    Shapes:
        image: (height, width) as for :func:`draw_image`; mask: (height, width) bool.
        returns: (height, width, 3) uint8.

    Args:
        image: the image.
        mask: the pixels of the finding.
        box: its box, an element of an array such as ``split.boxes``, or None.
        finding: the finding, whose colour is taken.
    """
    drawn = np.repeat(to_grey(image)[..., None], 3, axis=-1)
    height, width = mask.shape
    around = np.pad(np.asarray(mask, bool), 1)
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    line = mask & ~inner
    if box is not None:
        sides = zip((box["x_min"], box["x_max"], box["y_min"], box["y_max"]),
                    (width, width, height, height), strict=True)  # fmt: skip
        left, right, top, bottom = (round(float(part) * whole) for part, whole in sides)
        line[top:bottom, [left, right - 1]] = True
        line[[top, bottom - 1], left:right] = True
    colour = FINDING_COLOURS.get(finding, ACCENT)
    drawn[line] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return drawn


def say_simulated(axes: Axes) -> None:
    """Mark what is drawn on ``axes`` as simulated."""
    axes.text(
        *(0.03, 0.03, "simulated"),
        transform=axes.transAxes,
        fontsize=6.5,
        color="white",
        bbox={"boxstyle": "square,pad=0.25", "facecolor": "black", "edgecolor": "none"},
    )


def _trace(axes: Axes, mask: np.ndarray, colour: str) -> None:
    """Draw the outline of a mask, also along the image's edge."""
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


def to_grey(image: np.ndarray) -> np.ndarray:
    """Return an image as (height, width) uint8."""
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim != 2:
        raise ValueError(
            f"image: expected (height, width) or (height, width, 1), got {image.shape}"
        )
    if image.dtype == np.uint8:
        return image
    # The window is fixed, never stretched to the image: two images in one figure must be comparable.
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
    """Return an image with its own pixels as a ``data:`` address, for a page that loads nothing.

    Shapes:
        image: (height, width) or (height, width, 1) grey, or (height, width, 3) colour;
            uint8 in [0, 255], or float in [0, 1].
    """
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] == 3:
        return encode(np.stack([to_grey(image[..., channel]) for channel in range(3)], axis=-1))
    return encode(to_grey(image))
