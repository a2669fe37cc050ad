"""Kernel initializers."""

import keras


def kernel_initializer(stddev=None):
    """Create a truncated normal initializer, cut off at two ``stddev``, or Glorot's for None.

    Each call returns a new object, because one initializer draws the same values every time.
    """
    if stddev is None:
        return keras.initializers.GlorotUniform()
    return keras.initializers.TruncatedNormal(stddev=stddev)
