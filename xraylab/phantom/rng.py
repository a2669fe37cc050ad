"""Counter-based random numbers: a function of seed, image index, stream name and position.

Each number is a hash of these four values and no generator state exists. An image is therefore the
same whichever images are simulated with it, and switching a finding on leaves the random numbers of
everything else unchanged. The hash is the finalizer of SplitMix64 (``steele2014``, Fig. 18):
integer arithmetic that gives the same bits on every machine and NumPy version.
"""

import zlib

import numpy as np
from numpy.typing import ArrayLike

MAX_SEED = 2**63 - 1
"""The largest seed, and the largest index of an image."""

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)


def uniform(seed: int, indices: ArrayLike, stream: str, count: int) -> np.ndarray:
    """Return uniform random numbers in [0, 1).

    Shapes:
        indices: (n,) integers, at least 0.
        returns: (n, count) float64.

    Args:
        seed: integer, at least 0.
        indices: indices of the images.
        stream: name of the random variable; another name gives independent numbers.
        count: numbers per image. The first k numbers do not depend on it.
    """
    return (_words(seed, indices, stream, count) >> np.uint64(11)) * 2.0**-53


def triangular_noise(seed: int, indices: ArrayLike, stream: str, count: int) -> np.ndarray:
    """Return triangular noise in (-1, 1), with mean 0 and variance 1/6.

    Shapes:
        returns: (n, count) float32.
    """
    words = _words(seed, indices, stream, count)
    low = (words & np.uint64(0xFFFFFF)).astype(np.float32)
    high = (words >> np.uint64(40)).astype(np.float32)
    return (low - high) * np.float32(2.0**-24)


def _words(seed, indices, stream, count):
    """Return (n, count) random 64-bit words."""
    with np.errstate(over="ignore"):  # the 64-bit arithmetic is meant to wrap around
        key = _mix(np.uint64(seed) + _INCREMENT * np.uint64(zlib.crc32(stream.encode()) + 1))
        images = _mix(np.asarray(indices, dtype=np.uint64) * _INCREMENT + key)
        counters = np.arange(1, count + 1, dtype=np.uint64) * _INCREMENT
        return _mix(images[:, np.newaxis] + counters)


def _mix(words):
    """Apply the SplitMix64 finalizer, after which each bit depends on every bit."""
    words = np.atleast_1d(words)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def smooth_noise(seed: int, indices: ArrayLike, stream: str, cells: int, size: int) -> np.ndarray:
    """Return smooth random fields, about -1 to 1, the same function at every resolution.

    A cubic B-spline interpolates a (cells + 3)² lattice of uniform numbers. The spline is separable
    with four terms along each axis; sums of slices are faster here than two small matrix products,
    which would occupy all threads of the linear algebra library.

    Shapes:
        returns: (n, size, size) float32.
    """
    lattice = uniform(seed, indices, stream, (cells + 3) ** 2).astype(np.float32) * 2 - 1
    lattice = lattice.reshape(-1, cells + 3, cells + 3)
    position = (np.arange(size) + 0.5) / size * cells
    cell = np.minimum(position.astype(int), cells - 1)
    t = position - cell
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    weights = (np.array(weights) / 6).astype(np.float32)
    none = np.zeros(1, np.float32)
    rows = sum((lattice[:, cell + k] * weights[k][:, np.newaxis] for k in range(4)), none)
    return 1.8 * sum((rows[:, :, cell + k] * weights[k] for k in range(4)), none)


class RandomStream:
    """Random variables of one stream, one value per image, in the order of the calls.

    Args:
        seed, indices, stream: as for :func:`uniform`.
        count: the largest number of uniform numbers that can be consumed.
    """

    def __init__(self, seed: int, indices: ArrayLike, stream: str, count: int):
        self._numbers = iter(uniform(seed, indices, stream, count).T)

    def uniform(self, low: float, high: float) -> np.ndarray:
        """Return (n,) numbers, uniform in [low, high)."""
        return low + (high - low) * next(self._numbers)

    def bates(self, center: float, half_width: float) -> np.ndarray:
        """Return (n,) numbers from a bell-shaped Bates distribution, the mean of three uniforms.

        They lie within ``half_width`` of ``center``; the standard deviation is a third of it.
        """
        total = next(self._numbers) + next(self._numbers) + next(self._numbers)
        return center + half_width * (2 * total / 3 - 1)

    def bernoulli(self, probability: float) -> np.ndarray:
        """Return (n,) bool, each true with the given probability."""
        return next(self._numbers) < probability
