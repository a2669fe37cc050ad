"""Datasets: values, order, resumption, Keras, and memory that stays flat."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from xraylab.data import DataError, epoch_order, load, read_rows


@pytest.fixture
def split(npz):
    return load(npz(), progress=False)


def test_values_and_shapes(split):
    batches = list(split.to_dataset(8))
    assert [x.shape for x, _ in batches] == [(8, 28, 28, 1), (8, 28, 28, 1), (4, 28, 28, 1)]
    images, labels = map(np.concatenate, zip(*batches, strict=True))
    assert images.dtype == labels.dtype == np.float32
    np.testing.assert_array_equal(images[..., 0], (split.images / 255).astype(np.float32))
    np.testing.assert_array_equal(labels, split.labels)
    for whole, expected in zip(split.arrays(), (images, labels), strict=True):
        np.testing.assert_array_equal(whole, expected)


def test_a_shuffled_epoch_has_every_image_once_with_its_labels(split):
    order = epoch_order(20, 3, 1)
    dataset = split.to_dataset(6, shuffle=True, seed=3, epoch=1)
    images, labels = map(np.concatenate, zip(*dataset, strict=True))
    np.testing.assert_array_equal(np.rint(images[..., 0] * 255), split.images[order])
    np.testing.assert_array_equal(labels, split.labels[order])


def test_unknown_labels_are_nan(split):
    unknown = np.random.default_rng(0).random(split.labels.shape) < 0.3
    split.labels[unknown] = np.nan
    _, labels = map(np.concatenate, zip(*split.to_dataset(6, shuffle=True, seed=3), strict=True))
    np.testing.assert_array_equal(np.isnan(labels), unknown[epoch_order(20, 3, 0)])


def test_the_order_depends_on_seed_and_epoch_alone():
    orders = [epoch_order(1000, seed, epoch) for seed in (0, 1, 2) for epoch in (0, 1, 2)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert len({order.tobytes() for order in orders}) == 9
    np.testing.assert_array_equal(orders[0], epoch_order(1000, 0, 0))


def test_the_order_is_the_same_on_every_machine():
    """Training that resumes on another machine must get the same images."""
    assert epoch_order(12, 0, 0).tolist() == [0, 2, 11, 9, 1, 8, 5, 4, 3, 10, 6, 7]


def test_numbers_of_batches(split):
    for size, count, full in ((1, 20, 20), (6, 4, 3), (20, 1, 1), (50, 1, 0)):
        assert len(split.to_dataset(size)) == len(list(split.to_dataset(size))) == count
        dataset = split.to_dataset(size, drop_remainder=True)
        assert len(dataset) == len(list(dataset)) == full
    with pytest.raises(IndexError, match="Batch 4 does not exist"):
        split.to_dataset(6)[4]


@pytest.mark.parametrize(
    "augment", [True, {"flip": True}, keras.layers.RandomFlip(), lambda images: images]
)
def test_an_unsuitable_augmentation_is_refused_at_once(split, augment):
    with pytest.raises(ValueError, match=r"argument augment.*\(images, labels, seed\).*make\("):
        split.to_dataset(10, augment=augment)


def test_an_unknown_option_gets_a_suggestion(split):
    with pytest.raises(ValueError, match=r"Received: 'augmentation'\. Did you mean 'augment'"):
        split.to_dataset(10, augmentation=None)


def test_augmentation_gets_another_seed_for_each_batch_and_epoch(split):
    seeds = []

    def augment(images, labels, seed):
        seeds.append(seed)
        return 1 - images, labels

    dataset = split.to_dataset(10, augment=augment, seed=3)
    np.testing.assert_allclose(dataset[1][0], 1 - split.to_dataset(10)[1][0])
    first = list(seeds)
    list(dataset), list(split.to_dataset(10, augment=augment, seed=3, epoch=1))
    list(split.to_dataset(10, augment=augment, seed=4))
    assert seeds[2] == first[0] and len(set(seeds)) == 6


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"batch_size": 4, "seed": -1},
        {"batch_size": 4, "seed": 2**64},
        {"batch_size": 4, "epoch": -1},
    ],
)
def test_arguments_out_of_range_are_refused_at_once(split, expect_error, arguments):
    expect_error(split.to_dataset, **arguments, names=f"argument {list(arguments)[-1]}")


FIT = """
import sys
import keras
import numpy as np
from xraylab import data

split = data.load(sys.argv[1], progress=False)
batches = []

def augment(images, labels, seed):
    batches.append((seed, labels.tobytes()))
    return images, labels

def fit(epochs, batch_size=8):
    batches.clear()
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(14)]
    model = keras.Sequential(layers)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True)
    train = split.to_dataset(batch_size, shuffle=True, seed=2, augment=augment)
    history = model.fit(
        train, validation_data=split.to_dataset(6), epochs=epochs, shuffle=False, verbose=0
    )
    return model, train, history

for batch_size in (20, 10):  # one batch, two batches
    epoch = fit(1, batch_size)[1].epoch
    assert epoch == 1, epoch
model, train, history = fit(3)
assert train.epoch == 3, train.epoch
expected = []
for epoch in range(3):
    dataset = split.to_dataset(8, shuffle=True, seed=2, augment=augment, epoch=epoch)
    batches.clear()
    list(dataset)
    expected.append(batches[:])
_, train, again = fit(3)
observed = set(batches)
assert all(set(epoch) <= observed for epoch in expected)
assert history.history == again.history
x, y = split.arrays()
predicted = [model.predict(data, verbose=0) for data in (split.to_dataset(6), x)]
np.testing.assert_allclose(*predicted, atol=1e-5)
loss = model.evaluate(split.to_dataset(6), verbose=0)
assert abs(loss - model.evaluate(x, y, verbose=0)) < 1e-4, loss
"""


def test_fit_evaluate_and_predict_take_datasets(npz, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["", str(npz())])
    exec(FIT, {})


@pytest.mark.long
def test_fit_evaluate_and_predict_take_datasets_on_jax(npz, run_on_jax):
    run_on_jax(FIT, npz())


@pytest.mark.parametrize(
    "part", [slice(None), slice(3, 17), slice(2, 19, 3), slice(None, None, -1)]
)
def test_rows_equal_those_of_the_memory_map_and_its_slices(split, part):
    images = split.images[part]
    for rows in (np.array([2, 0, 1, 2, 0]), np.array([-1]), np.array([], dtype=int)):
        copied = read_rows(images, rows)
        np.testing.assert_array_equal(copied, images[rows])
        assert not isinstance(copied, np.memmap)
    with pytest.raises(IndexError):
        read_rows(images, np.array([len(images)]))


def test_rows_of_arrays_without_a_file(split):
    for images in (np.array(split.images), split.images[:, ::2, ::2], split.images[[3, 1]]):
        np.testing.assert_array_equal(read_rows(images, np.array([1, 0])), images[[1, 0]])


def test_file_removed_while_mapped(split):
    first = np.array(split.images[:3])
    for file in split.path.parent.rglob("train_images.npy"):
        file.unlink()
    np.testing.assert_array_equal(read_rows(split.images, np.arange(3)), first)


def test_file_cut_short_while_mapped(split):
    (file,) = split.path.parent.rglob("train_images.npy")
    with file.open("r+b") as stream:
        stream.truncate(5000)
    with pytest.raises(DataError, match="cut short"):
        read_rows(split.images, np.array([19]))


MEASURE = """
import sys
from pathlib import Path
import numpy as np
from xraylab import data

def memory(field):
    text = Path("/proc/self/status").read_text()
    return int(text.split(field + ":")[1].split()[0]) / 1024

data.load("phantom", num_images=1, progress=False).to_dataset(1)[0]  # imports Keras
before = memory("VmRSS")
split = data.load(sys.argv[1], progress=False)
print(memory("VmHWM") - before)
for seed in (None, 0):
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = memory("VmRSS")
    dataset = split.to_dataset(64, shuffle=seed is not None)
    total = sum(float(images[0, 0, 0, 0]) for images, _ in dataset)
    print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_flat(npz):
    """Loading 100 MB of images, which checks them, and an epoch need some batches at a time."""
    images = np.zeros((2000, 224, 224), np.uint8)
    path = npz(train_images=images, train_labels=np.zeros((2000, 14), np.uint8), save=np.savez)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=True,
        env=os.environ | {"KERAS_BACKEND": "numpy"},  # quickly imported
    )  # fmt: skip
    grown = [float(line) for line in done.stdout.split()]
    assert len(grown) == 3 and grown[0] < 75 and max(grown[1:]) < 60, grown
