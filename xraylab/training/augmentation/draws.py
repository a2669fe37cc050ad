"""Random numbers that follow from a seed and a purpose alone, whatever was drawn before.

They are drawn by NumPy, not by the back end, so that TensorFlow and JAX get the same ones. NumPy
keeps the words of a Philox counter for ever, but not what its distributions make of them: a run is
resumed bit for bit with the NumPy that began it.
"""

import zlib

import numpy as np

from xraylab.arguments import MAX_SEED, require_int


def generator(seed, purpose):
    """Return the random numbers of one purpose.

    Each purpose has its own, so that adding MixUp to a recipe leaves the rotations as they were.

    Args:
        seed: whole number from 0 to 2**64 - 1.
        purpose: a name, such as ``"mixup"``.

    Raises:
        ValueError: if the seed is no such number.
    """
    return np.random.Generator(np.random.Philox(key=_key(seed, purpose)))


def step_seed(seed, step):
    """Return the seed of one training step: a whole number from 0 to 2**64 - 1.

    Unlike ``seed + step``, it gives runs of neighbouring seeds no common steps.

    Args:
        seed: the recipe's seed, from 0 to 2**64 - 1.
        step: number of the step, from 0 to 2**64 - 1.

    Raises:
        ValueError: if one is out of range.
    """
    require_int("step", step, 0, MAX_SEED)
    return int(np.random.Philox(key=_key(seed, "step"), counter=int(step)).random_raw())


def _key(seed, purpose):
    """Return the two words that select a Philox sequence."""
    require_int("seed", seed, 0, MAX_SEED)
    return np.array([seed, zlib.crc32(purpose.encode())], dtype=np.uint64)
