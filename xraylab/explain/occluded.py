"""Occlusion: cover a part of the film and see how the answer changes."""

import numpy as np

from xraylab.explain.looking import answer, checked_images, checked_labels

FILMS_AT_ONCE = 256
"""How many covered films are held at a time."""


def occlusion(model, images, labels=None, *, side=None, stride=None, fill=None):
    """Return how far each label's logit falls when a square of the film is covered.

    Shapes:
        images: (num_films, size, size, 1) float in [0, 1].
        returns: (num_films, num_labels, rows, columns) float32 in units of the logit; below zero
        where covering raises it. Squares overlap where ``stride`` is less than ``side``.

    Args:
        model: any model of :func:`xraylab.models.build`.
        images: the films.
        labels: numbers of the labels; None takes all, at no further cost.
        side: of the square in pixels; an eighth of the film by default.
        stride: from one square to the next in pixels; ``side`` by default.
        fill: grey level of the square, in [0, 1]; by default the film's own mean.

    Raises:
        ValueError: if an argument is out of range, or the images are not such as the model takes.

    Source: ``zeiler2014``, Sect. 4.2.
    """
    images, labels = checked_images(images), checked_labels(model, labels)
    size = images.shape[1]
    side = max(1, size // 8) if side is None else side
    stride = side if stride is None else stride
    if not (1 <= side <= size and 1 <= stride <= side):
        raise ValueError(
            f"side: expected from 1 to {size} px, and stride from 1 to side, for no place to be "
            f"left out; got {side} and {stride}"
        )
    if fill is not None and not 0 <= fill <= 1:
        raise ValueError(f"fill: expected a grey level in [0, 1], got {fill}")
    starts = [*range(0, size - side, stride), size - side]
    places = [(row, column) for row in starts for column in starts]
    whole = answer(model, images)
    fallen = np.empty((len(images), len(labels), len(places)), np.float32)
    for number, film in enumerate(images):
        level = film.mean() if fill is None else fill
        for first in range(0, len(places), FILMS_AT_ONCE):
            some = places[first : first + FILMS_AT_ONCE]
            covered = np.repeat(film[None], len(some), axis=0)
            for one, (row, column) in zip(covered, some, strict=True):
                one[row : row + side, column : column + side] = level
            logits = answer(model, covered)
            falls = whole[number] - logits
            fallen[number, :, first : first + len(some)] = falls[:, labels].T
    return fallen.reshape(len(images), len(labels), len(starts), len(starts))
