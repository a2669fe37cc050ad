"""Occlusion: cover a part of the image and see how the answer changes."""

import numpy as np

from xraylab.explain.looking import answer, checked_images, checked_labels

IMAGES_AT_ONCE = 256
"""How many covered images are held at a time."""


def occlusion(model, images, labels=None, *, side=None, fill=None):
    """Return how far each label's logit falls when a square of the image is covered.

    Shapes:
        images: (num_images, size, size, 1) float in [0, 1].
        returns: (num_images, num_labels, size / side, size / side) float32 in units of the logit;
        below zero where covering raises it.

    Args:
        model: any model of :func:`xraylab.models.build`.
        images: the images.
        labels: numbers of the labels; None takes all, at no further cost.
        side: of the square in pixels; it must divide the image's. By default the largest that gives
            at least eight squares in a row.
        fill: grey level of the square, in [0, 1]; by default the image's own mean.

    Raises:
        ValueError: if an argument is out of range, or the images are not such as the model takes.

    Source: ``zeiler2014``, Sect. 4.2.
    """
    images, labels = checked_images(images), checked_labels(model, labels)
    size = images.shape[1]
    if side is None:
        side = max(s for s in range(1, max(1, size // 8) + 1) if size % s == 0)
    if side not in range(1, size + 1) or size % side:
        raise ValueError(
            f"side: expected a whole number that divides the image's {size} px, got {side}"
        )
    if fill is not None and not 0 <= fill <= 1:
        raise ValueError(f"fill: expected a grey level in [0, 1], got {fill}")
    starts = range(0, size, side)
    places = [(row, column) for row in starts for column in starts]
    whole = answer(model, images)
    fallen = np.empty((len(images), len(labels), len(places)), np.float32)
    for number, image in enumerate(images):
        level = image.mean() if fill is None else fill
        for first in range(0, len(places), IMAGES_AT_ONCE):
            some = places[first : first + IMAGES_AT_ONCE]
            covered = np.repeat(image[None], len(some), axis=0)
            for one, (row, column) in zip(covered, some, strict=True):
                one[row : row + side, column : column + side] = level
            falls = whole[number] - answer(model, covered)
            fallen[number, :, first : first + len(some)] = falls[:, labels].T
    return fallen.reshape(len(images), len(labels), len(starts), len(starts))
