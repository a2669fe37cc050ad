"""Thin structures (vessels, wires, lines) as point samples that are spread over nearby pixels.

The cost of a curve depends on its number of points, not on the number of pixels. The rasterization
conserves volume: the sum over the pixels does not depend on the image size.
"""

import numpy as np


def rasterize_points(view, x: np.ndarray, y: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Add the volumes of points to the four nearest pixels each, with bilinear weights.

    Shapes:
        x, y: (n, m) in cm in patient coordinates; volume: (n, m) in cm³.
        returns: (n, size, size) float32, thickness in cm. Points outside the image are dropped.

    Args:
        view: object with ``size``, ``pixel_size`` (n,) in cm and ``to_pixels``, such as a
            :class:`~xraylab.phantom.anatomy.Chest`.
    """
    n, size = len(x), view.size
    column_position, row_position = view.to_pixels(x, y)
    column = np.floor(column_position).astype(np.int64)
    row = np.floor(row_position).astype(np.int64)
    right, below = column_position - column, row_position - row
    inside = (column >= 0) & (column < size - 1) & (row >= 0) & (row < size - 1)
    volume = np.where(inside, volume / view.pixel_size[:, np.newaxis] ** 2, 0.0)
    index = np.clip(row, 0, size - 2) * size + np.clip(column, 0, size - 2)
    index += (np.arange(n) * size * size)[:, np.newaxis]
    neighbors = np.stack([index, index + 1, index + size, index + size + 1])
    above, left = 1 - below, 1 - right
    weighted = volume * np.stack([above * left, above * right, below * left, below * right])
    total = np.bincount(neighbors.ravel(), weighted.ravel(), minlength=n * size * size)
    return total.reshape(n, size, size).astype(np.float32)


def gaussian_blur(images: np.ndarray, sigma: float) -> np.ndarray:
    """Blur images (n, size, size) by a Gaussian of ``sigma`` pixels; no-op below 0.3 pixels."""
    if sigma < 0.3:
        return images
    radius, size = int(np.ceil(2.5 * sigma)), images.shape[-1]
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2).astype(np.float32)
    weights /= weights.sum()
    for _ in range(2):  # vertically, then, in the transposed images, horizontally
        padded = np.pad(images, ((0, 0), (radius, radius), (0, 0)))
        shifted = (weight * padded[:, k : k + size] for k, weight in enumerate(weights))
        images = np.ascontiguousarray(sum(shifted, np.zeros_like(images)).swapaxes(1, 2))
    return images


def sample_arc(start, end, bend, count) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample points on a parabolic arc.

    Shapes:
        start, end: pairs (x, y) of (n, k) in cm.
        bend: (n, k), offset of the arc's middle from the chord, as a fraction of the chord length.
        returns: x, y and the distance between neighboring points, each (n, k, count).
    """
    t = (np.arange(count) + 0.5) / count
    (x0, y0), (x1, y1) = ((np.asarray(p)[..., np.newaxis] for p in pair) for pair in (start, end))
    offset = 4 * np.asarray(bend)[..., np.newaxis] * t * (1 - t)
    x = x0 + (x1 - x0) * t - (y1 - y0) * offset
    y = y0 + (y1 - y0) * t + (x1 - x0) * offset
    length = np.hypot(x1 - x0, y1 - y0)
    return x, y, np.broadcast_to(length / count, x.shape)


def rasterize_tubes(view, points, radius: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """Add tubes along sampled curves; tubes narrower than a pixel keep their volume.

    Shapes:
        points: x, y, spacing as :func:`sample_arc` returns them, each (n, k, count).
        radius: (n, k) in cm. thickness: (n, k) in cm, twice the radius for a cylinder.
        returns: (n, size, size) float32, thickness in cm.
    """
    x, y, spacing = points
    volume = spacing * (2 * radius * thickness)[..., np.newaxis]
    n = len(x)
    return rasterize_points(view, x.reshape(n, -1), y.reshape(n, -1), volume.reshape(n, -1))
