"""Faithfulness of maps: deletion and insertion of pixels, and parameter randomization."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage, stats
from scipy.special import expit

from xraylab.arguments import invalid_argument, require, require_int
from xraylab.explain.forward import check_images, check_labels
from xraylab.explain.localization import random_ranks, resize_maps
from xraylab.models import predict_logits

BLUR = 0.1
"""Standard deviation of the blur that insertion starts from, as a fraction of the image's side."""


def deletion(
    model: Any, images: ArrayLike, maps: ArrayLike, label: ArrayLike, steps: int = 16
) -> np.ndarray:
    """Compute a label's probability while pixels are deleted, the highest of the map first.

    A deleted pixel takes the image's mean grey level; pixels of equal value are deleted in random
    order. For a faithful map the probability decreases early.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1]; maps: (num_images, rows, columns).
        returns: (num_images, steps + 1); the first column is of the whole image, the last of an
        image without pixels.

    Args:
        model: any model of :func:`xraylab.models.build`.
        images: the images.
        maps: one map for each image.
        label: index of the label, or (num_images,), one for each image.
        steps: number of equal steps.

    Raises:
        ValueError: if shapes do not fit, or an argument is out of range.

    References: Petsiuk et al. 2018 (``petsiuk2018``).
    """
    images = check_images(model, images)
    grey = np.broadcast_to(images.mean(axis=(1, 2, 3), keepdims=True), images.shape)
    return _curve(model, images, grey, maps, label, steps)


def insertion(
    model: Any, images: ArrayLike, maps: ArrayLike, label: ArrayLike, steps: int = 16
) -> np.ndarray:
    """Compute a label's probability while a blurred image is restored, the highest pixels first.

    Shapes, arguments and errors as in :func:`deletion`; the first column is of the blurred image,
    the last of the image itself.

    References: Petsiuk et al. 2018 (``petsiuk2018``).
    """
    images = check_images(model, images)
    sigma = BLUR * images.shape[1]
    blurred = ndimage.gaussian_filter(images, (0, sigma, sigma, 0))
    return _curve(model, blurred, images, maps, label, steps)


def area_under_curve(curves: np.ndarray) -> np.ndarray:
    """Compute the area under each curve of :func:`deletion` or :func:`insertion`, in [0, 1].

    Shapes:
        curves: (num_images, steps + 1); returns (num_images,).
    """
    return np.trapezoid(curves, dx=1 / (curves.shape[1] - 1), axis=1)


@contextmanager
def randomized_parameters(model: Any, seed: int = 0) -> Iterator[None]:
    """Shuffle the entries of every parameter within the context, and restore them at its end.

    Shuffling keeps the mean and the variance of each parameter.

    Args:
        model: a built model of :func:`xraylab.models.build`.
        seed: seed of the shuffle.

    References: Adebayo et al. 2018 (``adebayo2018``), who initialize the parameters anew instead.
    """
    weights = model.get_weights()
    rng = np.random.default_rng(seed)
    try:
        model.set_weights([rng.permuted(value.ravel()).reshape(value.shape) for value in weights])
        yield
    finally:
        model.set_weights(weights)


def spearman(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Compute Spearman's rank correlation of pairs of maps.

    Shapes:
        first, second: (num_images, rows, columns); returns (num_images,), NaN for constant maps.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        pairs = zip(np.asarray(first), np.asarray(second), strict=True)
        return np.array([stats.spearmanr(a, b, axis=None).statistic for a, b in pairs])


def _curve(model, start, end, maps, label, steps):
    """Compute a label's probability while pixels change from start to end, the highest first."""
    count, size = start.shape[:2]
    require_int("steps", steps, 1)
    require(label is not None, "label", "an index, or one for each image", None)
    labels = check_labels(model, label)
    require(np.isfinite(maps).all(), "maps", "finite numbers", "NaN or infinity")
    maps = resize_maps(maps, size)
    if len(maps) != count or len(labels) not in (1, count):
        received = f"{len(maps)} maps and {len(labels)} labels"
        raise invalid_argument("maps or label", f"{count}, one for each image", received)
    labels = np.broadcast_to(labels, count)[:, None]
    ranks = random_ranks(maps.reshape(count, -1)).reshape(start.shape)
    curve = [
        np.take_along_axis(predict_logits(model, np.where(changed, end, start)), labels, axis=1)
        for changed in (ranks < size * size * step / steps for step in range(steps + 1))
    ]
    return expit(np.concatenate(curve, axis=1))
