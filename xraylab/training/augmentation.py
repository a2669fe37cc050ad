"""Augmentation: Keras preprocessing layers whose random numbers depend on a seed alone.

::

    augment = augmentation.make("cxr+mixup", mixup=0.4)
    images, labels = augment(images, labels, augmentation.step_seed(recipe.seed, step))

No state is carried from one call to the next, so a resumed run draws the same numbers as one that
was never interrupted. Any other Keras layers can be added or used instead::

    layers = [*augmentation.build("cxr"), keras.layers.RandomErasing(value_range=(0, 1))]
    augment = augmentation.Augmentation(layers)
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from xraylab.arguments import require_choice
from xraylab.backend import compiled

PRESETS: dict[str, dict[str, Any]] = {
    "none": {},
    "slides": {"flip": True, "rotate": 10.0, "zoom": 0.1, "translate": 0.05},
    "cxr": {"rotate": 5.0, "zoom": 0.06, "translate": 0.04, "brightness": 0.06, "contrast": 0.15},
    "randaugment": {"randaugment": 5.0},
    "mixup": {"mixup": 0.2},
    "cutmix": {"cutmix": 1.0},
}
"""Arguments of :func:`build` by preset.

``slides`` has the operations of ``pham2026``, slide "Processing pipeline", which gives neither
their strengths nor the axis of the flip. ``cxr`` has the variation between two exposures of one
patient, and no mirror image. ``randaugment`` follows ``rand2025``, whose timm rule is
m5-mstd0.2-inc2. α of ``mixup`` is in the range that ``zhang2018`` advises; α of ``cutmix`` is that
of ``yun2019``.
"""

_VALUES = {"value_range": (0.0, 1.0), "dtype": "float32"}
_WARP = {"fill_mode": "constant", "dtype": "float32"}  # black, as outside the X-ray beam


class _ColorOfOneChannel(layers.RandomColorDegeneration):
    """The color operation of RandAugment on one channel, where there is none: no change.

    Keras 3.13, which Colab and Kaggle have, multiplies the image by three weights and fails.
    """

    def transform_images(self, images, transformation=None, training=True):
        return images


@keras.saving.register_keras_serializable("xraylab")
class RandAugment(layers.RandAugment):
    """RandAugment of Keras with the strengths of timm's magnitude ``m``, on one-channel images.

    Differences from timm: every batch draws one operation for all of its images, each with its own
    strength, where timm draws two for each image and applies each with probability 1/2; strengths
    are uniform up to the magnitude, in both directions, not normally distributed about it; color
    does nothing on one channel; and inversion is not among the operations.

    Args:
        magnitude: m in [0, 10].

    References: Cubuk et al. 2020 (``cubuk2020``); scales: Wightman 2019 (``wightman2019``).
    """

    def __init__(self, magnitude: float = 5.0, **kwargs):
        s = magnitude / 10
        super().__init__(num_ops=1, factor=s, **_VALUES, **kwargs)
        self.magnitude = magnitude
        self.random_shear = layers.RandomShear(0.3 * s, 0.3 * s, **_WARP)
        self.random_translation = layers.RandomTranslation(0.45 * s, 0.45 * s, **_WARP)
        self.random_rotation = layers.RandomRotation(30 * s / 360, **_WARP)
        self.random_brightness = layers.RandomBrightness(0.9 * s, **_VALUES)
        self.random_color_degeneration = _ColorOfOneChannel(s, **_VALUES)
        self.random_contrast = layers.RandomContrast((0.9 * s, 0.9 * s), **_VALUES)
        # Keras doubles the factor; 1 leaves the image as it is.
        self.random_sharpness = layers.RandomSharpness((0.5 - 0.45 * s, 0.5 + 0.45 * s), **_VALUES)
        self.random_posterization = layers.RandomPosterization((4 - int(4 * s), 8), **_VALUES)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments."""
        return {"magnitude": self.magnitude, "name": self.name}


_LAYERS = {
    "randaugment": RandAugment,
    "brightness": lambda x: layers.RandomBrightness(x, **_VALUES),
    "contrast": lambda x: layers.RandomContrast((x, x), **_VALUES),
    "flip": lambda x: layers.RandomFlip("horizontal", dtype="float32"),
    "rotate": lambda x: layers.RandomRotation(x / 360, **_WARP),
    "zoom": lambda x: layers.RandomZoom(x, **_WARP),
    "translate": lambda x: layers.RandomTranslation(x, x, **_WARP),
    "mixup": lambda x: layers.MixUp(x, dtype="float32"),
    "cutmix": lambda x: layers.CutMix((x, x), dtype="float32"),
}


def settings(presets: str = "cxr", **changes: Any) -> dict[str, Any]:
    """Return the arguments of one or more presets, with some changed; see :func:`build`.

    Raises:
        ValueError: if a preset or argument is unknown.
    """
    values: dict[str, Any] = {}
    for name in str(presets).split("+"):
        values |= PRESETS[require_choice("augmentation preset", name.strip(), PRESETS)]
    for name in changes:
        require_choice("augmentation argument", name, _LAYERS)
    return values | changes


def build(presets: str = "cxr", **changes: Any) -> list[keras.layers.Layer]:
    """Build the preprocessing layers of one or more presets.

    ``flip`` is off unless requested: a model trained on mirror images cannot distinguish a heart
    on the right side (dextrocardia) from a normal one.

    Args:
        presets: a name of :data:`PRESETS`, or several joined by ``+``, as in ``"cxr+mixup"``;
            where two set the same argument, the later one counts.
        changes: arguments that differ from the preset; 0 leaves an operation out. ``flip``: whether
            every second image is mirrored left to right. ``rotate``: largest angle in degrees.
            ``zoom``, ``translate``: largest change as a fraction of the side. ``brightness``:
            largest change in grey level, of [0, 1]. ``contrast``: largest relative change about the
            image's mean. ``randaugment``: magnitude in [0, 10], see :class:`RandAugment`.
            ``mixup``: α. ``cutmix``: α in [0, 1].

    Returns:
        Layers for images (batch, height, width, 1) float32 in [0, 1], in the order in which they
        are applied.

    Raises:
        ValueError: if a preset or argument is unknown, or Keras refuses the value of an argument.

    References: Zhang et al. 2018 (``zhang2018``); Yun et al. 2019 (``yun2019``).
    """
    values = settings(presets, **changes)
    return [make_layer(values[name]) for name, make_layer in _LAYERS.items() if values.get(name)]


class Augmentation:
    """Apply preprocessing layers as a pure function of images, labels and a seed.

    The layers are compiled in the first call, as they are then; later changes of a layer have no
    effect.

    Args:
        layers: Keras preprocessing layers with a ``generator``, as from :func:`build`, and no other
            state.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer]):
        self.layers = tuple(layers)
        self._compiled = compiled(self._apply, [layer.generator.state for layer in layers])

    def __call__(self, images: Any, labels: Any, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Augment a batch.

        Shapes:
            images: (batch, height, width, 1) float32 in [0, 1].
            labels: (batch, num_labels) float32 in [0, 1]; NaN where unknown. A mixed label is
                unknown if one of the two is.
            returns: images and labels of the same shapes.

        Args:
            seed: determines all random numbers, given a backend; not negative. See
                :func:`step_seed`.
        """
        steps = range(len(self.layers))
        words = [np.random.SeedSequence((seed, step)).generate_state(2) for step in steps]
        # The state of a generator may be of a signed type.
        images, labels = self._compiled(images, labels, [word >> 1 for word in words])
        return ops.convert_to_numpy(images), ops.convert_to_numpy(labels)

    def __reduce__(self):
        return Augmentation, (self.layers,)

    def _apply(self, images, labels, states):
        batch = {"images": images, "labels": labels}
        for layer, state in zip(self.layers, states, strict=True):
            layer.generator.state.assign(state)
            batch = layer(batch, training=True)
        return batch["images"], batch["labels"]


def make(presets: str = "cxr", **changes: Any) -> Augmentation:
    """Build an :class:`Augmentation` of one or more presets; arguments as for :func:`build`."""
    return Augmentation(build(presets, **changes))


def step_seed(seed: int, step: int) -> int:
    """Return the seed of a training step, in [0, 2**64 - 1].

    Unlike ``seed + step``, runs with neighbouring seeds have no steps in common.

    Args:
        seed: seed of the run, not negative.
        step: number of the step.
    """
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0])
