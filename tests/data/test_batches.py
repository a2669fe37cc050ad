"""Batches: values, order, going on half-way, and memory that stays flat."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from xraylab.data import DataError, batches, epoch_order, load, num_batches, read_rows


@pytest.fixture
def split(npz):
    return load(npz(), progress=False)


def test_values_and_shapes(split):
    given = list(batches(split, 8))
    assert [images.shape for images, _ in given] == [(8, 28, 28, 1), (8, 28, 28, 1), (4, 28, 28, 1)]
    images = np.concatenate([images for images, _ in given])
    labels = np.concatenate([labels for _, labels in given])
    assert images.dtype == labels.dtype == np.float32
    np.testing.assert_array_equal(images[..., 0], (split.images / 255).astype(np.float32))
    np.testing.assert_array_equal(labels, split.labels)


def test_shuffled_gives_every_image_once_with_its_own_labels(split):
    order = epoch_order(20, 3, 1)
    images, labels = map(np.concatenate, zip(*batches(split, 6, seed=3, epoch=1), strict=True))
    np.testing.assert_array_equal(np.rint(images[..., 0] * 255), split.images[order])
    np.testing.assert_array_equal(labels, split.labels[order])


def test_labels_that_are_not_known_are_nan(split):
    known = np.random.default_rng(0).random(split.labels.shape) < 0.7
    partly = replace(split, known=known)
    labels = np.concatenate([labels for _, labels in batches(partly, 6, seed=3, epoch=1)])
    assert labels.dtype == np.float32
    order = epoch_order(20, 3, 1)
    np.testing.assert_array_equal(np.isnan(labels), ~known[order])
    np.testing.assert_array_equal(labels[known[order]], split.labels[order][known[order]])
    assert set(np.unique(split.labels)) == {0, 1}  # the split's own labels stay as they were


def test_order_depends_on_seed_and_epoch_alone():
    orders = [epoch_order(1000, seed, epoch) for seed in (0, 1, 2) for epoch in (0, 1, 2)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert len({order.tobytes() for order in orders}) == 9
    np.testing.assert_array_equal(orders[0], epoch_order(1000, 0, 0))


def test_order_is_the_same_on_every_machine():
    """Training that is resumed elsewhere must see the same images."""
    assert epoch_order(12, 0, 0).tolist() == [0, 2, 11, 9, 1, 8, 5, 4, 3, 10, 6, 7]


@pytest.mark.parametrize("seed", [None, 5])
def test_going_on_half_way(split, seed):
    whole = list(batches(split, 6, seed=seed, epoch=2))
    for start in range(5):
        rest = list(batches(split, 6, seed=seed, epoch=2, start=start))
        assert len(rest) == 4 - start
        for (images, labels), (same_images, same_labels) in zip(whole[start:], rest, strict=True):
            np.testing.assert_array_equal(images, same_images)
            np.testing.assert_array_equal(labels, same_labels)


def test_numbers_of_batches(split):
    for size, count, full in ((1, 20, 20), (6, 4, 3), (20, 1, 1), (50, 1, 0)):
        assert num_batches(split, size) == len(list(batches(split, size))) == count
        assert num_batches(split, size, drop_remainder=True) == full
        assert len(list(batches(split, size, drop_remainder=True))) == full


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"batch_size": 4, "start": 6},
        {"batch_size": 4, "start": -1},
        {"batch_size": 4, "seed": -1},
        {"batch_size": 4, "seed": 2**64},
        {"batch_size": 4, "seed": 1, "epoch": -1},
    ],
)
def test_arguments_out_of_range_are_refused_at_once(split, complaint, arguments):
    wrong = list(arguments)[-1]
    complaint(batches, split, **arguments, names=f"argument {wrong}")


@pytest.mark.parametrize(
    "part", [slice(None), slice(3, 17), slice(2, 19, 3), slice(None, None, -1)]
)
def test_rows_are_those_of_the_map_also_in_its_slices(split, part):
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

split = data.load(sys.argv[1], progress=False)
for seed in (None, 0):
    before = memory("VmRSS")
    total = sum(float(images[0, 0, 0, 0]) for images, _ in data.batches(split, 64, seed=seed))
    print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_flat(npz):
    """One epoch of 100 MB of images costs a batch or two (13 MB each as float32), not 100 MB."""
    images = np.zeros((2000, 224, 224), np.uint8)
    path = npz(train_images=images, train_labels=np.zeros((2000, 14), np.uint8), save=np.savez)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=True
    )
    grown = [float(line) for line in done.stdout.split()]
    assert len(grown) == 2 and max(grown) < 60, grown
