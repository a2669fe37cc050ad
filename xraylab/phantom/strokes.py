"""Thin things: vessels, wires and lines as swarms of points, each spread over the pixels about it.

A curve of any shape costs as much as it has points, whatever the number of pixels beside it. What
is added to an image is exact in sum: the area under a stroke does not depend on the image's size.
"""

import numpy as np


def splat(view, x, y, volume):
    """Return the thickness in cm that points with a volume add to each pixel.

    Shapes:
        x, y: (n, m) centimetres in the patient; volume: (n, m) cubic centimetres.
        returns: (n, size, size) float32. Points beyond the image are left out.
    """
    n, size = len(x), view.size
    across, down = view.to_pixels(x, y)
    column, row = np.floor(across).astype(np.int64), np.floor(down).astype(np.int64)
    right, below = across - column, down - row
    inside = (column >= 0) & (column < size - 1) & (row >= 0) & (row < size - 1)
    volume = np.where(inside, volume / view.pitch[:, np.newaxis] ** 2, 0.0)
    place = np.clip(row, 0, size - 2) * size + np.clip(column, 0, size - 2)
    place += (np.arange(n) * size * size)[:, np.newaxis]
    places = np.stack([place, place + 1, place + size, place + size + 1])
    above, left = 1 - below, 1 - right
    parts = volume * np.stack([above * left, above * right, below * left, below * right])
    total = np.bincount(places.ravel(), parts.ravel(), minlength=n * size * size)
    return total.reshape(n, size, size).astype(np.float32)


def blur(pictures, sigma):
    """Return pictures blurred by a Gaussian of ``sigma`` pixels; unchanged where it is tiny."""
    if sigma < 0.3:
        return pictures
    reach = int(np.ceil(2.5 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    weights /= weights.sum()
    for axis in (1, 2):
        pad = [(0, 0)] * 3
        pad[axis] = (reach, reach)
        padded = np.pad(pictures, pad)
        total = np.zeros_like(pictures)
        for k, weight in enumerate(weights):
            stop = k + pictures.shape[axis]
            total += weight * (padded[:, k:stop] if axis == 1 else padded[:, :, k:stop])
        pictures = total
    return pictures


def bow(start, end, bend, count):
    """Return points along an arc from start to end that bows sideways.

    Shapes:
        start, end: pairs (x, y) of (n, k) centimetres; ``bend``: (n, k), how far the middle of the
        arc lies off the straight line, in units of its length.
        returns: x, y and the distance between neighbours, each (n, k, count).
    """
    t = (np.arange(count) + 0.5) / count
    (x0, y0), (x1, y1) = ((np.asarray(p)[..., np.newaxis] for p in pair) for pair in (start, end))
    off = 4 * np.asarray(bend)[..., np.newaxis] * t * (1 - t)
    x = x0 + (x1 - x0) * t - (y1 - y0) * off
    y = y0 + (y1 - y0) * t + (x1 - x0) * off
    length = np.hypot(x1 - x0, y1 - y0)
    return x, y, np.broadcast_to(length / count, x.shape)


def tube(view, points, radius, thickness):
    """Return the thickness in cm that tubes along some points add, each ``radius`` cm in radius.

    A tube narrower than a pixel keeps the volume that it has.

    Shapes:
        points: x, y, spacing, each (n, k, count); radius, thickness: (n, k), a full cylinder being
        as thick along the ray as it is wide.
    """
    x, y, spacing = points
    volume = spacing * (2 * radius * thickness)[..., np.newaxis]
    n = len(x)
    return splat(view, x.reshape(n, -1), y.reshape(n, -1), volume.reshape(n, -1))
