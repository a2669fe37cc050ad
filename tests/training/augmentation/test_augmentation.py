"""The whole: a pure function of images, labels and seed, on both back ends."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from xraylab.training import augmentation
from xraylab.training.augmentation import PRESETS, Augmentation, make, step_seed
from xraylab.training.augmentation.draws import generator

EVERYTHING = "slides+images+randaugment+mixup+cutmix"
SEED = 2**64 - 5


def batch(num_images=6, size=24):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (num_images, size, size, 1)) / np.float32(255)
    labels = (rng.random((num_images, 5)) < 0.4).astype(np.float32)
    labels[0, 0] = np.nan
    return images.astype(np.float32), labels


def augmented(names, seed=SEED, **changes):
    images, labels = make(names, **changes)(*batch(), seed)
    return ops.convert_to_numpy(images), ops.convert_to_numpy(labels)


@pytest.mark.parametrize("names", [*PRESETS, EVERYTHING])
def test_same_seed_same_bytes_other_seed_other_images(names):
    before = batch()
    images, labels = augmented(names)
    assert images.dtype == labels.dtype == np.float32
    assert images.shape == before[0].shape and labels.shape == before[1].shape
    assert images.min() >= 0 and images.max() <= 1
    # What was drawn before, by whomever, does not matter.
    augmented(EVERYTHING, seed=3)
    keras.utils.set_random_seed(4)
    again = augmented(names)
    assert images.tobytes() == again[0].tobytes() and labels.tobytes() == again[1].tobytes()
    changed = names != "none"
    assert (images.tobytes() != before[0].tobytes()) == changed
    assert (augmented(names, seed=SEED - 1)[0].tobytes() != images.tobytes()) == changed


def test_arguments_are_left_alone():
    images, labels = batch()
    make(EVERYTHING)(images, labels, 0)
    np.testing.assert_array_equal(images, batch()[0])
    np.testing.assert_array_equal(labels, batch()[1])


def test_tensors_are_taken_too():
    tensors = [ops.convert_to_tensor(x) for x in batch()]
    images, _ = make(EVERYTHING)(*tensors, SEED)
    np.testing.assert_array_equal(ops.convert_to_numpy(images), augmented(EVERYTHING)[0])


def test_zero_strength_changes_nothing():
    for names in ("slides", "images"):
        images, labels = augmented(names, **dict.fromkeys(PRESETS[names], 0.0))
        np.testing.assert_array_equal(images, batch()[0])
        np.testing.assert_array_equal(labels, batch()[1])


def test_one_augmentation_leaves_the_draws_of_another_alone():
    images = batch()[0]
    alone, together = make("images")._plan(images, 7), make("slides+images+cutmix")._plan(images, 7)
    for name in ("gain", "offset"):
        np.testing.assert_array_equal(alone[name], together[name])
    mixup, both = make("mixup")._plan(images, 7), make("mixup+images")._plan(images, 7)
    for name in mixup:
        np.testing.assert_array_equal(mixup[name], both[name])


def test_labels_stay_as_they_are_unless_images_are_mixed():
    for names in ("slides", "images", "randaugment"):
        np.testing.assert_array_equal(augmented(names)[1], batch()[1])


def test_the_images_preset_never_mirrors_and_the_slides_preset_does():
    images = np.zeros((40, 16, 16, 1), np.float32)
    images[:, :, 10:] = 1
    labels = np.zeros((40, 1), np.float32)
    for names, share in (("images", 0.0), ("slides", 0.5)):
        out = ops.convert_to_numpy(make(names)(images, labels, 0)[0])
        mirrored = np.mean(out[:, 6:10, 3].mean(axis=(1, 2)) > out[:, 6:10, 12].mean(axis=(1, 2)))
        assert abs(mirrored - share) < (0.25 if share else 1e-9)


# -- Another process, another back end --


JAX = """
import sys, keras, numpy as np
assert keras.backend.backend() == "jax"
from tests.training.augmentation.test_augmentation import EVERYTHING, augmented
expected = np.load(sys.argv[1])
for fill_mode in ("black", "nearest", "reflect"):
    images, labels = augmented(EVERYTHING, fill_mode=fill_mode)
    np.testing.assert_allclose(images, expected[fill_mode], atol=1e-5)
    np.testing.assert_array_equal(labels, expected["labels"])
    assert augmented(EVERYTHING, fill_mode=fill_mode)[0].tobytes() == images.tobytes()
np.testing.assert_array_equal(augmented("randaugment")[0], expected["randaugment"])
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compares JAX to TensorFlow")
def test_jax_gives_the_same_images_in_another_process(tmp_path):
    pytest.importorskip("jax", reason="JAX is not installed")
    expected = {"randaugment": augmented("randaugment")[0]}
    for fill_mode in ("black", "nearest", "reflect"):
        expected[fill_mode], expected["labels"] = augmented(EVERYTHING, fill_mode=fill_mode)
    np.savez(tmp_path / "expected.npz", **expected)
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", JAX, str(tmp_path / "expected.npz")]
    root = Path(__file__).parents[3]
    subprocess.run(command, env=environment, cwd=root, check=True)


# -- Seeds --


def test_step_seeds_are_pinned_and_never_meet():
    """NumPy keeps Philox words; a run begun today must resume on any later NumPy's words."""
    assert [step_seed(0, 0), step_seed(1, 2)] == [18396926352339589819, 12539615698227553058]
    seeds = {step_seed(seed, step) for seed in range(20) for step in range(200)}
    assert len(seeds) == 4000
    assert step_seed(SEED, 2**64 - 1) < 2**64


def test_purposes_have_their_own_numbers():
    draws = {p: generator(0, p).random() for p in ("warp", "flip", "mixup", "cutmix", "exposure")}
    assert len(set(draws.values())) == len(draws)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, None, True])
def test_bad_seeds(seed):
    with pytest.raises(ValueError, match="argument seed"):
        make("images")(*batch(), seed)


# -- Fields and presets --


def test_fields_are_plain_json():
    made = make(EVERYTHING, rotate=3)
    assert Augmentation(**json.loads(json.dumps(asdict(made)))) == made
    assert made.rotate == 3 and made.flip == 0.5 and made.contrast == PRESETS["images"]["contrast"]
    assert hash(made) == hash(make(EVERYTHING, rotate=3))


def test_auto_is_plain_and_says_so():
    assert Augmentation().implementation == "plain"
    assert asdict(make("images", implementation="auto"))["implementation"] == "plain"


def test_the_order_of_presets_decides_only_where_both_set_a_field():
    assert make("mixup+images") == make("images+mixup")
    assert make("images+slides").rotate == PRESETS["slides"]["rotate"]
    assert make("none") == Augmentation()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"flip": 1.5}, "flip must be a number from 0 to 1; 1.5 came"),
        ({"flip": True}, "flip must be a number from 0 to 1; True came"),
        ({"rotate": -1}, "rotate must be a number from 0 to 180; -1 came"),
        ({"zoom": 1}, "zoom must be less than 1"),
        ({"translate": "0.1"}, "translate must be a number from 0 to 1; '0.1' came"),
        ({"contrast": float("nan")}, "contrast must be a number from 0 to 1; nan came"),
        ({"mixup": float("inf")}, "mixup must be a number from 0 on; inf came"),
        ({"cutmix": -0.1}, "cutmix must be a number from 0 on; -0.1 came"),
        ({"fill_mode": "wrap"}, "fill_mode must be one of black, nearest, reflect; 'wrap' came"),
        ({"implementation": "torch"}, "implementation must be auto, plain or keras_cv; 'torch'"),
        ({"randaugment": "m5-x3"}, "randaugment='m5-x3': expected parts .* 'x3' came"),
        (
            {"implementation": "keras_cv", "randaugment": "m5"},
            "keras-cv has another RandAugment",
        ),
        (
            {"implementation": "keras_cv", "mixup": 1, "cutmix": 1},
            "keras-cv mixes images by mixup or by cutmix",
        ),
        ({"rotation": 3}, "augmentations have no 'rotation', but: flip, rotate"),
    ],
)
def test_bad_fields(arguments, message):
    with pytest.raises(ValueError, match=message):
        make("none", **arguments)


@pytest.mark.parametrize("names", ["", "image", "images,mixup", "images+"])
def test_unknown_presets(names):
    with pytest.raises(ValueError, match="expected names out of none, slides, images"):
        make(names)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[..., 0], y), r"images must be \(batch, height, width, 1\); \(6, 24, 24\)"),
        (lambda x, y: (x[:0], y[:0]), r"images must be \(batch, height, width, 1\); \(0, 24"),
        (lambda x, y: (np.uint8(x * 255), y), "images must be float32 in .*; uint8 came"),
        (lambda x, y: (x * 255, y), r"images must be in \[0, 1\]; values from 0 to 255 came"),
        (lambda x, y: (x * np.nan, y), r"images must be in \[0, 1\]; values from nan"),
        (lambda x, y: (x, y[:5]), r"labels must be \(6, k\), one row an image; \(5, 5\) came"),
        (lambda x, y: (x, y[:, 0]), r"labels must be \(6, k\)"),
        (lambda x, y: (x, np.zeros((6, 5), int)), "labels must be float32, to be mixed; int64"),
    ],
)
def test_bad_batches(change, message):
    with pytest.raises(ValueError, match=message):
        augmentation.make("images")(*change(*batch()), 0)
