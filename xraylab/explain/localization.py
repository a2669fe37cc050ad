"""Localization: scores of maps against masks, with a permutation and a uniform baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from xraylab.arguments import invalid_argument, require
from xraylab.evaluation import Interval
from xraylab.evaluation.intervals import resamples

NUM_PERMUTATIONS = 20
"""Number of permutations of the maps that the baseline of :func:`localization` averages."""


def resize_maps(maps: ArrayLike, size: int) -> np.ndarray:
    """Resize maps to the size of the images, by linear interpolation between cell centres.

    Shapes:
        maps: (num_images, rows, columns); returns (num_images, size, size) float32. Positions
        beyond the outermost centres take the border cell.

    Args:
        size: side of the images in pixels, at least that of the maps.

    Raises:
        ValueError: if the maps have another number of axes or are larger than the images.
    """
    maps = np.asarray(maps, dtype=np.float32)
    if maps.ndim != 3 or max(maps.shape[1:]) > size:
        expected = f"(num_images, rows, columns) with at most {size} rows and columns"
        raise invalid_argument("maps", expected, f"shape {maps.shape}")
    scale = (1, size / maps.shape[1], size / maps.shape[2])
    return ndimage.zoom(maps, scale, order=1, mode="nearest", grid_mode=True)


def box_masks(boxes: np.ndarray, size: int, finding: int) -> tuple[np.ndarray, np.ndarray]:
    """Convert the boxes of a finding to masks.

    Shapes:
        boxes: of :data:`xraylab.phantom.BOX_DTYPE`.
        returns: image indices (n,) in ascending order, and masks (n, size, size) bool, the union of
        each image's boxes. A box covers the pixels whose centres it contains, at least one.

    Args:
        size: side of the images in pixels.
        finding: index of the finding.
    """
    boxes = boxes[boxes["finding"] == finding]
    images, rows = np.unique(boxes["image"], return_inverse=True)
    masks = np.zeros((len(images), size, size), bool)
    for row, box in zip(rows, boxes, strict=True):
        y, x = (_pixels(box[f"{axis}_min"], box[f"{axis}_max"], size) for axis in "yx")
        masks[row, y, x] = True
    return images, masks


def _pixels(low, high, size):
    first = min(size - 1, int(np.ceil(low * size - 0.5)))
    return slice(first, max(first + 1, int(np.ceil(high * size - 0.5))))


@dataclass(frozen=True)
class Localization:
    """One localization measure over a set of images.

    Attributes:
        score: mean over images, with its interval.
        permutation_baseline: mean score of the same masks with the maps of other patients' images:
            what a map achieves by the typical location of the finding alone.
        uniform_baseline: score of a constant map; None where it is not defined.
        gain: score minus ``permutation_baseline``, with its interval.
    """

    score: Interval
    permutation_baseline: float
    uniform_baseline: float | None
    gain: Interval


def localization(
    maps: ArrayLike,
    masks: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    patients: ArrayLike | None = None,
    replicates: int = 1000,
) -> dict[str, Localization]:
    """Score how well maps localize findings, against a permutation and a uniform baseline.

    Each map is scored against its mask by four measures in [0, 1]. Negative values of a map count
    as 0.

    * ``pointing``: whether the maximum is in the mask; for ties the fraction that is;
    * ``energy``: the fraction of the map's sum in the mask;
    * ``iou_half``: intersection over union of the mask and the pixels of at least half the maximum;
    * ``iou_area``: the same with as many of the highest pixels as the mask has, ties in random
      order.

    Shapes:
        maps: (num_images, size, size), of images with the finding; masks: the same shape, bool,
            neither empty nor full.

    Args:
        groups: (num_images,), the finding of each map and mask: maps are permuted within groups.
            None if there is one finding.
        patients: (num_images,), the patient of each image; the bootstrap resamples patients. Pass
            it also if one image occurs with several findings. None resamples images.
        replicates: number of bootstrap replicates.

    Returns:
        :class:`Localization` by measure, with intervals of 95 %.

    Raises:
        ValueError: if shapes differ, a mask is empty or full, a map is not finite, a group has
            fewer than three images or patients, or one of its patients more than half of its
            images; and as :func:`xraylab.evaluation.bootstrap`.

    References: Pointing game of Zhang et al. 2018 (``zhang2018excitation``), without a margin;
        energy of Wang et al. 2020 (``wang2020scorecam``).
    """
    maps, masks = check_maps(maps, masks)
    covered = masks.mean(axis=(1, 2))
    if covered.min() == 0 or covered.max() == 1:
        image = int(np.flatnonzero((covered == 0) | (covered == 1))[0])
        received = f"{'a full' if covered[image] else 'an empty'} mask of image {image}"
        raise invalid_argument("masks", "some pixels, but not all", received, "Remove the image.")
    count = len(maps)
    groups = np.zeros(count) if groups is None else np.asarray(groups)
    require(groups.shape == (count,), "groups", f"{count}, one for each image", groups.shape)
    rows = permutations(groups, patients)
    prepared = _prepare(maps)
    own = _scores(prepared, masks)
    permuted = [_scores([values[row] for values in prepared], masks) for row in rows]
    drawn = resamples(count, replicates, np.random.default_rng(0), patients=patients)
    weights = np.concatenate([np.ones((1, count)), *drawn])
    area = float(masks.mean())
    results = {}
    for name in own:
        baseline = np.mean([scores[name] for scores in permuted], axis=0)
        elsewhere = np.zeros(count)  # the score of each map on the masks of other images
        for row, scores in zip(rows, permuted, strict=True):
            elsewhere[row] += scores[name] / NUM_PERMUTATIONS
        # An image resampled twice contributes its mask and its map twice, so the influence of both
        # on the baseline is subtracted, that of the map about the mean of its group.
        influence = own[name] - baseline - elsewhere + group_means(baseline, groups)
        score, gain = (
            Interval.from_replicates(weights @ values / weights.sum(axis=1), 0.95)
            for values in (own[name], influence)
        )
        uniform = None if name == "iou_area" else area
        results[name] = Localization(score, float(baseline.mean()), uniform, gain)
    return results


@dataclass(frozen=True)
class RecordedLocalization:
    """Localization by one method on one run, as recorded by ``tools/measure_localization.py``.

    Attributes:
        run: name of the run's record.
        method: the method, such as ``"gradient attention"``.
        score, gain: as in :class:`Localization`.
        shuffled: mean rank correlation of the maps with those of the model with randomized
            parameters; NaN where it is undefined.
    """

    run: str
    method: str
    score: Interval
    gain: Interval
    shuffled: float

    @property
    def name(self) -> str:
        """Model and method."""
        return f"{self.run.split('_64_')[0]}: {self.method}"


def recorded_localization(
    recorded: Mapping[str, Any], measure: str = "pointing"
) -> list[RecordedLocalization]:
    """Return the recorded localization of every run and method, by increasing gain.

    Args:
        recorded: one set of images, as ``xraylab.book.measured("localization")["phantom"]``.
        measure: name of a measure of :func:`localization`.
    """
    found = []
    for run, entry in recorded["models"].items():
        for method, values in entry["methods"].items():
            row = values["localization"][measure]
            score, gain = (Interval(**row[key]) for key in ("score", "gain"))
            shuffled = (values["randomized_parameters"] or {"value": np.nan})["value"]
            found.append(RecordedLocalization(run, method.replace("_", " "), score, gain, shuffled))
    return sorted(found, key=lambda row: row.gain.value)


def permutations(groups: ArrayLike, patients: ArrayLike | None = None) -> np.ndarray:
    """Assign each image the maps of other patients' images with the same finding.

    Shapes:
        groups, patients: (num_images,); returns (NUM_PERMUTATIONS, num_images) int, each row a
        permutation: ``maps[row]`` are the maps of other images.

    Args:
        groups: the finding of each image; maps stay within it.
        patients: the patient of each image; None if no patient has two images.

    Raises:
        ValueError: if lengths differ, a group has fewer than three images or patients, or one of
            its patients more than half of its images.
    """
    groups = np.asarray(groups)
    patients = np.arange(len(groups)) if patients is None else np.asarray(patients)
    if groups.ndim != 1 or patients.shape != groups.shape:
        received = f"shapes {groups.shape} and {patients.shape}"
        raise invalid_argument("groups or patients", "one of each for each image", received)
    rows = np.tile(np.arange(len(groups)), (NUM_PERMUTATIONS, 1))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        names, counts = np.unique(patients[members], return_counts=True)
        largest = counts.max()
        if len(names) < 3 or 2 * largest > len(members):
            expected = "at least 3 patients for each group, none with more than half of its images"
            received = f"{len(members)} images of {len(names)} patients, {largest} of one patient"
            raise invalid_argument("patients", expected, received, f"The group is {group}.")
        # Images of one patient are adjacent, so a shift by the largest number of images of one
        # patient leads to another patient.
        members = members[np.argsort(patients[members], kind="stable")]
        shifts = np.linspace(largest, len(members) - largest, NUM_PERMUTATIONS).astype(int)
        for row, shift in zip(rows, shifts, strict=True):
            row[members] = np.roll(members, shift)
    return rows


def group_means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the mean of each value's group: (num_images,)."""
    _, group = np.unique(groups, return_inverse=True)
    return (np.bincount(group, values) / np.bincount(group))[group]


def random_ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each entry of each row, 0 for the highest, ties in random order."""
    ties = np.random.default_rng(0).random(values.shape)
    return np.argsort(np.lexsort((ties, -values), axis=1), axis=1)


def _prepare(maps):
    """Compute what scoring maps against any masks takes: four arrays (num_images, pixels)."""
    flat = maps.reshape(len(maps), -1)
    flat = np.where(flat.max(axis=1, keepdims=True) > 0, flat, 1.0)  # a zero map is constant
    maximum = flat.max(axis=1, keepdims=True)
    highest = flat == maximum
    pointing = highest / highest.sum(axis=1, keepdims=True)
    energy = flat / flat.sum(axis=1, keepdims=True)
    return pointing, energy, flat >= maximum / 2, random_ranks(flat)


def _scores(prepared, masks):
    """Compute the scores of prepared maps against masks."""
    pointing, energy, above_half, ranks = prepared
    inside = masks.reshape(len(masks), -1)
    return {
        "pointing": (pointing * inside).sum(axis=1),
        "energy": (energy * inside).sum(axis=1),
        "iou_half": _iou(above_half, inside),
        "iou_area": _iou(ranks < inside.sum(axis=1, keepdims=True), inside),
    }


def _iou(first, second):
    return (first & second).sum(axis=1) / np.maximum((first | second).sum(axis=1), 1)


def check_maps(maps, masks):
    """Return maps, negative values set to 0, and masks."""
    maps, masks = np.asarray(maps, dtype=np.float64), np.asarray(masks)
    if maps.ndim != 3 or maps.shape != masks.shape or masks.dtype != bool or not maps.size:
        expected = "(num_images, size, size) for both, masks of bool"
        received = f"shapes {maps.shape} and {masks.shape}, masks of {masks.dtype}"
        raise invalid_argument("maps or masks", expected, received, "See explain.resize_maps.")
    require(np.isfinite(maps).all(), "maps", "finite numbers", "NaN or infinity")
    return np.maximum(maps, 0), masks
