"""What an augmentation does, in plain values that a recipe can store; and the presets."""

import math
from dataclasses import dataclass, fields
from numbers import Real

import numpy as np
from keras import ops

from xraylab.training.augmentation import pixels, plan, randaugment, with_keras_cv

PRESETS = {
    "none": {},
    "slides": {"flip": 0.5, "rotate": 10.0, "zoom": 0.1, "translate": 0.05},
    "images": {
        "rotate": 5.0,
        "zoom": 0.06,
        "translate": 0.04,
        "brightness": 0.06,
        "contrast": 0.15,
    },
    "randaugment": {"randaugment": "m5-mstd0.2-inc2"},
    "mixup": {"mixup": 0.2},
    "cutmix": {"cutmix": 1.0},
}
"""Fields of :class:`Augmentation` by the names that :func:`make` takes.

``slides`` has what ``pham2026``, slide "Processing pipeline", names: flipping, rotating, zooming,
translating. The source gives no strengths ("lightweight") and no axis of the flip; these are ours.
``images`` has what a radiographer might do to the same patient: a slightly tilted or shifted
cassette, another distance, another exposure; never a mirror. ``randaugment`` is the rule of
``rand2025``. α of ``mixup`` lies in the range that ``zhang2018`` advises, α of ``cutmix`` is that
of ``yun2019``.
"""


@dataclass(frozen=True)
class Augmentation:
    """Images as they might also have come out: a pure function of (images, labels, seed).

    ``flip`` is off unless asked for. The heart lies on the left, the stomach bubble under the left
    half of the diaphragm, and a marker L or R on the image says which side is which: a model trained
    on mirrored images learns that it does not matter, and cannot tell a mirrored heart
    (dextrocardia) from a normal one.

    The order is RandAugment, exposure (``brightness``, ``contrast``), one warp for all of ``flip``,
    ``rotate``, ``zoom`` and ``translate`` with a single bilinear interpolation, and last the mixing
    of images with others of the batch. Every image has its own random numbers.

    Args:
        flip: chance that an image is mirrored left to right, in [0, 1].
        rotate: largest angle in degrees, either way, in [0, 180].
        zoom: the window shown has 1 - zoom to 1 + zoom times the side of the image, in [0, 1).
        translate: largest shift along each axis as a share of the side, in [0, 1].
        fill_mode: what lies outside an image: ``"black"``, as outside the X-ray beam; ``"nearest"``,
            the pixels of its edge; or ``"reflect"``, a mirror image. RandAugment is always black.
        brightness: largest grey level added or taken away, in [0, 1] of the full range.
        contrast: largest relative change of the contrast about the image's mean, in [0, 1].
        randaugment: timm's rule, such as ``"m5-mstd0.2-inc2"``, or None; see
            :mod:`~xraylab.training.augmentation.randaugment`.
        mixup: α of MixUp, the usual range being 0.1 to 0.4; 0 for none.
        cutmix: α of CutMix, usually 1; 0 for none. With ``mixup`` too, an image takes one of the two.
        implementation: ``"plain"`` or ``"keras_cv"``, which see
            (:mod:`~xraylab.training.augmentation.with_keras_cv`). ``"auto"`` is always plain,
            keras-cv or not: a run must come out the same where it is resumed.

    Raises:
        ValueError: naming the argument, if one is out of range, or if keras-cv cannot do it.

    Source: ``zhang2018``; ``yun2019``; ``cubuk2020``.
    """

    flip: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    translate: float = 0.0
    fill_mode: str = "black"
    brightness: float = 0.0
    contrast: float = 0.0
    randaugment: str | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    implementation: str = "auto"

    def __post_init__(self):
        for name, most in _LARGEST.items():
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not number or not 0 <= value <= most or value == math.inf:
                limits = "a number from 0 on" if most == math.inf else f"a number from 0 to {most}"
                raise ValueError(f"{name} must be {limits}; {value!r} came")
        if self.zoom == 1:
            raise ValueError("zoom must be less than 1, which would show a window of no size")
        if self.fill_mode not in pixels.FILL_MODES:
            raise ValueError(
                f"fill_mode must be one of {', '.join(pixels.FILL_MODES)}; {self.fill_mode!r} came"
            )
        if self.implementation == "auto":
            object.__setattr__(self, "implementation", "plain")
        if self.implementation not in ("plain", "keras_cv"):
            raise ValueError(
                f"implementation must be auto, plain or keras_cv; {self.implementation!r} came"
            )
        if self.randaugment is not None:
            randaugment.parse(self.randaugment)
        if self.implementation == "keras_cv" and self.randaugment is not None:
            raise ValueError(
                "keras-cv has another RandAugment than the rule randaugment="
                f"{self.randaugment!r} asks for. Use implementation='plain'"
            )
        if self.implementation == "keras_cv" and self.mixup and self.cutmix:
            raise ValueError(
                "keras-cv mixes images by mixup or by cutmix, not image by image by one of the two. "
                "Set one of them to 0, or use implementation='plain'"
            )

    def __call__(self, images, labels, seed):
        """Return a batch of images and labels, augmented as the seed decides.

        Shapes:
            images: (batch, height, width, 1) float32 in [0, 1].
            labels: (batch, k) float32, in [0, 1], NaN where unknown.
            returns: the same; images a tensor of the back end or NumPy, labels NumPy.

        Args:
            images: the images.
            labels: their labels.
            seed: whole number from 0 to 2**64 - 1; see
                :func:`~xraylab.training.augmentation.step_seed`.

        Raises:
            ValueError: if an argument has another shape, type or range.
            ImportError: if keras-cv is asked for where it does not work.
        """
        images, labels = _checked_images(images), _checked_labels(labels, len(images))
        if self.implementation == "keras_cv":
            return with_keras_cv.augment(self, images, labels, seed)
        if self.randaugment:
            images = randaugment.apply(randaugment.parse(self.randaugment), images, seed)
        todo = self._plan(images, seed)
        if not todo:
            return images, labels
        images = pixels.carry_out(images, todo, self.fill_mode)
        return images, plan.mix_labels(labels, todo) if "partner" in todo else labels

    def _plan(self, images, seed):
        """Return what will happen to each image, except for RandAugment."""
        todo, shape = {}, images.shape[:3]
        if self.brightness or self.contrast:
            todo |= plan.exposure_plan(
                images, seed, brightness=self.brightness, contrast=self.contrast
            )
        if self.flip or self.rotate or self.zoom or self.translate:
            todo |= plan.warp_plan(
                shape,
                seed,
                flip=self.flip,
                rotate=self.rotate,
                zoom=self.zoom,
                translate=self.translate,
            )
        if self.mixup or self.cutmix:
            todo |= plan.mixing_plan(shape, seed, mixup=self.mixup, cutmix=self.cutmix)
        return todo


_LARGEST = {
    "flip": 1,
    "rotate": 180,
    "zoom": 1,
    "translate": 1,
    "brightness": 1,
    "contrast": 1,
    "mixup": math.inf,
    "cutmix": math.inf,
}


def make(presets="images", **changes):
    """Return the :class:`Augmentation` of a preset, or of several together.

    Args:
        presets: a name of :data:`PRESETS`, or several with ``+`` between them, as in
            ``"images+mixup"``; where two set the same field, the later one decides.
        changes: fields of :class:`Augmentation` that are to differ.

    Raises:
        ValueError: for a preset or a field that there is not, or one out of range.
    """
    values = {}
    for name in str(presets).split("+"):
        if name.strip() not in PRESETS:
            raise ValueError(
                f"augmentation {presets!r}: expected names out of {', '.join(PRESETS)}, with + "
                f"between several; {name.strip()!r} came"
            )
        values |= PRESETS[name.strip()]
    known = [field.name for field in fields(Augmentation)]
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise ValueError(f"augmentations have no {unknown[0]!r}, but: {', '.join(known)}")
    return Augmentation(**(values | changes))


def _checked_images(images):
    """Return images as NumPy, after checking that they are what models take."""
    images = _to_numpy(images)
    if images.ndim != 4 or images.shape[-1] != 1 or not images.size:
        raise ValueError(f"images must be (batch, height, width, 1); {images.shape} came")
    if images.dtype != np.float32:
        raise ValueError(
            f"images must be float32 in [0, 1]; {images.dtype} came. "
            "xraylab.data.batches gives them so"
        )
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # written so that NaN is refused too
        raise ValueError(
            f"images must be in [0, 1]; values from {low:g} to {high:g} came. Divide by 255?"
        )
    return images


def _checked_labels(labels, batch):
    """Return labels as NumPy, after checking that there is one row an image."""
    labels = _to_numpy(labels)
    if labels.ndim != 2 or len(labels) != batch:
        raise ValueError(f"labels must be ({batch}, k), one row an image; {labels.shape} came")
    if labels.dtype != np.float32:
        raise ValueError(f"labels must be float32, to be mixed; {labels.dtype} came")
    return labels


def _to_numpy(values):
    """Return an array, wherever it came from."""
    return values if isinstance(values, np.ndarray) else ops.convert_to_numpy(values)
