"""First weights."""

import keras


def first_weights(stddev=None):
    """Return an initialiser: a truncated normal, cut off at two ``stddev``, or Keras's own.

    Each call returns a new one, since one initialiser draws the same numbers every time.

    Args:
        stddev: standard deviation before the cut, or None for Keras's own.
    """
    if stddev is None:
        return keras.initializers.GlorotUniform()
    return keras.initializers.TruncatedNormal(stddev=stddev)
