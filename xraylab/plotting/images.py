"""Images in greyscale with a fixed window and their own pixels; boxes and masks as outlines."""

from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from scipy.ndimage import binary_erosion

from xraylab.arguments import invalid_argument, require
from xraylab.findings import FINDINGS
from xraylab.plotting import style


@style.context()
def draw_image(
    axes: Axes,
    image: np.ndarray,
    *,
    title: str = "",
    boxes: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    simulated: bool = False,
) -> None:
    """Draw an image in greyscale with a fixed window and no interpolation.

    Shapes:
        image: (height, width), (height, width, 1) or (height, width, 3); uint8 in [0, 255], or
            float in [0, 1].
        boxes: structured array with ``finding``, ``x_min``, ``y_min``, ``x_max`` and ``y_max``,
            fractions of width and height from the upper left corner, as in ``split.boxes``.
        masks: (k, height, width) bool, the pixels of each label, as in ``split.masks[i]``.

    Args:
        axes: axes to draw on.
        image: the image.
        title: short text above the image.
        boxes: the boxes of this image, drawn as outlines.
        masks: the masks of this image, in the order of the findings, drawn as outlines.
        simulated: mark the image as simulated.

    Raises:
        ValueError: if ``image`` has an invalid shape, or values outside the window.
    """
    pixels = to_rgb(image)
    height, width, _ = pixels.shape
    axes.imshow(pixels, interpolation="none")
    axes.set(xticks=[], yticks=[], xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.spines[:].set_visible(False)
    if title:
        axes.set_title(title, fontsize=8.5)
    for box in () if boxes is None else boxes:
        _draw_box(axes, box, width, height, FINDINGS[int(box["finding"])])
    for name, mask in zip(FINDINGS, () if masks is None else masks, strict=False):
        if np.any(mask):
            _draw_contour(axes, mask, style.color_of(name))
    if simulated:
        mark_simulated(axes)


def image_grid(
    images: np.ndarray,
    *,
    titles: Sequence[str] | None = None,
    boxes: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    columns: int = 4,
    alt: str = "",
    simulated: bool = False,
) -> style.Figure:
    """Draw a grid of images.

    Shapes:
        images: (n, height, width), uint8 in [0, 255] or float in [0, 1].
        boxes: structured array as in ``split.boxes``; ``image`` is the row in ``images``.
        masks: (n, k, height, width) bool, as in ``split.masks``.

    Args:
        images: the images.
        titles: one short text per image.
        boxes: boxes of all images.
        masks: masks of all images.
        columns: images per row.
        alt: text alternative; by default the titles.
        simulated: mark every image as simulated.

    Raises:
        ValueError: if there is no image, or the number of titles differs from that of images.
    """
    rows = [*images]
    count = len(rows)
    require(count, "images", "at least one image", "none")
    titles = [""] * count if titles is None else [str(title) for title in titles]
    require(len(titles) == count, "titles", f"{count}, one per image", len(titles))
    kind = f"{'simulated ' if simulated else ''}chest X-ray{'s' if count > 1 else ''}"
    names = f": {'; '.join(titles)}" if any(titles) else ""
    alt = alt or f"{count} {kind}{names}."
    lines = max(title.count("\n") + bool(title) for title in titles)
    fig, axes = style.panels(count, columns, 0.16 * lines, alt=alt)
    for row, (axis, image, title) in enumerate(zip(axes, rows, titles, strict=True)):
        own_boxes = None if boxes is None else boxes[boxes["image"] == row]
        own = {"boxes": own_boxes, "masks": None if masks is None else masks[row]}
        draw_image(axis, image, title=title, simulated=simulated, **own)
    return fig


def mark_boundaries(
    image: np.ndarray, mask: np.ndarray, box: np.void | None = None, *, finding: str
) -> np.ndarray:
    """Return an RGB image with the outline of a mask and of a box, for interactive figures.

    Shapes:
        image: (height, width), uint8 in [0, 255] or float in [0, 1]; mask: (height, width) bool.
        returns: (height, width, 3) uint8.

    Args:
        image: the image.
        mask: the pixels of the finding.
        box: its box, an element of an array such as ``split.boxes``, or None.
        finding: the finding, which determines the color.
    """
    pixels, (height, width) = to_rgb(image), mask.shape
    line = mask & ~binary_erosion(mask)
    if box is not None:
        left, right = (round(float(box[name]) * width) for name in ("x_min", "x_max"))
        top, bottom = (round(float(box[name]) * height) for name in ("y_min", "y_max"))
        outline_box(line, left, top, right, bottom, True)
    pixels[line] = tuple(bytes.fromhex(style.color_of(finding).removeprefix("#")))
    return pixels


def outline_box(
    pixels: np.ndarray, left: int, top: int, right: int, bottom: int, value: int
) -> None:
    """Set the outermost pixels of a box, in place; ``right`` and ``bottom`` lie outside of it."""
    pixels[top:bottom, [left, right - 1]] = value
    pixels[[top, bottom - 1], left:right] = value


def data_uri(image: np.ndarray) -> str:
    """Encode an image losslessly as a ``data:`` URI, for pages without external files.

    Shapes:
        image: (height, width), (height, width, 1) or (height, width, 3); uint8 in [0, 255], or
            float in [0, 1].
    """
    return style.encode_image(to_rgb(image))


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Convert an image to (height, width, 3) uint8 with a fixed window, the same for all images."""
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., np.newaxis]
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        expected = "(height, width), (height, width, 1) or (height, width, 3)"
        raise invalid_argument("image", expected, f"shape {image.shape}")
    if image.dtype != np.uint8:
        if not (np.isfinite(image).all() and image.min() >= -1e-3 and image.max() <= 1 + 1e-3):
            received = f"{image.dtype} from {image.min():.3g} to {image.max():.3g}"
            raise invalid_argument("image", "uint8, or values in [0, 1]", received)
        image = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.broadcast_to(image, (*image.shape[:2], 3)).copy()


def mark_simulated(axes: Axes) -> None:
    """Mark the content of axes as simulated."""
    box = {"boxstyle": "square,pad=0.25", "facecolor": "black", "edgecolor": "none"}
    text = {"transform": axes.transAxes, "fontsize": 6.5, "color": "white", "bbox": box}
    axes.text(0.03, 0.03, "simulated", **text)


def _white_rim(width: float) -> list:
    """Return path effects that make a line visible on dark lung and on bright bone alike."""
    return [patheffects.Stroke(linewidth=width, foreground="white"), patheffects.Normal()]


def _draw_contour(axes: Axes, mask: np.ndarray, color: str) -> None:
    """Draw the outline of a mask, which may touch the border of the image."""
    # The zeros around the mask are drawn on the border of the image.
    y, x = (np.clip(np.arange(-1, side + 1), -0.5, side - 0.5) for side in mask.shape)
    line = {"colors": [color], "linewidths": 1}
    contour = axes.contour(x, y, np.pad(np.asarray(mask, float), 1), levels=[0.5], **line)
    contour.set_path_effects(_white_rim(2))  # an argument of contour only from Matplotlib 3.11 on


def _draw_box(axes: Axes, box, width: int, height: int, finding: str) -> None:
    """Draw the outline of a box with the short name of its finding."""
    edges = [float(box[name]) for name in ("x_min", "y_min", "x_max", "y_max")]
    left, top, bottom = draw_rectangle(axes, edges, width, height, style.color_of(finding))
    y, alignment = (top, "bottom") if top > 0.12 * height else (bottom, "top")
    text = {"fontsize": 7, "fontweight": "bold", "color": style.color_of(finding), "va": alignment}
    axes.text(left, y, style.short_name(finding), path_effects=_white_rim(2), **text)


def draw_rectangle(
    axes: Axes, edges: Sequence[float], width: int, height: int, color: str
) -> tuple[float, float, float]:
    """Draw the outline of a box in an image; return its left, top and bottom in pixels.

    Args:
        axes: axes with the image.
        edges: left, top, right and bottom as fractions of width and height.
        width: width of the image in pixels.
        height: height of the image in pixels.
        color: color of the outline.
    """
    left, right = (x * width - 0.5 for x in edges[::2])
    top, bottom = (y * height - 0.5 for y in edges[1::2])
    size = right - left, bottom - top
    line = {"edgecolor": color, "linewidth": 1.5, "path_effects": _white_rim(3)}
    axes.add_patch(Rectangle((left, top), *size, fill=False, **line))
    return left, top, bottom
