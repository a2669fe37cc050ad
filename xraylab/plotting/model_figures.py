"""Figures of models on images: the pipeline, attention of two models, regions of MXA."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image
from scipy.special import expit

from xraylab.arguments import require
from xraylab.data.image_io import square_image
from xraylab.findings import FINDINGS
from xraylab.metrics import score
from xraylab.models import predict_logits
from xraylab.plotting import style
from xraylab.plotting.heatmaps import draw_heatmap, position_of_maximum
from xraylab.plotting.images import draw_image, draw_rectangle

DIVERGING = "RdBu"
"""Colormap of differences: red is less, white is equal, blue is more."""


@style.context()
def attention_difference(
    image: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    names: Sequence[str],
    colorbar_label: str = "attention, relative to uniform",
    simulated: bool = False,
) -> style.Figure:
    """Draw the attention of two models on one image, and their difference.

    In the difference, blue is where the second model attends more, and red where it attends less.

    Shapes:
        image: (height, width), uint8 in [0, 255] or float in [0, 1].
        first, second: (rows, columns), of the same shape, such as rows of
            :func:`xraylab.explain.received_attention`.

    Args:
        image: the image.
        first: attention of the first model.
        second: attention of the second model, in the same unit.
        names: names of the two models.
        colorbar_label: quantity and unit of the attention.
        simulated: mark the image as simulated.

    Raises:
        ValueError: if the shapes differ, or there are not two names.

    References: Figure L.1 of Rand et al. 2025 (``rand2025``).
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    same, expected = first.shape == second.shape, f"shape {first.shape}, as the first"
    require(same, "second", expected, second.shape, "See explain.resize_maps.")
    require(len(names) == 2, "names", "two names", list(names))
    change = second - first
    low, high = min(first.min(), second.min()), max(first.max(), second.max())
    limit = np.abs(change).max() or 1.0
    alt = (
        f"Attention of {names[0]} and {names[1]}, from {low:.2g} to {high:.2g}, and the "
        f"difference, from {change.min():.2g} to {change.max():.2g}; it is greatest at "
        f"{position_of_maximum(change)}."
    )
    fig, axes = style.figure(4.8, 2.5, alt=alt, columns=3)
    for axis, title in zip(axes, (*names, "difference"), strict=True):
        draw_image(axis, image, title=title, simulated=simulated)
    draw_heatmap(axes[0], first, clim=(low, high))
    both = draw_heatmap(axes[1], second, clim=(low, high))
    more = draw_heatmap(axes[2], change, 0.7, clim=(-limit, limit), cmap=DIVERGING)
    bar: dict[str, Any] = {"orientation": "horizontal", "aspect": 20}
    scale = fig.colorbar(both, ax=[*axes[:2]], ticks=MaxNLocator(4), **bar)
    scale.set_label(colorbar_label, fontsize=8)
    scale = fig.colorbar(more, ax=axes[2], ticks=[-limit, 0, limit], format="%.1g", **bar)
    scale.set_label("red less, blue more", fontsize=8)
    return fig


@style.context()
def regions_with_labels(
    images: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    *,
    names: Sequence[str] = FINDINGS,
    simulated: bool = False,
) -> style.Figure:
    """Draw the regions that a model selects in several images over a table of their labels.

    Shapes:
        images: (n, height, width), uint8 in [0, 255] or float in [0, 1].
        boxes: (n, 4), left, top, right and bottom as fractions, such as those of a
            :class:`xraylab.explain.Region`.
        labels: (n, k), 0 or 1; NaN where unknown.

    Args:
        images: the images, of different patients.
        boxes: one box per image.
        labels: their labels.
        names: names of the labels.
        simulated: mark the images as simulated.

    Raises:
        ValueError: if there is no image, or shapes differ.

    References: Figure I.1 and Table I.1 of Rand et al. 2025 (``rand2025``).
    """
    boxes, labels, count = np.asarray(boxes, float), np.asarray(labels, float), len(images)
    require(count, "images", "at least one image", "none")
    for name, array, width in (("boxes", boxes, 4), ("labels", labels, len(names))):
        fits, expected = array.shape == (count, width), f"shape {(count, width)}"
        require(fits, name, expected, f"shape {array.shape}")
    patients = [f"pt{i + 1}" for i in range(count)]
    shown = np.array([style.display_name(name) for name in names])
    found = (", ".join(shown[row == 1]) or "none" for row in labels)
    texts = (f"{patient}: {text}" for patient, text in zip(patients, found, strict=True))
    columns, rows = min(count, 4), -(-count // 4)
    side, table_height = 4.8 / columns, 0.4 + 0.19 * len(names)
    alt = f"{count} images with the region that the model selects; labels: {'; '.join(texts)}."
    fig, whole = style.figure(4.8, rows * (side + 0.16) + table_height, alt=alt)
    whole.remove()
    heights = [*[side + 0.16] * rows, table_height]
    grid = fig.add_gridspec(rows + 1, columns, height_ratios=heights)
    for i, (image, edges, patient) in enumerate(zip(images, boxes, patients, strict=True)):
        axis = fig.add_subplot(grid[i // columns, i % columns])
        draw_image(axis, image, title=patient, simulated=simulated)
        height, width = np.shape(image)[:2]
        draw_rectangle(axis, edges, width, height, "#d70b01")
    axis = fig.add_subplot(grid[rows, :])
    marks = {1.0: "●", 0.0: "·"}
    for (i, k), value in np.ndenumerate(labels):
        axis.text(i, k, marks.get(value, "?"), ha="center", va="center", fontsize=8)
    axis.set(xlim=(-0.5, count - 0.5), ylim=(len(names) - 0.5, -0.5))
    axis.set_xticks(range(count), patients, fontsize=8)
    axis.set_yticks(range(len(names)), map(style.display_name, names), fontsize=8)
    axis.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    line = {"color": style.FOREGROUND, "linewidth": 0.6, "alpha": 0.15}
    axis.hlines(np.arange(len(names) - 1) + 0.5, -0.5, count - 0.5, **line)
    axis.spines[:].set_visible(False)
    return fig


@style.context()
def processing_pipeline(
    images: np.ndarray,
    labels: np.ndarray,
    model: Any,
    augment: Callable[[np.ndarray, np.ndarray, int], tuple],
    *,
    simulated: bool = False,
) -> style.Figure:
    """Draw what happens to an image, from the file to the measurement, with the package's steps.

    Grey image, rescaling, augmentation (in training only), model, comparison of its probabilities
    with the labels, and measurement over all images.

    Shapes:
        images: (n, height, width) uint8 of any size; the first is drawn.
        labels: (n, 14), 0 or 1; NaN where unknown.

    Args:
        images: the images.
        labels: their labels, with both values of at least one label.
        model: a model of :func:`xraylab.models.build` for the 14 findings.
        augment: ``augment(images, labels, seed)`` of ``xraylab.training.augmentation.make``.
        simulated: mark the images as simulated.

    Raises:
        ValueError: if the shapes do not fit, or no label has both values.

    References: slide "Processing pipeline" of Pham 2026 (``pham2026``).
    """
    size = model.image_size
    squares = [square_image(Image.fromarray(image), size) for image in images]
    rescaled = np.stack(squares)[..., np.newaxis] / np.float32(255)
    augmented = np.asarray(augment(rescaled[:1], labels[:1].astype(np.float32), 0)[0])
    probabilities = expit(predict_logits(model, rescaled).astype(np.float64))
    measured = score(labels, probabilities, label_names=FINDINGS)
    height, width = images.shape[1:3]
    facts = [
        f"1  grey image\n{height} × {width}, integers 0 to 255",
        f"2  rescaling\n{size} × {size}, divided by 255: 0 to 1",
        "3  augmentation\nin training only",
        f"4  model: {model.name}\n{model.count_params():,} parameters",
        "5  comparison\nprobability and label",
        f"6  measurement\n{len(images)} images",
    ]
    results = {
        "macro AUC": f"{measured.macro_auc:.3f}",
        "accuracy": f"{measured.accuracy:.3f}",
        "parameters": f"{model.count_params():,}",
    }
    text = ", ".join(f"{name} {value}" for name, value in results.items())
    steps = "; ".join(fact.replace("\n", ", ") for fact in facts)
    alt = f"Processing pipeline: {steps}. {text}."
    fig, axes = style.figure(4.8, 7.2, alt=alt, rows=3, columns=2)
    axes = axes.ravel()
    pictures = (images[0], squares[0], np.clip(augmented[0, ..., 0], 0, 1))
    for axis, fact, image in zip(axes, facts, pictures, strict=False):
        draw_image(axis, image, title=fact, simulated=simulated)
    rows = np.arange(len(FINDINGS))
    for axis, fact in zip(axes[3:], facts[3:], strict=True):
        axis.set_title(fact, fontsize=8.5)
    short = [style.short_name(name) for name in FINDINGS]
    for axis in axes[3:5]:
        axis.barh(rows, probabilities[0], color=style.ACCENT, alpha=0.6)
        axis.set_yticks(rows, short, fontsize=7)
        axis.set(xlim=(0, 1.08), ylim=(len(FINDINGS) - 0.5, -0.5))
        axis.set_xlabel("probability", fontsize=8)
    known = ~np.isnan(np.asarray(labels[0], float))
    dots = {"color": style.FOREGROUND, "markersize": 4, "clip_on": False}
    axes[4].plot(labels[0][known], rows[known], "o", **dots)
    axes[4].set_xlabel("bar: probability, dot: label", fontsize=8)
    axes[5].set_axis_off()
    for row, (name, value) in enumerate(results.items()):
        axes[5].text(0.5, 0.8 - 0.3 * row, value, ha="center", fontsize=13)
        axes[5].text(0.5, 0.7 - 0.3 * row, name, ha="center", fontsize=8)
    return fig
