"""Maps as segmentations: overlap with masks, and distances of the boundaries."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from xraylab.arguments import require
from xraylab.explain.localization import check_maps


def segmentation_scores(
    maps: ArrayLike, masks: ArrayLike, *, threshold: float = 0.5
) -> dict[str, np.ndarray]:
    """Score maps as segmentations: Dice, IoU and Hausdorff distances, for each image.

    A map segments the positive pixels of at least ``threshold`` times its maximum, so a map without
    a positive value segments none, and a map of bool segments its own pixels. With A the segmented
    pixels and B the mask:

    * ``dice``: ``2 |A ∩ B| / (|A| + |B|)``, and ``iou``: ``|A ∩ B| / |A ∪ B|``; 1 if both are
      empty;
    * ``hausdorff``: the largest distance from a boundary pixel of A or B to the nearest boundary
      pixel of the other, in pixels; 0 if both are empty, infinite if one is;
    * ``hausdorff_95``: the same with the 95th percentile of the distances in each direction (an
      observed distance, not interpolated), of which the larger counts.

    A boundary pixel has a neighbor in its row or column that is outside its region or the image.
    Infinite distances make the mean infinite: report the median, or how many maps were empty.

    Shapes:
        maps: (num_images, size, size); masks: the same shape, bool.
        returns: (num_images,) float64 each.

    Args:
        threshold: fraction of the maximum, in (0, 1].

    Raises:
        ValueError: if shapes differ, a map is not finite, or ``threshold`` is out of range.

    References: ``dice1945``; ``huttenlocher1993``, Eqs. 1 and 2; ``taha2015``.
    """
    maps, masks = check_maps(maps, masks)
    require(0 < threshold <= 1, "threshold", "in (0, 1]", threshold)
    segmented = (maps >= threshold * maps.max(axis=(1, 2), keepdims=True)) & (maps > 0)
    both, either = ((segmented & masks).sum((1, 2)), (segmented | masks).sum((1, 2)))
    distances = [_boundary_distances(*pair) for pair in zip(segmented, masks, strict=True)]
    return {
        "dice": np.where(either, 2 * both / np.maximum(both + either, 1), 1.0),
        "iou": np.where(either, both / np.maximum(either, 1), 1.0),
        "hausdorff": np.array([max(d.max() for d in pair) for pair in distances]),
        "hausdorff_95": np.array(
            [max(np.percentile(d, 95, method="higher") for d in pair) for pair in distances]
        ),
    }


def _boundary_distances(first, second):
    """Return the distances of either mask's boundary pixels to the boundary of the other."""
    if not (first.any() and second.any()):
        return [np.full(1, np.inf if first.any() or second.any() else 0.0)]
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (first, second)]
    return [ndimage.distance_transform_edt(~b)[a] for a, b in (edges, edges[::-1])]
