"""Plans: what will happen to each image of a batch, drawn from a seed, as small NumPy arrays.

==============  =====================  ===========================================================
``gain``        (batch,) float32       grey levels are multiplied by it,
``offset``      (batch,) float32       and this is added
``matrices``    (batch, 8) float32     where in the old image each pixel of the new one lies
``partner``     (batch,) int32         row of the image that each one is mixed with
``share``       (batch,) float32       the partner's share of every pixel, in [0, 1]
``box``         (batch, 4) int32       top, left, bottom, right of what is cut from the partner
``weight``      (batch,) float32       the partner's share of the labels, in [0, 1]
==============  =====================  ===========================================================

Only what an augmentation asks for is in its plan.
"""

import numpy as np

from xraylab.training.augmentation.draws import generator


def exposure_plan(images, seed, *, brightness, contrast):
    """Return ``gain`` and ``offset`` of another exposure or window of each image.

    Contrast is stretched about the image's own mean grey level, so that it does not brighten.

    Shapes:
        images: (batch, height, width, 1) float32 in [0, 1].

    Args:
        seed: see :func:`~xraylab.training.augmentation.draws.generator`.
        brightness: largest grey level added or taken away, in units of the full range.
        contrast: largest relative change of the contrast.
    """
    added, stretch = _between(generator(seed, "exposure"), len(images), brightness, contrast)
    mean = images.mean(axis=(1, 2, 3), dtype=np.float64)
    return {
        "gain": np.float32(1 + stretch),
        "offset": np.float32(added - stretch * mean),
    }


def warp_plan(shape, seed, *, flip, rotate, zoom, translate):
    """Return ``matrices`` that mirror, rotate, zoom and shift each image in one go.

    Args:
        shape: batch, height and width in pixels.
        seed: see :func:`~xraylab.training.augmentation.draws.generator`.
        flip: chance of the mirror image, in [0, 1].
        rotate: largest angle in degrees, either way.
        zoom: the window shown is 1 - zoom to 1 + zoom times the side of the image.
        translate: largest shift along each axis, as a share of the side.
    """
    batch, height, width = shape
    random = generator(seed, "warp")
    angle, stretch, right, down = _between(random, batch, rotate, zoom, translate, translate)
    mirror = generator(seed, "flip").random(batch) < flip
    return {
        "matrices": warp_matrices(
            height, width, mirror, angle, 1 + stretch, right * width, down * height
        )
    }


def warp_matrices(height, width, mirror, angle, window, right, down):
    """Return the affine maps that mirror, rotate, zoom and shift images, in this order.

    Shapes:
        mirror: (batch,) bool; angle: (batch,) degrees, counter-clockwise as seen.
        window: (batch,) side of the part shown over the side of the image; 0.5 shows it twice as
        large. right, down: (batch,) pixels.
        returns: (batch, 8) float32, as :func:`keras.ops.image.affine_transform` wants them: they
        take a place in the new image (column, row) to the old image's. Centre: that of the image.
    """
    angle = np.deg2rad(angle)
    side = np.where(mirror, -1.0, 1.0)
    # Backwards from the new image to the old: undo the shift, the zoom, the rotation, the mirror.
    xx, xy = side * window * np.cos(angle), -side * window * np.sin(angle)
    yx, yy = window * np.sin(angle), window * np.cos(angle)
    x, y = (width - 1) / 2, (height - 1) / 2
    from_x, from_y = x + right, y + down
    nothing = np.zeros_like(xx)
    rows = [
        *(xx, xy, x - xx * from_x - xy * from_y),
        *(yx, yy, y - yx * from_x - yy * from_y),
        *(nothing, nothing),
    ]
    return np.stack(rows, axis=-1).astype(np.float32)


def mixing_plan(shape, seed, *, mixup, cutmix):
    """Return ``partner``, ``share``, ``box`` and ``weight`` of MixUp, of CutMix, or of both.

    λ, an image's own share, is drawn for each image from Beta(α, α). MixUp mixes every pixel; CutMix
    fills a box of sides √(1 - λ), centred anywhere, and then counts the pixels that really were
    replaced, since a box may reach over the edge. With both on, each image takes one of the two.

    Args:
        shape: batch, height and width in pixels.
        seed: see :func:`~xraylab.training.augmentation.draws.generator`.
        mixup: α of MixUp, or 0 for none.
        cutmix: α of CutMix, or 0 for none.

    Source: ``zhang2018``, Eq. 1; ``yun2019``, Eqs. 1 and 2.
    """
    batch, height, width = shape
    random = generator(seed, "partner")
    plan = {"partner": np.argsort(random.random(batch), kind="stable").astype(np.int32)}
    cut = random.random(batch) < (0.5 if mixup else 1.0) * bool(cutmix)
    weight = np.zeros(batch)
    if mixup:
        weight = 1 - generator(seed, "mixup").beta(mixup, mixup, batch)
        plan["share"] = np.float32(np.where(cut, 0, weight))
    if cutmix:
        random = generator(seed, "cutmix")
        ratio = np.sqrt(1 - random.beta(cutmix, cutmix, batch)) * cut
        top, bottom = _interval(random, ratio, height)
        left, right = _interval(random, ratio, width)
        plan["box"] = np.stack([top, left, bottom, right], axis=-1).astype(np.int32)
        weight = np.where(cut, (bottom - top) * (right - left) / (height * width), weight)
    return plan | {"weight": np.float32(weight)}


def mix_labels(labels, plan):
    """Return labels mixed like their images; an unknown label (NaN) makes the mixed one unknown.

    Shapes:
        labels: (batch, k) float32, in [0, 1] or NaN.
        returns: the same; each between the two it was mixed from.
    """
    weight, others = plan["weight"][:, np.newaxis], labels[plan["partner"]]
    mixed = labels + weight * (others - labels)
    # The bounds because of rounding. A partner of no weight has no say, not even by a NaN.
    mixed = np.clip(mixed, np.minimum(labels, others), np.maximum(labels, others))
    return np.where(weight > 0, mixed, labels)


def _between(random, batch, *limits):
    """Return one uniform draw an image between -limit and limit, for each of some limits."""
    draws = random.uniform(-1, 1, (batch, len(limits)))
    return (draws * np.array(limits)).T


def _interval(random, ratio, side):
    """Return where boxes of ``ratio * side`` pixels begin and end, cut off at the edges."""
    length = (ratio * side).astype(int)
    start = random.integers(side, size=len(ratio)) - length // 2
    return np.clip(start, 0, side), np.clip(start + length, 0, side)
