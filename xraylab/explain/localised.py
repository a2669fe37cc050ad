"""Does a map lie where the finding is? Scores against masks, beside two levels of chance."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from xraylab.evaluation import Interval
from xraylab.evaluation.resampling import resamples

MEASURES = ("pointing", "energy", "iou_half", "iou_area")
"""The scores of :func:`localisation`."""

EXCHANGES = 20
"""With how many other images' maps an image's mask is scored for the level of chance."""


def on_image(maps, size):
    """Enlarge maps to images, linearly between the middles of their cells.

    Shapes:
        maps: (num_images, rows, columns); returns (num_images, size, size) float32. At the rim the
        outermost cell goes on.

    Args:
        size: side of the images in pixels, at least that of the maps.

    Raises:
        ValueError: if the maps have another number of axes or are larger than the images.
    """
    maps = np.asarray(maps, dtype=np.float32)
    if maps.ndim != 3 or max(maps.shape[1:]) > size:
        raise ValueError(
            f"maps: expected (num_images, rows, columns) of at most {size} rows and columns, got "
            f"{maps.shape}"
        )
    scale = (1, size / maps.shape[1], size / maps.shape[2])
    return ndimage.zoom(maps, scale, order=1, mode="nearest", grid_mode=True)


def box_masks(boxes, size, finding):
    """Return where boxes of a finding lie, and on which images.

    Shapes:
        boxes: of :data:`xraylab.phantom.BOX_DTYPE`.
        returns: images (n,) in rising order, and masks (n, size, size) bool, the union of each
        image's boxes; a box holds the pixels whose middles lie in it, at least one.

    Args:
        size: side of the images in pixels.
        finding: number of the finding.
    """
    chosen = boxes[boxes["finding"] == finding]
    images = np.unique(chosen["image"])
    masks = np.zeros((len(images), size, size), bool)
    for box in chosen:
        mask = masks[np.searchsorted(images, box["image"])]
        rows = _pixels(box["y_min"], box["y_max"], size)
        mask[rows, _pixels(box["x_min"], box["x_max"], size)] = True
    return images, masks


def _pixels(low, high, size):
    first = min(size - 1, int(np.ceil(low * size - 0.5)))
    return slice(first, max(first + 1, int(np.ceil(high * size - 0.5))))


def scores_of(maps, masks):
    """Return how well each map lies on its mask.

    A map counts where it is above zero.

    Shapes:
        maps: (num_images, size, size), higher where the model looks; masks: the same shape, bool,
        each with some pixels but not all.
        returns: dict of (num_images,), each in [0, 1]: ``pointing``, whether the highest point lies
        in the mask (ties count by their share); ``energy``, the share of the map's sum in it;
        ``iou_half``, overlap over union of the mask and the pixels above half of the highest;
        ``iou_area``, the same with as many of the highest pixels as the mask has, drawn by lot
        where they tie.

    Raises:
        ValueError: if shapes differ, a mask is empty or full, or a map is not finite.

    Source: pointing ``zhang2018excitation``, without a margin; energy ``wang2020scorecam``.
    """
    maps, masks = _checked(maps, masks)
    return _Maps(maps).scores(masks)


class _Maps:
    """Maps made ready to be scored against many masks.

    Args:
        maps: (num_images, size, size), at least 0.
    """

    def __init__(self, maps):
        flat = maps.reshape(len(maps), -1)
        flat = np.where(
            flat.max(axis=1, keepdims=True) > 0, flat, 1.0
        )  # zeros lie everywhere alike
        top = flat.max(axis=1, keepdims=True)
        highest = flat == top
        self.pointing = highest / highest.sum(axis=1, keepdims=True)
        self.energy = flat / flat.sum(axis=1, keepdims=True)
        self.above_half = flat >= top / 2
        order = np.lexsort((np.random.default_rng(0).random(flat.shape), -flat), axis=1)
        self.ranks = np.empty_like(order)
        np.put_along_axis(self.ranks, order, np.arange(flat.shape[1])[None], axis=1)

    def scores(self, masks, whose=slice(None)):
        """Return the scores of each mask under the map of the image in ``whose``."""
        inside = masks.reshape(len(masks), -1)
        as_large = self.ranks[whose] < inside.sum(axis=1, keepdims=True)
        return {
            "pointing": (self.pointing[whose] * inside).sum(axis=1),
            "energy": (self.energy[whose] * inside).sum(axis=1),
            "iou_half": _overlap(self.above_half[whose], inside),
            "iou_area": _overlap(as_large, inside),
        }


@dataclass(frozen=True)
class Localised:
    """One measure of where maps lie, over images.

    Attributes:
        score: mean over images, with its interval.
        exchanged: mean of the same masks under the maps of other patients' images: what the map
            gives away by lying where this finding usually lies.
        uniform: what a map that is the same everywhere has; None where that is not defined.
        gain: score less ``exchanged``, with its interval: what the map knows of this very image.
    """

    score: Interval
    exchanged: float
    uniform: float | None
    gain: Interval


def localisation(maps, masks, *, groups=None, patients=None, replicates=1000, level=0.95, seed=0):
    """Return how well maps of findings lie on their masks, beside two levels of chance.

    Shapes:
        maps: (num_images, size, size), of images that have the finding; masks: the same shape, bool.

    Args:
        groups: (num_images,), which finding each map and mask is of: maps are exchanged among images
            with the same one. None where there is one finding.
        patients: (num_images,), whose image each is; a patient is drawn with all images. An image that
            comes with several findings is to be named here too. None draws one by one.
        replicates, level, seed: of the bootstrap.

    Returns:
        dict from :data:`MEASURES` to :class:`Localised`.

    Raises:
        ValueError: as :func:`scores_of`, if a group has fewer than three images or patients, or as
            :func:`xraylab.evaluation.bootstrap` for the patients.
    """
    maps, masks = _checked(maps, masks)
    count = len(maps)
    groups = np.zeros(count) if groups is None else np.asarray(groups)
    if groups.shape != (count,):
        raise ValueError(f"groups: expected {count}, one an image; got shape {groups.shape}")
    ready = _Maps(maps)
    found = ready.scores(masks)
    partners = exchanges(groups, patients)
    others = [ready.scores(masks, whose) for whose in partners]
    area = masks.mean(axis=(1, 2))
    uniform = {"pointing": area.mean(), "energy": area.mean(), "iou_half": area.mean()}
    weights = np.concatenate(
        [
            np.ones((1, count)),
            *resamples(count, replicates, np.random.default_rng(seed), patients=patients),
        ]
    )
    answers = {}
    for name in MEASURES:
        exchanged = np.mean([other[name] for other in others], axis=0)
        elsewhere = np.zeros(count)  # each map on the masks of others
        for whose, other in zip(partners, others, strict=True):
            elsewhere[whose] += other[name] / EXCHANGES
        # An image that is drawn again brings its mask and its map: both its parts in what is taken
        # off count, each about their mean.
        influence = found[name] - exchanged - elsewhere + exchanged.mean()
        means, gains = (
            weights @ values / weights.sum(axis=1) for values in (found[name], influence)
        )
        answers[name] = Localised(
            Interval.of(means, level),
            float(exchanged.mean()),
            float(uniform[name]) if name in uniform else None,
            Interval.of(gains, level),
        )
    return answers


def exchanges(groups, patients=None):
    """Return whose map each image gets, when maps are exchanged among images of other patients.

    Shapes:
        groups, patients: (num_images,); returns (EXCHANGES, num_images) int, each row a permutation,
        so that ``maps[row]`` are the maps of others.

    Args:
        groups: which finding each image is asked about: maps stay within it.
        patients: whose image each is; None if no patient has two.

    Raises:
        ValueError: if lengths differ, a group has fewer than three images or patients, or one of
            its patients more than half of its images.
    """
    groups = np.asarray(groups)
    patients = np.arange(len(groups)) if patients is None else np.asarray(patients)
    if groups.ndim != 1 or patients.shape != groups.shape:
        raise ValueError(
            f"groups and patients: expected one an image of each; {groups.shape} and "
            f"{patients.shape} came"
        )
    partners = np.tile(np.arange(len(groups)), (EXCHANGES, 1))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        if len(members) < 3:
            raise ValueError(
                f"groups: expected at least 3 images of each finding to exchange maps among, got "
                f"{len(members)} of {group}"
            )
        names, counts = np.unique(patients[members], return_counts=True)
        # Images of one patient lie together, so that who is as far away as the most images of one
        # patient is of another.
        members = members[np.argsort(patients[members], kind="stable")]
        near, far = counts.max(), len(members) - counts.max()
        if len(names) < 3 or far < near:
            raise ValueError(
                f"patients: maps of {group} are exchanged among at least 3 patients, none of whom "
                f"has more than half of the images; {len(names)} came, one with {near} of "
                f"{len(members)} images"
            )
        for part, shift in enumerate(np.linspace(near, far, EXCHANGES).astype(int)):
            partners[part, members] = np.roll(members, shift)
    return partners


def _overlap(first, second):
    return (first & second).sum(axis=1) / np.maximum((first | second).sum(axis=1), 1)


def _checked(maps, masks):
    """Return maps cut off at zero, and masks."""
    maps, masks = np.asarray(maps, dtype=np.float64), np.asarray(masks)
    if maps.ndim != 3 or maps.shape != masks.shape or masks.dtype != bool or not maps.size:
        raise ValueError(
            f"maps and masks: expected (num_images, size, size) both, masks of bool; got "
            f"{maps.shape} and {masks.dtype} {masks.shape}. explain.on_image enlarges maps"
        )
    if not np.isfinite(maps).all():
        raise ValueError("maps: expected finite numbers; some are not")
    covered = masks.mean(axis=(1, 2))
    if covered.min() == 0 or covered.max() == 1:
        image = int(np.flatnonzero((covered == 0) | (covered == 1))[0])
        raise ValueError(
            f"masks: that of image {image} is {'empty' if covered[image] == 0 else 'the whole image'}; "
            "leave it out"
        )
    return np.maximum(maps, 0), masks
