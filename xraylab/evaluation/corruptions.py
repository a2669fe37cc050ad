"""The image corruptions of ChestMNIST-C and the error of a model under them."""

import io
from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike
from PIL import Image, ImageEnhance

from xraylab.arguments import require, require_choice, require_int
from xraylab.evaluation.thresholds import operating_points
from xraylab.metrics.ranking import mean_of_defined


def _pixelate(image: Image.Image, fraction: float) -> Image.Image:
    small = image.resize(
        [max(1, int(side * fraction)) for side in image.size], Image.Resampling.BOX
    )
    return small.resize(image.size, Image.Resampling.BOX)


def _compress(image: Image.Image, quality: float) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(quality))
    return Image.open(stream, formats=["JPEG"])


def _brighten(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


def _contrast(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(factor)


def _each(change: Callable[[Image.Image, float], Image.Image]) -> Callable:
    """Make a function of one Pillow image a function of arrays in [0, 1]."""

    def apply(images, strength, rng):
        pictures = (Image.fromarray(image) for image in np.round(255 * images).astype(np.uint8))
        return np.stack([np.asarray(change(picture, strength)) for picture in pictures]) / 255

    return apply


def _blur(images, kernel, rng):
    radius = (kernel - 1) / 2
    sigma = 0.3 * (radius - 1) + 0.8  # torchvision's choice for a kernel size
    return scipy.ndimage.gaussian_filter(
        images, sigma, mode="mirror", radius=int(radius), axes=(1, 2)
    )


def _gaussian(images, deviation, rng):
    return images + rng.normal(0, deviation, images.shape)


def _speckle(images, deviation, rng):
    return images * (1 + rng.normal(0, deviation, images.shape))


def _shot(images, photons, rng):
    return rng.poisson(images * photons) / photons


def _gamma(images, exponent, rng):
    return images**exponent


def _impulses(images, amount, rng):
    drawn = rng.random(images.shape)
    return np.where(drawn < amount, drawn < amount / 2, images)


_UP, _DOWN = (1.1, 1.2, 1.3, 1.4, 1.6), (0.9, 0.8, 0.7, 0.6, 0.4)
_CORRUPTIONS: dict[str, tuple[Callable, tuple[float, ...]]] = {
    "pixelate": (_each(_pixelate), (0.30, 0.25, 0.20, 0.15, 0.10)),
    "jpeg_compression": (_each(_compress), (50, 30, 15, 10, 7)),
    "gaussian_noise": (_gaussian, (0.04, 0.08, 0.12, 0.18, 0.26)),
    "speckle_noise": (_speckle, (0.05, 0.15, 0.2, 0.35, 0.45)),
    "impulse_noise": (_impulses, (0.01, 0.03, 0.06, 0.09, 0.17)),
    "shot_noise": (_shot, (60, 25, 18, 10, 5)),
    "gaussian_blur": (_blur, (3, 5, 7, 9, 11)),
    "brightness_up": (_each(_brighten), (1.1, 1.2, 1.3, 1.4, 1.5)),
    "brightness_down": (_each(_brighten), (0.9, 0.8, 0.7, 0.6, 0.5)),
    "contrast_up": (_each(_contrast), _UP),
    "contrast_down": (_each(_contrast), _DOWN),
    "gamma_up": (_gamma, _UP),
    "gamma_down": (_gamma, _DOWN),
}

CORRUPTIONS: dict[str, tuple[float, ...]] = {name: row[1] for name, row in _CORRUPTIONS.items()}
"""The strength of each corruption at severities 1 to 5, as in ChestMNIST-C.

Relative size, JPEG quality, standard deviation, relative standard deviation, fraction of pixels,
photons at full intensity, kernel size in pixels, and factors or exponents.

References: Di Salvo et al. 2024 (``disalvo2024``) and its public registry.
"""


def corrupt_images(images: ArrayLike, corruption: str, severity: int, seed: int = 0) -> np.ndarray:
    """Corrupt images as ChestMNIST-C does.

    ChestMNIST-C has images of 224 pixels. Blur and noise act on the pixels of the images given, so
    that the same severity hides more of the chest on smaller images. Noise differs between images
    and depends on the seed alone.

    Shapes:
        images, returns: (num_images, height, width) uint8.

    Args:
        corruption: one of :data:`CORRUPTIONS`.
        severity: from 1 to 5.
        seed: seed of the noise.

    Raises:
        ValueError: if an argument is not as described.

    References: ``disalvo2024``.
    """
    images = np.asarray(images)
    valid = images.ndim == 3 and images.dtype == np.uint8
    require(valid, "images", "(num_images, height, width) uint8", f"{images.shape} {images.dtype}")
    function, strengths = _CORRUPTIONS[require_choice("corruption", corruption, CORRUPTIONS)]
    severity = require_int("severity", severity, 1, 5)
    rng = np.random.default_rng(seed)
    changed = function(images / 255, strengths[severity - 1], rng)
    return np.round(255 * np.clip(changed, 0, 1)).astype(np.uint8)


def balanced_error(y_true: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike) -> float:
    """Compute one minus the balanced accuracy, averaged over the labels that have both classes.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, NaN where unknown.
        probabilities: (num_images, num_labels), in [0, 1].
        thresholds: (num_labels,) or one number; a label is predicted where its probability exceeds
            the threshold.

    Returns:
        The error in [0, 1]; NaN if no label has both classes.

    Raises:
        ValueError: as :func:`xraylab.evaluation.operating_points`.

    References: ``disalvo2024``.
    """
    if np.ndim(thresholds) == 0:
        thresholds = np.full(np.shape(y_true)[1:], thresholds)
    points = operating_points(y_true, probabilities, thresholds)
    return float(mean_of_defined([1 - (p.sensitivity + p.specificity) / 2 for p in points]))
