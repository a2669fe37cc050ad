"""Corruption: coverage, content, position and determinism."""

import itertools

import numpy as np
import pytest

from xraylab.training import corrupt
from xraylab.training.corruption import _blocks

SIZE, SEEDS = 40, 120


def make_images(count=8, size=SIZE, dtype=np.float32):
    """Images of distinct levels: image k has levels from k to k + 1/2, by tens."""
    rng = np.random.default_rng(0)
    own = np.arange(count).reshape(-1, 1, 1, 1)
    return ((own + rng.random((count, size, size, 1)) / 2) / 10).astype(dtype)


@pytest.fixture(scope="module")
def many():
    """The same images with many seeds: corrupted images, masks, and the image of each block."""
    images = make_images()
    runs = [corrupt(images, seed) for seed in range(SEEDS)]
    corrupted, masks = (np.stack(parts)[..., 0] for parts in zip(*runs, strict=True))
    sources = np.full(corrupted.shape[:2], -1)  # -1 is noise
    for index in np.ndindex(sources.shape):
        covered = masks[index]
        for number, clean in enumerate(images[..., 0]):
            if np.array_equal(corrupted[index][covered], clean[covered]):
                sources[index] = number
    return images[..., 0], corrupted, masks, sources


def test_pixels_outside_the_mask_are_unchanged(many):
    images, corrupted, masks, _ = many
    clean = np.broadcast_to(images, corrupted.shape)
    np.testing.assert_array_equal(corrupted[~masks], clean[~masks])
    # Two noise levels of 256 may meet an image's own by chance; nearly all differ.
    assert (corrupted[masks] != clean[masks]).mean() > 0.999


def test_coverage(many):
    _, _, masks, sources = many
    coverage = masks.mean(axis=(2, 3))
    noise = coverage[sources < 0]
    assert noise.min() >= 0.5
    assert noise.max() <= 0.75
    # Uniform between the two: mean 0.625 and deviation 0.25 / √12.
    assert noise.mean() == pytest.approx(0.625, abs=0.02)
    assert noise.std() == pytest.approx(0.25 / 12**0.5, abs=0.01)
    np.testing.assert_allclose(coverage[sources >= 0], 0.3, rtol=1e-12)


def test_half_of_the_images_get_noise(many):
    *_, sources = many
    count = sources.size
    assert abs((sources < 0).sum() - count / 2) < 4 * (count / 4) ** 0.5


def test_blocks_come_from_every_other_image_but_not_the_same_one(many):
    *_, sources = many
    for image in range(8):
        assert set(sources[:, image]) == set(range(-1, 8)) - {image}


def test_noise_is_uniform_over_256_levels(many):
    _, corrupted, masks, sources = many
    noise = corrupted[sources < 0][masks[sources < 0]]
    counts = np.bincount(np.rint(noise * 255).astype(int), minlength=256)
    np.testing.assert_array_equal(noise, np.rint(noise * 255).astype(np.float32) / np.float32(255))
    expected = len(noise) / 256
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_squared - 255) < 5 * (2 * 255) ** 0.5
    # Neighbours are uncorrelated.
    pairs = noise[: len(noise) // 2 * 2].reshape(-1, 2)
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.01


def test_every_pixel_is_equally_likely_to_be_covered(many):
    """Corners and edges included."""
    *_, masks, _ = many
    often = masks.mean(axis=(0, 1))
    ring = np.ones_like(often, bool)
    ring[5:-5, 5:-5] = False
    assert often[ring].mean() == pytest.approx(often[~ring].mean(), abs=0.03)
    quarters = [often[r : r + 20, c : c + 20].mean() for r in (0, 20) for c in (0, 20)]
    assert max(quarters) - min(quarters) < 0.03


def test_sides_are_at_most_the_block_size():
    """Sides are uniform up to the longest, except where the image's edge cuts them."""
    rng = np.random.default_rng(5)
    blocks = np.array(list(itertools.islice(_blocks(rng, SIZE, 12), 20_000)))
    for begin, end in (blocks[:, ::2].T, blocks[:, 1::2].T):
        assert (begin >= 0).all()
        assert (begin < end).all()
        assert (end <= SIZE).all()
        inside = (begin > 0) & (end < SIZE)
        sides = np.bincount((end - begin)[inside], minlength=13)
        # A side s lies inside at 38 - s of 39 + s positions.
        expected = np.array([(SIZE - 1 - s) / (SIZE + s - 1) if 0 < s <= 12 else 0
                             for s in range(len(sides))])  # fmt: skip
        expected *= inside.sum() / expected.sum()
        np.testing.assert_allclose(sides, expected, atol=4.5 * expected.max() ** 0.5)
        assert len(sides) == 13


def test_the_same_arguments_give_the_same_bytes():
    images = make_images()
    before = images.copy()
    first, same, other = (corrupt(images, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(images, before)
    for one, two in zip(first, same, strict=True):
        assert one.tobytes() == two.tobytes()
    assert (first[1] != other[1]).any(axis=(1, 2, 3)).all()
    masks = corrupt(images + 0.01, 3)[1]
    np.testing.assert_array_equal(masks, first[1])  # the positions do not depend on the images


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_is_preserved(dtype):
    images = make_images(dtype=dtype)
    corrupted, mask = corrupt(images, 0)
    assert corrupted.dtype == dtype
    assert mask.dtype == bool
    assert corrupted.shape == mask.shape == images.shape


def test_a_single_image_gets_noise():
    for seed in range(20):
        _, mask = corrupt(make_images(1), seed)
        assert 0.5 <= mask.mean() <= 0.75


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "non-negative"),
        (
            {"images": np.zeros((2, 8, 8), np.float32)},
            r"\(batch, size, size, 1\) of .*Received: \(2, 8, 8\)",
        ),
        ({"images": np.zeros((2, 8, 6, 1), np.float32)}, r"Received: \(2, 8, 6, 1\)"),
        ({"images": np.zeros((2, 8, 8, 3), np.float32)}, r"Received: \(2, 8, 8, 3\)"),
        (
            {"images": np.zeros((2, 8, 8, 1), np.uint8)},
            "Received: uint8. Divide 8-bit images by 255",
        ),
        ({"images": np.zeros((2, 3, 3, 1), np.float32)}, "at least 4 px"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        corrupt(**{"images": make_images(), "seed": 0, **arguments})
