"""Fit and measure the classifier with which the live model refuses what is no chest X-ray.

::

    python tools/measure_refusal.py --real FOLDER

A logistic regression scores an upright frontal chest X-ray by 73 numbers: the image averaged to
8×8, its texture, and the error of RR-ViT's reconstruction. It is fitted on real training images
against turned and inverted ones and against drawn pictures (``other_pictures.py``). Thresholds come
from the validation images, the figures from the test images and from newly drawn pictures.
``book/live/images.js`` computes the same. The output holds numbers only.
"""

import sys

import numpy as np
from other_pictures import KINDS
from PIL import Image
from real_images import load, parser

from xraylab import explain, io, models, phantom
from xraylab.backend import start_keras
from xraylab.data.image_io import square_image

CELLS = 8
NUM_FIT, NUM_TURNED, NUM_DRAWN, NUM_MEASURED = 3000, 600, 150, 40
MAX_REFUSED, MAX_NAMED = 0.03, 0.005
"""Fractions of the validation images that are refused, and that are named turned or inverted."""
MAX_COLOUR = 12
"""Mean difference of the largest and the smallest of red, green and blue of a picture in colour."""


def features(pixels: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Compute what the classifier sees of square images.

    Shapes:
        pixels: (n, side, side) uint8, side a multiple of 8.
        errors: (n,), mean squared errors of the reconstruction.
        returns: (n, 73): the image averaged to 8×8, centred and of norm 1; the logarithms of error,
        of roughness (mean step between neighbours), of standard deviation, and of roughness,
        standard deviation within a cell, and error relative to it; left-right symmetry (second);
        fraction of nearly black or white pixels; mean.
    """
    x = pixels / 255.0
    n, side = len(x), pixels.shape[1]
    cells = x.reshape(n, CELLS, side // CELLS, CELLS, side // CELLS)
    small = cells.mean(axis=(2, 4))
    shape = small - small.mean(axis=(1, 2), keepdims=True)
    norm = np.linalg.norm(shape.reshape(n, -1), axis=1)
    shape /= np.maximum(norm, 1e-6)[:, None, None]
    symmetry = (shape * shape[..., ::-1]).sum(axis=(1, 2))
    steps = (np.abs(np.diff(x, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2))
    rough = sum(steps) / 2
    spread, local = x.std(axis=(1, 2)), cells.std(axis=(2, 4)).mean(axis=(1, 2))
    ends = ((pixels < 8) | (pixels > 247)).mean(axis=(1, 2))
    texture = (errors, rough, spread, rough / (spread + 1e-3), local / (spread + 1e-3))
    first, *others = np.log(np.array([*texture, errors / (spread**2 + 1e-4)]) + 1e-4)
    columns = np.stack([first, symmetry, *others, ends, x.mean(axis=(1, 2))], axis=1)
    return np.concatenate([shape.reshape(n, -1), columns], axis=1)


def variants(pixels: np.ndarray) -> np.ndarray:
    """Return images (n, side, side) as (2, 4, n, side, side): inverted or not, by quarter turns."""
    both = np.stack([pixels, 255 - pixels])
    return np.stack([np.rot90(both, turns, axes=(2, 3)) for turns in range(4)], axis=1)


def measure(model, pixels: np.ndarray) -> np.ndarray:
    """Compute the features of images (…, side, side)."""
    flat = np.ascontiguousarray(pixels.reshape(-1, *pixels.shape[-2:]))
    errors = [
        np.square(found.reconstruction - images).mean(axis=(1, 2, 3))
        for i in range(0, len(flat), 512)
        for images in [np.float32(flat[i : i + 512, ..., None]) / 255]
        for found in [explain.reconstruct(model, images)]
    ]
    return features(flat, np.concatenate(errors)).reshape(*pixels.shape[:-2], -1)


def draw(kind: str, seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw pictures of a kind; return them as the model takes them, and how colourful they are."""
    number = [*KINDS].index(kind)
    drawn = [KINDS[kind](np.random.default_rng([seed, number, i])) for i in range(count)]
    colour = [np.ptp(p.astype(int), axis=-1).mean() if p.ndim == 3 else 0 for p in drawn]
    return np.stack([square_image(Image.fromarray(p), 64) for p in drawn]), np.array(colour)


def fit(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit the logistic regression; return its coefficients and intercept for raw features."""
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate([positive, negative])
    mean, scale = x.mean(axis=0), x.std(axis=0)
    fitted = LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced")
    fitted.fit((x - mean) / scale, np.arange(len(x)) < len(positive))
    coefficients = fitted.coef_[0] / scale
    return coefficients, float(fitted.intercept_[0] - coefficients @ mean)


def with_thresholds(coefficients: np.ndarray, intercept: float, validation: np.ndarray) -> dict:
    """Return a classifier whose thresholds are quantiles of the validation images.

    Shapes:
        validation: (2, 4, n, 73), features of their :func:`variants`.
    """
    scores = (validation @ coefficients + intercept).reshape(8, -1)
    gain = scores[1:].max(axis=0) - scores[0]
    return {
        "coefficients": [float(f"{value:.5g}") for value in coefficients],
        "intercept": round(intercept, 4),
        "threshold": round(float(np.quantile(scores[0], MAX_REFUSED)), 4),
        "margin": round(float(max(0, np.quantile(gain, 1 - MAX_NAMED))), 4),
        "max_colour": MAX_COLOUR,
    }


def classify(classifier: dict, values: np.ndarray, colour: np.ndarray | float = 0) -> np.ndarray:
    """Classify images by the features of their variants.

    Shapes:
        values: (2, 4, n, 73), the features of the variants of n images.
        returns: (n,) int: 0 for an upright chest X-ray, 1 to 7 for the variant that is one, -1 for
        another picture.
    """
    scores = values @ np.array(classifier["coefficients"]) + classifier["intercept"]
    scores = scores.reshape(8, -1)
    best, highest = scores.argmax(axis=0), scores.max(axis=0)
    accepted = scores[0] >= classifier["threshold"]
    limit = np.maximum(classifier["threshold"], scores[0] + classifier["margin"])
    turned = (best > 0) & (highest > limit)
    found = np.where(turned, best, np.where(accepted, 0, -1))
    return np.where(colour > classifier["max_colour"], -1, found)


def turned(values: np.ndarray, inverted: int, turns: int) -> np.ndarray:
    """Return the features that turned images have, from those of the images themselves."""
    rolled = np.roll(values, -turns, axis=1)
    return rolled[::-1] if inverted else rolled


def main():
    options = parser(__doc__, "refusal.json").parse_args()
    start_keras()
    rng = np.random.default_rng(0)
    model = models.build("rr_vit", image_size=64, weights="pretrained")
    train, val, test = (split.images for split in load(options.real, "train", "val", "test"))
    chosen = rng.choice(len(train), NUM_FIT, replace=False)
    positive = measure(model, train[chosen])
    others = variants(train[rng.choice(len(train), NUM_TURNED, replace=False)])
    negative = measure(model, others.reshape(8, *others.shape[2:])[1:]).reshape(-1, 73)
    drawn = {kind: measure(model, draw(kind, 0, NUM_DRAWN)[0]) for kind in KINDS}
    validation, real = measure(model, variants(val)), measure(model, variants(test))

    def fitted(left_out=None):
        kinds = [values for kind, values in drawn.items() if kind != left_out]
        return with_thresholds(*fit(positive, np.concatenate([negative, *kinds])), validation)

    classifier = fitted()
    found = classify(classifier, real)
    names = {"inverted": (1, 0), "turned 90": (0, 1), "turned 180": (0, 2), "turned 270": (0, 3)}
    correct = {0: 0, 1: 3, 2: 2, 3: 1}  # quarter turns that undo a number of them
    orientation = {}
    for name, (inverted, turns) in names.items():
        kind = classify(classifier, turned(real, inverted, turns))
        named = (kind == 4 * inverted + correct[turns]).mean()
        orientation[name] = {"named": float(named), "refused": float((kind == -1).mean())}
    measured = {}
    for kind in KINDS:
        pixels, colour = draw(kind, 1, NUM_MEASURED)
        values = measure(model, variants(pixels))
        accepted = classify(classifier, values, colour) == 0
        unseen = classify(fitted(kind), values, colour) == 0
        rates = {"refused": float(1 - accepted.mean()), "unseen": float(1 - unseen.mean())}
        measured[kind] = {"pictures": len(pixels), **rates}
        print(f"{kind:14s} {rates['refused']:.3f}  {rates['unseen']:.3f} when not fitted on")
    simulated = phantom.simulate(np.arange(100), 64).images
    taken = classify(classifier, measure(model, variants(simulated))) == 0
    facts = {
        "test_images": len(test),
        "refused": float((found == -1).mean()),
        "named": float((found > 0).mean()),
        "simulated_accepted": float(taken.mean()),
        "orientation": orientation,
        "others": measured,
    }
    print({name: value for name, value in facts.items() if name != "others"})
    io.write_json(options.out, {"classifier": classifier, "measured": facts})


if __name__ == "__main__":
    sys.exit(main())
