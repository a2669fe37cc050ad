"""Random numbers that depend on nothing but seed, image and purpose.

Every number is a hash of (seed, image index, purpose, position): no stream is consumed, so an image is
the same whichever images are made beside it, and a finding that is switched on does not change the
random numbers of anything else. The hash is the finaliser of SplitMix64 (``steele2014``, Fig. 18),
whole-number arithmetic that gives the same bits on every machine and NumPy.
"""

import zlib

import numpy as np

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)


def uniform(seed, indices, purpose, count):
    """Return uniform random numbers.

    Shapes:
        indices: (n,) whole numbers of at least 0.
        returns: (n, count) float64 in [0, 1).

    Args:
        seed: whole number of at least 0.
        purpose: what the numbers are for; another text gives other numbers.
        count: how many numbers an image.
    """
    return (_words(seed, indices, purpose, count) >> np.uint64(11)) * 2.0**-53


def triangular_noise(seed, indices, purpose, count):
    """Return noise between -1 and 1 whose density is a triangle about 0; variance 1/6.

    Shapes:
        returns: (n, count) float32.
    """
    words = _words(seed, indices, purpose, count)
    low = (words & np.uint64(0xFFFFFF)).astype(np.float32)
    high = (words >> np.uint64(40)).astype(np.float32)
    return (low - high) * np.float32(2.0**-24)


def _words(seed, indices, purpose, count):
    """Return (n, count) random 64-bit words."""
    with np.errstate(over="ignore"):  # 64-bit arithmetic that wraps around is what is wanted
        key = _mix(np.uint64(seed) + _INCREMENT * np.uint64(zlib.crc32(purpose.encode()) + 1))
        images = _mix(np.asarray(indices, dtype=np.uint64) * _INCREMENT + key)
        places = np.arange(1, count + 1, dtype=np.uint64) * _INCREMENT
        return _mix(images[:, np.newaxis] + places)


def _mix(words):
    """Scramble 64-bit words so that each bit depends on every bit."""
    words = np.atleast_1d(words)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


class Dice:
    """Random numbers for one purpose, handed out in the order in which they are asked for.

    Args:
        seed, indices, purpose: as for :func:`uniform`.
        count: how many throws there are at most.
    """

    def __init__(self, seed, indices, purpose, count):
        self._numbers = iter(uniform(seed, indices, purpose, count).T)

    def between(self, low, high):
        """Return (n,) numbers, uniform between two bounds."""
        return low + (high - low) * next(self._numbers)

    def bell(self, centre, spread):
        """Return (n,) numbers from centre - spread to centre + spread, most in the middle.

        The mean of three uniform numbers: its standard deviation is a third of the spread.
        """
        return centre + spread * (2 * sum(next(self._numbers) for _ in range(3)) / 3 - 1)

    def chance(self, probability):
        """Return (n,) truths, each with a probability."""
        return next(self._numbers) < probability
