"""The subsets and the control without anatomy of the measurement of pre-training."""

from itertools import pairwise
from types import SimpleNamespace

import measure_pretraining as tool
import numpy as np
import pytest


class Images(SimpleNamespace):
    def __len__(self):
        return len(self.images)


@pytest.fixture(scope="module")
def noise():
    return tool.noise_images(600, np.random.default_rng(0))


def power(images):
    """Return the mean power spectrum of some images."""
    centered = images - images.mean(axis=(1, 2), keepdims=True, dtype=float)
    return (np.abs(np.fft.fft2(centered)) ** 2).mean(axis=0)


def test_power_of_the_noise_falls_with_the_square_of_the_frequency(noise):
    images, labels = noise
    found = power(images[labels.sum(axis=1) == 0])
    slope = np.log(found[0, 4] / found[0, 16]) / np.log(16 / 4)
    assert 1.7 < slope < 2.3
    again = tool.noise_images(600, np.random.default_rng(0))
    assert all(np.array_equal(first, second) for first, second in zip(noise, again, strict=True))


@pytest.mark.parametrize("wavelength", [0, 1])
def test_gratings_raise_the_power_of_their_wavelength(noise, wavelength):
    images, labels = noise
    label = 7 * wavelength  # its grating varies along x
    frequency = tool.SIZE // tool.WAVELENGTHS[wavelength]
    present, absent = (power(images[labels[:, label] == value])[0] for value in (1, 0))
    gain = present[1:] / absent[1:]
    assert gain[frequency - 1] > 2
    assert 0.5 < gain[2 * frequency - 2] < 1.5


def test_subsets_are_nested_and_repeated(tmp_path):
    numbers = np.arange(3000)
    pixels = np.stack([numbers // 256, numbers % 256], axis=1).astype(np.uint8)[:, None]
    train = Images(images=pixels, labels=np.eye(3000, 14))
    val = Images(images=pixels[:2], labels=np.eye(2, 14))
    drawn = []
    for count, (repeats, _) in tool.COUNTS.items():
        tool.write_subset(tmp_path / f"{count}.npz", train, val, count, seed=1)
        with np.load(tmp_path / f"{count}.npz") as arrays:
            high, low = arrays["train_images"].astype(int)[:, 0].T
            found, times = np.unique(256 * high + low, return_counts=True)
        assert len(found) == count
        assert (times == repeats).all()
        drawn.append({*found})
    assert all(smaller < larger for smaller, larger in pairwise(drawn))
