"""Augmentation: distributions, determinism and labels, on both backends."""

import os
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from xraylab.training import augmentation


def make_batch(num_images=6, size=24, num_labels=5):
    rng = np.random.default_rng(0)
    images = rng.random((num_images, size, size, 1), dtype=np.float32)
    return images, (rng.random((num_images, num_labels)) < 0.4).astype(np.float32)


def images_of(size=65, num_images=400, disc=(0, 0)):
    """Images of one disc, at an offset from the center in pixels (down, right)."""
    rows, columns = np.mgrid[:size, :size] - size // 2
    image = ((rows - disc[0]) ** 2 + (columns - disc[1]) ** 2 <= 16).astype(np.float32)
    return np.repeat(image[np.newaxis, ..., np.newaxis], num_images, axis=0)


def offsets(images):
    """The disc's offset from the center in pixels (down, right), for each image."""
    middle = images.shape[1] // 2
    return np.array([center_of_mass(image[..., 0]) for image in images]) - middle


def augmented(images, **changes):
    labels = np.zeros((len(images), 1), np.float32)
    return augmentation.make("none", **changes)(images, labels, seed=1)[0]


@pytest.mark.parametrize("presets", [*augmentation.PRESETS, "cxr+mixup", "slides + cutmix"])
def test_presets_keep_shape_type_and_range(presets):
    images, labels = make_batch()
    augment = augmentation.make(presets)
    for seed in range(3):
        made, mixed = augment(images, labels, seed)
        assert isinstance(made, np.ndarray) and isinstance(mixed, np.ndarray)
        assert (made.shape, made.dtype) == (images.shape, np.float32)
        assert (mixed.shape, mixed.dtype) == (labels.shape, np.float32)
        assert made.min() >= 0 and made.max() <= 1 + 1e-6
    assert np.array_equal(made, images) == (presets == "none")
    if "mix" not in presets:
        np.testing.assert_array_equal(mixed, labels)


def test_layers_are_keras_layers_in_order():
    kinds = [type(layer).__name__ for layer in augmentation.make("slides+mixup").layers]
    assert kinds == ["RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "MixUp"]
    kinds = {type(layer).__name__ for layer in augmentation.build("cxr")}
    assert "RandomFlip" not in kinds and len(kinds) == 5
    assert augmentation.build("cxr", rotate=0, zoom=0, translate=0, brightness=0)[0].name


def test_the_same_seed_gives_the_same_batch_whatever_came_before():
    images, labels = make_batch()
    augment = augmentation.make("cxr+mixup", randaugment=5.0)
    first = augment(images, labels, 7)
    other = augment(images, labels, 8)
    again = augmentation.make("cxr+mixup", randaugment=5.0)(images, labels, 7)
    for a, b in ((first, again), (first, augment(images, labels, 7))):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    assert not np.array_equal(first[0], other[0])


def test_a_copy_in_another_process_draws_the_same_numbers():
    """A Keras dataset with ``use_multiprocessing=True`` pickles its augmentation."""
    augment = augmentation.make("cxr+mixup")
    first = augment(*make_batch(), 7)
    again = pickle.loads(pickle.dumps(augment))(*make_batch(), 7)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


@pytest.mark.parametrize("presets", ["cxr+mixup", "randaugment+cutmix"])
def test_compilation_does_not_change_the_images(presets):
    augment = augmentation.make(presets)
    calls = [(*make_batch(num_images), seed) for num_images in (6, 4) for seed in (7, 8)]
    compiled = [augment(*call) for call in calls]
    augment._compiled = augment._apply
    for made, call in zip(compiled, calls, strict=True):
        for one, other in zip(made, augment(*call), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_steps_of_neighboring_seeds_differ():
    seeds = {augmentation.step_seed(seed, step) for seed in range(20) for step in range(20)}
    assert len(seeds) == 400
    assert augmentation.step_seed(0, 12) == augmentation.step_seed(0, 12)
    assert 0 <= min(seeds) <= max(seeds) < 2**64


def test_rotation_is_uniform_up_to_the_largest_angle_in_both_directions():
    down, right = offsets(augmented(images_of(disc=(0, 24)), rotate=10.0)).T
    angles = np.rad2deg(np.arctan2(down, right))
    assert -10.2 < angles.min() < -9 and 9 < angles.max() < 10.2
    assert np.std(angles) == pytest.approx(10 / np.sqrt(3), rel=0.1)


def test_translation_is_uniform_up_to_the_largest_shift_in_both_directions():
    shifts = offsets(augmented(images_of(), translate=0.2)) / 65
    assert np.abs(shifts).max() < 0.21
    np.testing.assert_allclose(np.std(shifts, axis=0), 0.2 / np.sqrt(3), rtol=0.1)
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.2


def test_zoom_keeps_the_aspect_ratio():
    images = images_of(disc=(16, 16))
    down, right = offsets(augmented(images, zoom=0.2)).T
    np.testing.assert_allclose(down, right, atol=0.1)
    assert 16 / 1.21 < right.min() < 14 and 19 < right.max() < 16 / 0.79


def test_half_of_the_images_are_mirrored_and_none_upside_down():
    images = images_of(disc=(8, 16))
    down, right = offsets(augmented(images, flip=True)).T
    np.testing.assert_allclose(down, 8, atol=1e-4)
    np.testing.assert_allclose(np.abs(right), 16, atol=1e-4)
    assert np.mean(right < 0) == pytest.approx(0.5, abs=0.1)


def test_the_images_preset_never_mirrors():
    labels = np.zeros((400, 1), np.float32)
    made, _ = augmentation.make("cxr")(images_of(disc=(0, 24)), labels, 1)
    assert offsets(made > 0.5)[:, 1].min() > 10


def test_brightness_and_contrast():
    images = np.full((400, 8, 8, 1), 0.5, np.float32)
    added = augmented(images, brightness=0.2).mean(axis=(1, 2, 3)) - 0.5
    assert -0.201 < added.min() < -0.18 and 0.18 < added.max() < 0.201
    images[:, ::2] = 0.3
    changed = augmented(images, contrast=0.5)
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), 0.4, atol=1e-5)
    stretch = (changed[:, 1] - changed[:, 0]).mean(axis=(1, 2)) / 0.2
    assert 0.5 < stretch.min() < 0.55 and 1.45 < stretch.max() < 1.5


def test_what_enters_from_outside_is_black():
    images = np.ones((50, 16, 16, 1), np.float32)
    for name in ("rotate", "zoom", "translate"):
        made = augmented(images, **{name: {"rotate": 45.0}.get(name, 0.5)})
        assert (made[:, 0, 0] < 0.01).any(), name
        assert made.max() == pytest.approx(1.0), name


def test_labels_are_mixed_in_the_proportion_of_the_images():
    """Each image has its own grey level, so that the mixture can be read off the pixels."""
    levels = np.linspace(0.1, 0.9, 64, dtype=np.float32)
    images = np.broadcast_to(levels[:, None, None, None], (64, 32, 32, 1))
    labels = np.eye(64, dtype=np.float32)
    for name, alpha in (("mixup", 0.4), ("cutmix", 1.0)):
        made, mixed = augmentation.make("none", **{name: alpha})(images, labels, 5)
        np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-5)
        assert ((mixed > 0).sum(axis=1) <= 2).all()
        # Boxes of CutMix have fractional sides, so pixels and labels differ by a rim.
        atol = 1e-5 if name == "mixup" else 0.06
        np.testing.assert_allclose(made.mean(axis=(1, 2, 3)), mixed @ levels, atol=atol)


def test_a_mixed_label_is_unknown_if_one_of_the_two_is():
    images, labels = make_batch(64)
    labels[0, 0] = np.nan
    mixed = augmentation.make("mixup")(images, labels, 0)[1]
    assert 1 <= np.isnan(mixed[:, 0]).sum() <= 2
    assert not np.isnan(mixed[:, 1:]).any()


def test_color_of_randaugment_leaves_one_channel_as_it_is():
    # Keras 3.13 fails there: it multiplies the channels by the three weights of luminance.
    images = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    color = augmentation.RandAugment(5.0).random_color_degeneration
    np.testing.assert_array_equal(color(images, training=True), images)


def test_randaugment_has_the_strengths_of_the_magnitude():
    layer = augmentation.RandAugment(5.0)
    assert layer.random_rotation.factor == pytest.approx((-15 / 360, 15 / 360))
    assert layer.random_brightness.factor == pytest.approx((-0.45, 0.45))
    assert layer.random_contrast.factor == pytest.approx((0.45, 0.45))
    assert layer.random_posterization.factor == (2, 8)
    assert layer.num_ops == 1
    assert augmentation.RandAugment.from_config(layer.get_config()).magnitude == 5.0
    images, labels = make_batch()
    augment = augmentation.Augmentation([layer])
    changes = [np.abs(augment(images, labels, seed)[0] - images).mean() for seed in range(30)]
    assert min(changes) == 0 and max(changes) > 0.1  # color does nothing on one channel


def test_other_keras_layers_can_be_added():
    erasing = [keras.layers.RandomErasing(value_range=(0, 1)) for _ in range(2)]
    augment = augmentation.Augmentation([*augmentation.build("none"), *erasing])
    images, labels = make_batch()
    made = augment(images, labels, 1)[0]
    assert not np.array_equal(made, images)
    np.testing.assert_array_equal(made, augment(images, labels, 1)[0])


def test_a_half_precision_policy_does_not_reach_the_images():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        augment = augmentation.make("cxr+mixup+cutmix", flip=True, randaugment=5.0)
        images, labels = make_batch()
        assert augment(images, labels, 0)[0].dtype == np.float32
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("presets", "changes", "message"),
    [
        ("slide", {}, "Did you mean 'slides'"),
        ("cxr", {"rotat": 5}, "Did you mean 'rotate'"),
        ("cxr", {"translate": 1.5}, "in the range"),
    ],
)
def test_invalid_arguments(presets, changes, message):
    with pytest.raises(ValueError, match=message):
        augmentation.build(presets, **changes)


def test_invalid_seed():
    with pytest.raises(ValueError, match="non-negative"):
        augmentation.make("cxr")(*make_batch(), seed=-1)


@pytest.mark.long
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="runs this file on JAX")
def test_jax():
    """The same tests pass on JAX."""
    pytest.importorskip("jax", reason="JAX is not installed")
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    subprocess.run(command, env=environment, check=True)
