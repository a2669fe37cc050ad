"""Does a map tell what the model used? Take pixels away by it, and draw its weights anew."""

from contextlib import contextmanager

import numpy as np
from scipy import ndimage, stats

from xraylab.explain.localised import on_image
from xraylab.explain.looking import answer, checked_images, checked_labels
from xraylab.models import sigmoid

BLUR = 0.1
"""Width of the blur that insertion starts from, in units of the image's side."""


def deletion(model, images, maps, label, steps=16):
    """Return a label's probability while pixels are taken away, those high in the map first.

    A pixel that is taken away gets the image's mean grey; lots decide between those of equal value.
    A map that tells what the model used makes the probability fall at once.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1]; maps: (num_images, rows, columns).
        returns: (num_images, steps + 1); the first column is of the image as it is, the last of one
        without a pixel left.

    Args:
        model: any model of :func:`xraylab.models.build`.
        images: the images.
        maps: one map an image, for its label.
        label: number of the label, or (num_images,), one an image.
        steps: into how many equal parts the pixels are cut.

    Raises:
        ValueError: if shapes do not fit, or an argument is out of range.

    Source: ``petsiuk2018``.
    """
    images = checked_images(images)
    grey = np.broadcast_to(images.mean(axis=(1, 2, 3), keepdims=True), images.shape)
    return _curve(model, images, grey, maps, label, steps)


def insertion(model, images, maps, label, steps=16):
    """Return a label's probability while a blurred image gets sharp, where the map is high first.

    Shapes, arguments and errors as :func:`deletion`; the first column is of the blurred image, the
    last of the image as it is.

    Source: ``petsiuk2018``.
    """
    images = checked_images(images)
    width = BLUR * images.shape[1]
    blurred = ndimage.gaussian_filter(images, (0, width, width, 0))
    return _curve(model, blurred, images, maps, label, steps)


def area(curves):
    """Return the area under each curve of :func:`deletion` or :func:`insertion`, in [0, 1].

    Shapes:
        curves: (num_images, steps + 1); returns (num_images,).
    """
    return np.trapezoid(curves, dx=1 / (curves.shape[1] - 1), axis=1)


@contextmanager
def random_weights(model, seed=0):
    """Within, the model's weights are in a random order; behind, its own again.

    Every variable keeps its entries, and so its mean and its spread; which is where is drawn anew.

    Args:
        model: a model of :func:`xraylab.models.build`; it must have been built.
        seed: seed of the order.

    Source: the test ``adebayo2018``; the shuffle in place of first weights is ours.
    """
    own = model.get_weights()
    rng = np.random.default_rng(seed)
    try:
        model.set_weights([rng.permuted(value.ravel()).reshape(value.shape) for value in own])
        yield
    finally:
        model.set_weights(own)


def rank_correlation(first, second):
    """Return Spearman's correlation of two maps, image by image: 1 if they order places alike.

    Shapes:
        first, second: (num_images, rows, columns); returns (num_images,), nan for constant maps.
    """
    if np.shape(first) != np.shape(second):
        raise ValueError(
            f"maps: expected equal shapes, got {np.shape(first)} and {np.shape(second)}"
        )
    ranks = [stats.rankdata(np.reshape(m, (len(m), -1)), axis=1) for m in (first, second)]
    ranks = [values - values.mean(axis=1, keepdims=True) for values in ranks]
    above = (ranks[0] * ranks[1]).sum(axis=1)
    below = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _curve(model, start, end, maps, label, steps):
    """Return a label's probability while pixels go from ``start`` to ``end``, high ones first."""
    if label is None:
        raise ValueError("label: expected a number, or one an image; None came")
    labels = checked_labels(model, label)
    if steps < 1 or steps != int(steps):
        raise ValueError(f"steps: expected a whole number of at least 1, got {steps}")
    if not np.isfinite(maps).all():
        raise ValueError("maps: expected finite numbers; some are not")
    count, size = start.shape[:2]
    maps = on_image(maps, size)
    if len(maps) != count or len(labels) not in (1, count):
        raise ValueError(
            f"maps and label: expected {count}, one an image; got {len(maps)} and {len(labels)}"
        )
    columns = np.broadcast_to(labels, count)
    lots = np.random.default_rng(0).random((count, size * size))
    order = np.lexsort((lots, -maps.reshape(count, -1)), axis=1)
    moment = np.empty_like(order)
    np.put_along_axis(moment, order, np.arange(size * size)[None], axis=1)
    moment = moment.reshape(start.shape)
    curve = [
        answer(model, np.where(moment < size * size * step / steps, end, start))[
            np.arange(count), columns
        ]
        for step in range(steps + 1)
    ]
    return sigmoid(np.stack(curve, axis=1))
