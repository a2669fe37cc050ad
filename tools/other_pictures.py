"""Pictures that are no frontal chest X-rays, drawn at random: input of tools/measure_refusal.py."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = 256
Generator = np.random.Generator


def spectrum(rng: Generator) -> np.ndarray:
    """Draw noise with the power spectrum of photographs, 1/f to a power of 1.6 to 2.4, in grey."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
    frequency[0, 0] = 1
    noise = np.fft.fft2(rng.normal(size=(SIZE, SIZE))) / frequency ** rng.uniform(0.8, 1.2)
    return _stretch(np.fft.ifft2(noise).real)


def colour(rng: Generator) -> np.ndarray:
    """Draw such noise in colour."""
    shared, weight = spectrum(rng), rng.uniform(0.3, 0.7)
    channels = [weight * shared + (1 - weight) * spectrum(rng) for _ in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def leaves(rng: Generator) -> np.ndarray:
    """Draw discs that cover each other, a model of the edges in photographs."""
    image, pen = _canvas(rng)
    for _ in range(rng.integers(60, 400)):
        x, y = rng.uniform(0, SIZE, 2)
        radius = min(5 * rng.pareto(1.5) + 3, SIZE / 3)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_level(rng))
    return np.asarray(image)


def shapes(rng: Generator) -> np.ndarray:
    """Draw a few ellipses, boxes and lines."""
    image, pen = _canvas(rng)
    for _ in range(rng.integers(3, 12)):
        (x0, x1), (y0, y1) = np.sort(rng.uniform(0, SIZE, (2, 2)))
        draw = [pen.ellipse, pen.rectangle, pen.line][rng.integers(3)]
        draw((x0, y0, x1, y1), fill=_level(rng), **({"width": 9} if draw == pen.line else {}))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 3))))


def text(rng: Generator) -> np.ndarray:
    """Draw a page of text, dark on white or white on dark."""
    image, pen = _canvas(rng, 255)
    height = int(rng.integers(9, 32))
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGH      ,."))
    for y in range(8, SIZE - height, int(height * rng.uniform(1.1, 1.8))):
        line = "".join(rng.choice(letters, rng.integers(4, 60)))
        pen.text((8, y), line, font=ImageFont.load_default(height), fill=int(rng.integers(60)))
    pixels = np.asarray(image)
    return 255 - pixels if rng.random() < 0.3 else pixels


def noise(rng: Generator) -> np.ndarray:
    """Draw white noise, sharp or blurred."""
    image = Image.fromarray(rng.integers(0, 256, (SIZE, SIZE), np.uint8))
    return _stretch(np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 12)))))


def gradient(rng: Generator) -> np.ndarray:
    """Draw a linear or radial gradient."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - rng.uniform(0.2, 0.8, (2, 1, 1))
    angle = rng.uniform(0, 2 * np.pi)
    linear = x * np.cos(angle) + y * np.sin(angle)
    return _stretch(linear if rng.random() < 0.5 else rng.choice([-1, 1]) * np.hypot(x, y))


def checkerboard(rng: Generator) -> np.ndarray:
    """Draw a checkerboard or stripes."""
    y, x = np.mgrid[:SIZE, :SIZE] // rng.integers(4, 90)
    cells = [x + y, x, y][rng.integers(3)] % 2
    low, high = np.sort(rng.integers(0, 256, 2))
    return np.where(cells, min(high + 30, 255), low).astype(np.uint8)


def chart(rng: Generator) -> np.ndarray:
    """Draw a line chart with axes on white."""
    image, pen = _canvas(rng, 255)
    pen.line((30, 10, 30, 230, 250, 230), fill=0, width=2)
    for _ in range(rng.integers(1, 4)):
        y = np.clip(120 + np.cumsum(rng.normal(0, 12, 23)), 12, 228)
        points = list(zip(range(30, 260, 10), y.tolist(), strict=True))
        pen.line(points, fill=_level(rng) // 2, width=int(rng.integers(1, 5)))
    return np.asarray(image)


def hand(rng: Generator) -> np.ndarray:
    """Draw a radiograph of a hand: soft tissue, four bones in each of five fingers, wrist."""
    image, pen = _canvas(rng, int(rng.integers(0, 30)))
    tissue, bone = int(rng.integers(60, 110)), int(rng.integers(150, 230))
    wrist = np.array([SIZE / 2 + rng.normal(0, 12), 205])
    fingers = []
    for turn in np.radians(np.linspace(-35, 30, 5) + rng.normal(0, 4)):
        direction = np.array([np.sin(turn), -np.cos(turn)])
        lengths = rng.uniform(0.85, 1.15) * np.array([0, 65, 40, 28, 20])
        fingers.append(wrist + 15 * direction + np.cumsum(lengths)[:, None] * direction)
    for level, width in ((tissue, 26), (bone, 10)):
        pen.line((*wrist, wrist[0], SIZE), fill=level, width=3 * width)
        for joints in fingers:
            for start, end in pairwise(joints):
                gap = 0.08 * (end - start) if level == bone else 0
                ends = (*(start + gap), *(end - gap))
                pen.line(ends, fill=level, width=width)
    return _radiograph(image, rng)


def limb(rng: Generator) -> np.ndarray:
    """Draw a radiograph of a limb: soft tissue and one or two long bones."""
    image, pen = _canvas(rng, int(rng.integers(0, 30)))
    middle = SIZE / 2 + rng.normal(0, 10)
    ends = np.array([0, SIZE])
    tilt = rng.uniform(-30, 30)
    for level, width, offsets in (
        (rng.integers(60, 120), rng.uniform(90, 170), [0]),
        (rng.integers(150, 240), rng.uniform(18, 40), [[0], [-28, 28]][rng.integers(2)]),
    ):
        for offset in offsets:
            x0, x1 = middle + offset - tilt, middle + offset + tilt
            pen.line((x0, ends[0], x1, ends[1]), fill=int(level), width=int(width))
    return _radiograph(image, rng)


def axial(rng: Generator) -> np.ndarray:
    """Draw an axial slice of a trunk, as of computed tomography: body, organs, vertebra."""
    image, pen = _canvas(rng, 0)
    half = rng.uniform([90, 60], [120, 90])
    middle = SIZE / 2 + rng.normal(0, 5, 2)
    ellipse = [*(middle - half), *(middle + half)]
    pen.ellipse(ellipse, fill=int(rng.integers(110, 170)))
    for _ in range(rng.integers(3, 8)):
        x, y = middle + rng.uniform(-0.6, 0.6, 2) * half
        a, b = rng.uniform(8, 40, 2)
        pen.ellipse((x - a, y - b, x + a, y + b), fill=int(rng.integers(20, 220)))
    x, y = middle[0], middle[1] + 0.6 * half[1]
    pen.ellipse((x - 15, y - 12, x + 15, y + 12), fill=int(rng.integers(220, 256)))
    return _radiograph(image, rng)


KINDS: dict[str, Callable[[Generator], np.ndarray]] = {
    function.__name__: function
    for function in (
        spectrum, colour, leaves, shapes, text, noise, gradient, checkerboard, chart, hand, limb,
        axial,
    )
}  # fmt: skip
"""Functions that draw one picture, (256, 256) or (256, 256, 3) uint8, by the name of its kind."""


def _level(rng):
    return int(rng.integers(256))


def _canvas(rng, level=None):
    image = Image.new("L", (SIZE, SIZE), _level(rng) if level is None else level)
    return image, ImageDraw.Draw(image)


def _stretch(values):
    low, high = np.percentile(values, [1, 99])
    return np.clip((values - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)


def _radiograph(image, rng):
    """Blur the edges and add noise, as a detector does."""
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(1, 4))), float)
    return np.clip(pixels + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
