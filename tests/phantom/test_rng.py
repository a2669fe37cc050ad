"""Counter-based random numbers: known words of the hash, moments and independence."""

import numpy as np
import pytest

from xraylab.phantom.rng import RandomStream, _mix, triangular_noise, uniform


def test_hash_matches_splitmix64():
    """The first words from seed 1234567, as the reference implementation prints them."""
    state, words = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        with np.errstate(over="ignore"):
            words.append(int(_mix(np.uint64(state))[0]))
    assert words == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_uniform_moments_and_independence():
    numbers = uniform(0, np.arange(20_000), "test", 4)
    assert 0 <= numbers.min() < 1e-3
    assert 1 - 1e-3 < numbers.max() < 1
    np.testing.assert_allclose(numbers.mean(axis=0), 0.5, atol=0.01)
    np.testing.assert_allclose(numbers.var(axis=0), 1 / 12, atol=0.002)
    others = [
        uniform(1, np.arange(20_000), "test", 1)[:, 0],
        uniform(0, np.arange(1, 20_001), "test", 1)[:, 0],
        uniform(0, np.arange(20_000), "rest", 1)[:, 0],
        numbers[:, 1],
    ]
    for other in others:
        assert abs(np.corrcoef(numbers[:, 0], other)[0, 1]) < 0.03


def test_numbers_do_not_depend_on_their_count():
    np.testing.assert_array_equal(
        uniform(3, [5, 9], "test", 10)[:, :4], uniform(3, [5, 9], "test", 4)
    )


def test_triangular_noise_moments():
    noise = triangular_noise(0, np.arange(10), "noise", 10_000)
    assert noise.dtype == np.float32
    assert np.abs(noise).max() <= 1
    assert noise.mean() == pytest.approx(0, abs=0.005)
    assert noise.var() == pytest.approx(1 / 6, rel=0.02)


def test_random_stream_distributions():
    rng = RandomStream(0, np.arange(20_000), "test", 5)
    bates = rng.bates(2.0, 3.0)
    assert bates.min() > -1 and bates.max() < 5
    assert bates.mean() == pytest.approx(2.0, abs=0.03)
    assert bates.std() == pytest.approx(1.0, abs=0.02)
    assert rng.bernoulli(0.3).mean() == pytest.approx(0.3, abs=0.015)
    numbers = rng.uniform(4, 6)
    np.testing.assert_array_equal(numbers, 4 + 2 * uniform(0, np.arange(20_000), "test", 5)[:, 4])
