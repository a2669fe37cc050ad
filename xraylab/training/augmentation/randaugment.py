"""RandAugment on grey images, by timm's rule strings and with Pillow's operations, as in timm.

For each image, ``n`` operations are chosen at random, with repetition; each is carried out with
probability ``p``, at a magnitude M = m + noise, kept from 0 to 10. With s = M / 10, either sign:

==================  =============================================================================
``auto_contrast``   stretches the grey levels so that the darkest is black, the brightest white
``equalize``        makes all grey levels about equally frequent
``invert``          turns the image into its negative
``rotate``          by 30° · s, either way
``posterize``       keeps the highest 4 - ⌊4s⌋ bits of each grey level
``solarize``        inverts the grey levels from 256 - ⌊256s⌋ up
``solarize_add``    adds ⌊110s⌋ to the grey levels under 128
``contrast``        multiplies the distance from the mean grey level by 1 ± 0.9s
``brightness``      multiplies the grey levels by 1 ± 0.9s
``sharpness``       goes 0.9s of the way to an image blurred over 3x3 pixels, or as far beyond
``shear_x``         shifts each row by 0.3s of its distance from the top edge, either way
``shear_y``         shifts each column by 0.3s of its distance from the left edge, either way
``translate_x``     shifts sideways by 0.45s of the side, either way
``translate_y``     shifts up or down by 0.45s of the side
==================  =============================================================================

That is for increasing severity (``inc1``). Without it, timm's older scales hold: posterize keeps
⌊4s⌋ bits, solarize begins at ⌊256s⌋, and the three factors are 0.1 + 1.8s.

Two things differ from timm. Its fifteenth operation, colour, does nothing on a grey image and is
left out, so the others come a little more often. And what enters from outside the image is black,
not grey, interpolated bilinearly.

Source: ``cubuk2020``; the rule and the scales, ``wightman2019``.
"""

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps  # comes with matplotlib

from xraylab.training.augmentation.draws import generator

SCALE = 10
"""The magnitude at which s is 1."""


@dataclass(frozen=True)
class Rule:
    """How often and how strongly images are changed.

    Args:
        magnitude: m, the mean magnitude.
        layers: n, operations an image.
        probability: p, the chance that a chosen operation is carried out.
        noise: mstd, the standard deviation of the magnitude; above 100, it is uniform from 0 to m.
        most: mmax, the largest magnitude.
        increasing: inc, whether every operation is the stronger the larger the magnitude.
    """

    magnitude: float = 10
    layers: int = 2
    probability: float = 0.5
    noise: float = 0.0
    most: float = SCALE
    increasing: bool = False


KEYS = {
    "m": ("magnitude", float),
    "n": ("layers", int),
    "p": ("probability", float),
    "mstd": ("noise", float),
    "mmax": ("most", float),
    # timm takes any number for a yes, as in the inc2 of published recipes.
    "inc": ("increasing", lambda number: bool(int(number))),
}
"""The parts of a rule string, and the fields of :class:`Rule` that they set."""


def parse(text):
    """Return the :class:`Rule` of a string such as ``"m5-mstd0.2-inc2"``.

    Args:
        text: parts with a hyphen between them, in any order, each a key of :data:`KEYS` and a
            number; timm's ``"rand-"`` may stand in front. What is left out has timm's default.

    Raises:
        ValueError: if a part is not understood or out of range.
    """
    fields = {}
    for part in str(text).removeprefix("rand-").split("-"):
        try:
            key, number = re.fullmatch(r"([a-z]+)([\d.]+)", part).groups()
            name, convert = KEYS[key]
            fields[name] = convert(number)
        except (AttributeError, KeyError, ValueError):
            raise ValueError(
                f"randaugment={text!r}: expected parts such as m5, n2, p0.5, mstd0.2, mmax10 and "
                f"inc1, with hyphens between them; {part!r} came. Try 'm5-mstd0.2-inc1'"
            ) from None
    rule = Rule(**fields)
    if not 0 <= rule.probability <= 1:
        raise ValueError(f"randaugment={text!r}: expected p from 0 to 1; {rule.probability} came")
    if rule.layers < 1:
        raise ValueError(f"randaugment={text!r}: expected n of at least 1; {rule.layers} came")
    return rule


def apply(rule, images, seed):
    """Return images changed by a rule.

    Images are taken in 256 grey levels, as Pillow does and as they come from the data; those that no
    operation changes are returned as they are.

    Shapes:
        images: (batch, height, width, 1) float32 in [0, 1].
        returns: the same, NumPy.

    Args:
        rule: a :class:`Rule`.
        images: the images.
        seed: see :func:`~xraylab.training.augmentation.draws.generator`.
    """
    random = generator(seed, "randaugment")
    # Every number is drawn, needed or not, so that an image's depend on its row alone.
    chance, noise, choice, sign = random.random((len(images), rule.layers, 4)).transpose(2, 0, 1)
    if rule.noise > 100:
        magnitude = rule.magnitude * noise
    else:
        normal = generator(seed, "magnitude").standard_normal(noise.shape)
        magnitude = rule.magnitude + rule.noise * normal
    level = np.clip(magnitude, 0, rule.most) / SCALE
    sign = np.where(sign < 0.5, -1, 1)
    operations = np.array(list(OPERATIONS))[(choice * len(OPERATIONS)).astype(int)]
    applied = chance < rule.probability

    images = np.array(images)
    for row in np.flatnonzero(applied.any(axis=1)):
        image = Image.fromarray(np.rint(images[row, ..., 0] * 255).astype(np.uint8))
        for layer in np.flatnonzero(applied[row]):
            operate = OPERATIONS[operations[row, layer]]
            image = operate(image, float(level[row, layer]), int(sign[row, layer]), rule.increasing)
        np.divide(image, np.float32(255), out=images[row, ..., 0], dtype=np.float32)
    return images


def _rotate(image, level, sign, increasing):
    return image.rotate(sign * 30 * level, Image.Resampling.BILINEAR)


def _posterize(image, level, sign, increasing):
    bits = int(4 * level)
    bits = max(0, 4 - bits) if increasing else min(bits, 8)
    dropped = 8 - bits  # Pillow's own refuses to keep none, as timm's scales may ask
    return image.point([i >> dropped << dropped for i in range(256)])


def _solarize(image, level, sign, increasing):
    threshold = int(256 * level)
    return ImageOps.solarize(image, 256 - threshold if increasing else threshold)


def _solarize_add(image, level, sign, increasing):
    added = int(110 * level)
    return image.point([min(255, i + added) if i < 128 else i for i in range(256)])


def _enhance(enhancer):
    """Return the operation of one of Pillow's enhancers, for which a factor of 1 is no change."""

    def operate(image, level, sign, increasing):
        factor = max(0.1, 1 + sign * 0.9 * level) if increasing else 0.1 + 1.8 * level
        return enhancer(image).enhance(factor)

    return operate


def _affine(coefficients):
    """Return the operation of an affine map, given by the level, with its sign, and the side.

    Pillow's coefficients take a place in the new image to the old image's.
    """

    def operate(image, level, sign, increasing):
        matrix = coefficients(sign * level, image.width)
        return image.transform(
            image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=0
        )

    return operate


OPERATIONS = {
    "auto_contrast": lambda image, level, sign, increasing: ImageOps.autocontrast(image),
    "equalize": lambda image, level, sign, increasing: ImageOps.equalize(image),
    "invert": lambda image, level, sign, increasing: ImageOps.invert(image),
    "rotate": _rotate,
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
    "contrast": _enhance(ImageEnhance.Contrast),
    "brightness": _enhance(ImageEnhance.Brightness),
    "sharpness": _enhance(ImageEnhance.Sharpness),
    "shear_x": _affine(lambda level, side: (1, 0.3 * level, 0, 0, 1, 0)),
    "shear_y": _affine(lambda level, side: (1, 0, 0, 0.3 * level, 1, 0)),
    "translate_x": _affine(lambda level, side: (1, 0, 0.45 * level * side, 0, 1, 0)),
    "translate_y": _affine(lambda level, side: (1, 0, 0, 0, 1, 0.45 * level * side)),
}
"""Each takes a grey Pillow image, s, its sign, and whether severity increases; see the module."""
