"""Augmentation: images as they might also have come out, as a pure function of (images, seed).

::

    augment = augmentation.make("images+mixup", mixup=0.4)
    images, labels = augment(images, labels, augmentation.step_seed(recipe.seed, step))

A run that is killed and resumed, and several processes that share one batch, get the very same
images, because nothing is remembered from one call to the next.

==================  ============================================================================
``augmentation``    :class:`Augmentation`, the presets, :func:`make`
``draws``           random numbers that follow from a seed alone
``plan``            what will happen to each image of a batch: NumPy arrays
``pixels``          carries the plan out, in any Keras back end
``randaugment``     RandAugment by timm's rule strings, with Pillow as in timm
``with_keras_cv``   the same through keras-cv's layers, for those who want them
==================  ============================================================================
"""

from xraylab.training.augmentation.augmentation import PRESETS, Augmentation, make
from xraylab.training.augmentation.draws import step_seed

__all__ = ["PRESETS", "Augmentation", "make", "step_seed"]
