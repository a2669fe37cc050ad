"""The same augmentations through keras-cv's layers, for comparison with work that uses them.

keras-cv is frozen at 0.9, and its layers draw from TensorFlow's process-wide random numbers, seeds
or no seeds (MixUp's λ, brightness and contrast take none). They are therefore reset from the seed
before every batch, which makes the batch a function of it, at the price that whatever else in the
process draws from them is reset too. The plain path needs nothing of the kind.

The two agree in distribution, but for three things:

* keras-cv interpolates once a layer, so that an image both rotated and zoomed is a little smoother;
* its CutMix weighs the labels by the whole box, also where that reaches over the edge of the image;
* its RandAugment has other operations and scales than timm's, so a rule string is refused.
"""

import functools
import importlib

import keras
import numpy as np

from xraylab.training.augmentation.draws import generator
from xraylab.training.augmentation.pixels import FILL_MODES


def augment(augmentation, images, labels, seed):
    """Return images and labels augmented by keras-cv; arguments as for calling an augmentation.

    Raises:
        ImportError: if keras-cv is not installed, or the back end is not TensorFlow.
    """
    layers = _layers(augmentation)
    import tensorflow as tf

    word = int(generator(seed, "keras_cv").integers(1, 2**31))
    tf.random.set_seed(word)
    tf.random.get_global_generator().reset_from_seed(word)
    batch = {"images": tf.constant(images), "labels": tf.constant(labels)}
    for layer in layers:
        batch = layer(batch)
    return tf.clip_by_value(batch["images"], 0.0, 1.0), np.asarray(batch["labels"])


@functools.lru_cache(maxsize=8)
def _layers(augmentation):
    """Return keras-cv's layers for an augmentation, in the order of the plain path."""
    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            "implementation='keras_cv' needs Keras on TensorFlow; it runs on "
            f"{keras.backend.backend()}. Use implementation='plain'"
        )
    try:
        cv = importlib.import_module("keras_cv.layers")
    except ImportError as error:
        raise ImportError(
            "implementation='keras_cv' needs the package keras-cv, which cannot be imported "
            f"({error}). Install it (pip install keras-cv), or use implementation='plain'"
        ) from error
    options = {"dtype": "float32"}
    warp = options | {"fill_mode": FILL_MODES[augmentation.fill_mode]}
    grey = options | {"value_range": (0, 1)}
    wanted = [
        (augmentation.contrast, lambda c: cv.RandomContrast(factor=c, **grey)),
        (augmentation.brightness, lambda b: cv.RandomBrightness(factor=b, **grey)),
        (augmentation.flip, lambda p: cv.RandomFlip("horizontal", rate=p, **options)),
        (augmentation.rotate, lambda degrees: cv.RandomRotation(degrees / 360, **warp)),
        (augmentation.zoom, lambda z: cv.RandomZoom(z, **warp)),
        (augmentation.translate, lambda t: cv.RandomTranslation(t, t, **warp)),
        (augmentation.mixup, lambda alpha: cv.MixUp(alpha, **options)),
        (augmentation.cutmix, lambda alpha: cv.CutMix(alpha, **options)),
    ]
    return [layer(float(value)) for value, layer in wanted if value]
