"""The phantom as a source: cached on disk, resumed after a kill, never incomplete."""

import json
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from xraylab import data, phantom
from xraylab.findings import FINDINGS
from xraylab.io import resumable

FILES = ("images.npy", "labels.npy", "boxes.npy", "facts.npy")


def load(tmp_path, **options):
    defaults = {"size": 32, "split": "train", "num_images": 20, "progress": False}
    return data.load("phantom", cache_dir=tmp_path, **(defaults | options))


def make_images(indices, split="train", **options):
    labels = phantom.sample_labels(indices, split=split)
    return phantom.simulate(indices, size=32, labels=labels, **options)


@pytest.fixture
def counted(monkeypatch):
    """Small batches, and the list of the images that were simulated."""
    real, made = phantom.simulate, []

    def count(indices, **options):
        made.extend(np.asarray(indices).tolist())
        return real(indices, **options)

    monkeypatch.setattr(phantom, "simulate", count)
    monkeypatch.setattr("xraylab.data.phantom._BATCH", 8)
    return made


def no_left_overs(tmp_path):
    hidden = [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    return not [path for path in hidden if path.suffix != ".lock"]


def test_images_are_those_of_the_simulator(tmp_path):
    split = load(tmp_path)
    made = make_images(np.arange(20))
    assert split.simulated
    assert "SIMULATED" in repr(split)
    assert isinstance(split.images, np.memmap)
    np.testing.assert_array_equal(split.images, made.images)
    np.testing.assert_array_equal(split.labels, made.labels)
    np.testing.assert_array_equal(split.boxes, made.boxes)
    np.testing.assert_array_equal(split.table, made.facts)
    assert sorted(path.name for path in split.path.iterdir()) == sorted((*FILES, "manifest.json"))
    assert no_left_overs(tmp_path)


def test_masks_are_those_of_the_simulator_and_need_no_disk(tmp_path, counted):
    split = load(tmp_path, split="test")
    masks = make_images(2 * 10**9 + np.arange(20), split="test", masks=True).masks
    counted.clear()
    assert split.masks.shape == masks.shape and split.masks.dtype == masks.dtype
    truths = masks.any(axis=(1, 2, 3))
    for chosen in (3, -1, np.int64(0), [1, 5], [], slice(None), slice(-3, None), truths):
        np.testing.assert_array_equal(split.masks[chosen], masks[chosen])
    counted.clear()
    part = split.subset([4, 19, 4])
    assert not counted
    np.testing.assert_array_equal(part.masks[1:], masks[[19, 4]])
    assert counted == [2 * 10**9 + 19, 2 * 10**9 + 4]


@pytest.mark.parametrize("chosen", [20, -21, [0, 20], (0, 3), None, 0.5, [[0, 1]]])
def test_masks_of_missing_images_raise(tmp_path, chosen):
    with pytest.raises(IndexError):
        load(tmp_path).masks[chosen]


def test_each_set_of_parameters_has_a_folder_and_a_manifest(tmp_path):
    plain = load(tmp_path)
    turned = load(tmp_path, parameters={"prevalence": {"mass": 1, "hernia": 0}})
    assert (turned.labels[:, FINDINGS.index("mass")] == 1).all()
    assert turned.path.parent != plain.path.parent and turned.fingerprint != plain.fingerprint
    parameters = json.loads((turned.path / "manifest.json").read_text())["parameters"]
    assert parameters == {"prevalence": {"mass": 1.0, "hernia": 0.0}}
    again = load(tmp_path, parameters={"prevalence": {"hernia": 0.0, "mass": 1.0}})
    assert again.path == turned.path
    assert load(tmp_path, parameters={"exposure": 0}).path == plain.path
    with pytest.raises(ValueError, match="Did you mean 'severity'"):
        load(tmp_path, parameters={"severty": (0, 1)})


def test_the_simulator_gets_all_parameters_but_the_prevalence(tmp_path, monkeypatch):
    real, calls = phantom.simulate, []

    def record(indices, *, size, seed, labels, masks=False, **parameters):
        calls.append((labels, parameters))
        return real(indices, size=size, seed=seed, labels=labels, masks=masks)

    monkeypatch.setattr(phantom, "simulate", record)
    split = load(tmp_path, parameters={"prevalence": 1.0, "severity": (0.5, 1), "projection": "AP"})
    split.masks[3]
    assert len(calls) == 3  # one image to try the arguments, all images, one image's masks
    for labels, parameters in calls:
        assert labels.all() and parameters == {"severity": [0.5, 1.0], "projection": "AP"}


def test_splits_share_no_image_and_smaller_ones_are_the_beginning(tmp_path):
    train, val = load(tmp_path), load(tmp_path, split="val")
    assert not (train.images == val.images).all(axis=(1, 2)).any()
    np.testing.assert_array_equal(load(tmp_path, num_images=7).images, train.images[:7])
    assert train.fingerprint != val.fingerprint
    assert train.fingerprint != load(tmp_path, seed=1).fingerprint


def test_images_are_simulated_once(tmp_path, monkeypatch):
    first = load(tmp_path)
    monkeypatch.setattr(phantom, "simulate", None)
    again = load(tmp_path)
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.images, first.images)


def test_the_fingerprint_is_that_of_the_description(tmp_path, monkeypatch):
    """Processors differ in a rare pixel, and versions of the simulator in all of them."""
    real = phantom.simulate

    def on_another_processor(indices, **options):
        made = real(indices, **options)
        made.images[0, 16, 16] ^= 1
        return made

    here = load(tmp_path / "here")
    with monkeypatch.context() as patch:
        patch.setattr(phantom, "simulate", on_another_processor)
        there = load(tmp_path / "there")
    assert not np.array_equal(here.images, there.images)
    assert here.fingerprint == there.fingerprint
    monkeypatch.setattr(phantom, "VERSION", phantom.VERSION + 1)
    assert load(tmp_path / "here").fingerprint != here.fingerprint


def cut(folder):
    with (folder / "images.npy").open("r+b") as stream:
        stream.truncate(5000)


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        lambda folder: (folder / "boxes.npy").unlink(),
        lambda folder: (folder / "facts.npy").unlink(),
        lambda folder: (folder / "labels.npy").write_bytes(b""),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: (folder / "manifest.json").write_text("[]"),
    ],
)
def test_a_damaged_cache_is_rebuilt(tmp_path, damage):
    good = load(tmp_path)
    damage(good.path)
    with pytest.warns(UserWarning, match="is damaged"):
        again = load(tmp_path)
    np.testing.assert_array_equal(again.images, make_images(np.arange(20)).images)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path)


SLOWLY = """
import sys, time
from xraylab import data, phantom
import xraylab.data.phantom as source

real = phantom.simulate

def slow(indices, **options):
    time.sleep(0.05)
    return real(indices, **options)

phantom.simulate, source._BATCH = slow, 8
data.load("phantom", 32, "val", num_images=500, cache_dir=sys.argv[1], progress=False)
"""


def kill_midway(tmp_path, batches):
    """Begin 500 images in another process, kill it; return its folder and finished images."""

    def finished():
        try:
            (counter,) = tmp_path.rglob(resumable.COUNTER)
            return counter.parent, json.loads(counter.read_text())["images.npy"]
        except (ValueError, OSError):
            return None, 0

    with subprocess.Popen([sys.executable, "-c", SLOWLY, str(tmp_path)]) as process:
        try:
            for _ in range(3000):
                if finished()[1] >= 8 * batches or process.poll() is not None:
                    break
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return finished()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows kills differently")
def test_a_killed_simulation_resumes(tmp_path, counted):
    part, finished = kill_midway(tmp_path / "killed", batches=3)
    assert 24 <= finished < 496 and part.name == ".val-500.part"
    with (part / "images.npy").open("ab") as stream:
        stream.write(b"half a batch")
    split = load(tmp_path / "killed", split="val", num_images=500)
    assert sorted(counted) == [10**9, *range(10**9 + finished, 10**9 + 500)]
    undisturbed = load(tmp_path / "whole", split="val", num_images=500)
    assert split.fingerprint == undisturbed.fingerprint
    for name in (*FILES, "manifest.json"):
        assert (split.path / name).read_bytes() == (undisturbed.path / name).read_bytes()
    assert no_left_overs(tmp_path)


def fill_the_disk_after(monkeypatch, images):
    """Let the simulation of images beyond the first ones fail."""
    real = phantom.simulate

    def die(indices, **options):
        if indices[0] >= images:
            raise OSError(28, "No space left on device")
        return real(indices, **options)

    monkeypatch.setattr(phantom, "simulate", die)


def test_a_failed_simulation_leaves_no_result_and_can_resume(tmp_path, monkeypatch):
    monkeypatch.setattr("xraylab.data.phantom._BATCH", 8)
    with monkeypatch.context() as patch:
        fill_the_disk_after(patch, 8)
        with pytest.raises(OSError, match=r"No space left"):
            load(tmp_path)
    assert [path.name for path in tmp_path.glob("*/*/*.part")] == [".train-20.part"]
    np.testing.assert_array_equal(load(tmp_path).images, make_images(range(20)).images)
    assert no_left_overs(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda part: (part / resumable.COUNTER).unlink(),
        lambda part: (part / resumable.COUNTER).write_text("[]\n"),
        lambda part: (part / resumable.COUNTER).write_text('{"seed": 1}\n'),
        lambda part: (part / "facts.npy").unlink(),
        lambda part: (part / "boxes.npy").write_bytes(b""),
        lambda part: (part / "labels.npy").write_bytes(bytes(1030)),
    ],
)
def test_a_damaged_unfinished_folder_is_started_again(tmp_path, monkeypatch, damage):
    monkeypatch.setattr("xraylab.data.phantom._BATCH", 8)
    with monkeypatch.context() as patch:
        fill_the_disk_after(patch, 8)
        with pytest.raises(OSError):
            load(tmp_path)
    damage(next(tmp_path.glob("*/*/.train-20.part")))
    split, made = load(tmp_path), make_images(range(20))
    for name, array in (("images", made.images), ("labels", made.labels), ("boxes", made.boxes)):
        np.testing.assert_array_equal(getattr(split, name), array)


def test_concurrent_loads_simulate_once(tmp_path, counted):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: load(tmp_path, num_images=200), range(2))
    assert first.fingerprint == second.fingerprint
    assert len(counted) == 202  # each checks its arguments with the first image
    assert no_left_overs(tmp_path)


def test_arguments_out_of_range_are_refused(tmp_path, expect_error):
    load(tmp_path, seed=2**63 - 1, num_images=2)
    error = expect_error(load, tmp_path, seed=2**63, names="argument seed")
    assert str(2**63 - 1) in str(error)


def test_bad_sizes_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"argument size\. Expected: an integer from 28 to 1024"):
        load(tmp_path, size=8)
    assert not list(tmp_path.iterdir())
