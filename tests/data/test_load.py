"""load(): names and paths of sources, and parts of a source."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from xraylab.data import data_root, load
from xraylab.findings import FINDINGS


def test_path_as_text_or_path_relative_or_with_home(npz, tmp_path, monkeypatch):
    path = npz("home/images.npz")
    monkeypatch.chdir(path.parent)
    for source in (path, str(path), "images.npz", "./images.npz", "~/images.npz"):
        split = load(source, progress=False)
        assert split.path == path and len(split) == 20 and split.size == 28


def test_real_images_keep_their_size_and_labels(real_images):
    path = real_images / "nih_sample_28.npz"
    options = {"on_suspect": None, "progress": False}
    splits = {name: load(path, split=name, **options) for name in ("train", "val", "test")}
    assert [len(split) for split in splits.values()] == [1501, 176, 397]
    assert splits["train"].labels[:, FINDINGS.index("hernia")].sum() == 12


@pytest.mark.parametrize(
    ("arguments", "names", "advice"),
    [
        (("chestmnst",), "source 'chestmnst'", "Did you mean 'chestmnist'?"),
        (("chestminst",), "source 'chestminst'", "Did you mean 'chestmnist'?"),
        (("./chestmnist",), "source './chestmnist'", "Did you mean 'chestmnist'?"),
        (("chestminst.npz",), "source 'chestminst.npz'", "Did you mean 'chestmnist'?"),
        (("Phantom",), "source 'Phantom'", "Did you mean 'phantom'?"),
        (("nih14x",), "source 'nih14x'", "Did you mean 'nih14'?"),
        (("mammograms",), "source 'mammograms'", "neither a file nor a known data set"),
        ((None,), "argument source", "a NoneType"),
        (("phantom", 64, "validation"), "argument split", "Did you mean 'val'?"),
        (("phantom", 64, "dev"), "argument split", "one of 'train', 'val', 'test'"),
        (("phantom", 0), "argument size", "an integer of at least 1"),
        (("phantom", 64.0), "argument size", "an integer of at least 1"),
    ],
)
def test_wrong_arguments(expect_error, tmp_path, monkeypatch, arguments, names, advice):
    monkeypatch.chdir(tmp_path)
    error = expect_error(load, *arguments, names=names)
    assert advice in str(error)
    assert (repr(arguments[-1]) if arguments[-1] else "") in str(error)


def test_a_missing_file_is_suggested_from_its_folder(npz, expect_error):
    path = npz("three.npz")
    error = expect_error(load, path.with_name("thre.npz"), names="Unknown source")
    assert str(error).endswith("Did you mean 'three.npz'?")
    error = expect_error(load, path.with_name("qqq.dat"), names="Unknown source")
    assert str(error).endswith("The files in its folder are three.npz")
    error = expect_error(load, path.parent, names=f'data.load("folder", root={str(path.parent)!r}')
    assert "argument label_names" in str(error)


def test_the_phantom_gets_its_arguments(monkeypatch, expect_error):
    calls = []
    simulator = ModuleType("xraylab.data.phantom")
    simulator.load_phantom = lambda *args, **kwargs: calls.append((args, kwargs))
    monkeypatch.setitem(sys.modules, "xraylab.data.phantom", simulator)
    load("phantom", split="val", num_images=9, seed=4, progress=False)
    rest = {
        "size": 64,
        "split": "val",
        "num_images": 9,
        "seed": 4,
        "parameters": None,
        "cache_dir": data_root(),
        "progress": False,
    }
    assert calls == [((), rest)]
    expect_error(load, "phantom", label_names=["a"], names="label_names")
    expect_error(load, "chestmnist", parameters={"exposure": 0.5}, names="parameters")


def test_part_of_a_file_is_evenly_spaced_and_still_mapped(npz, arrays):
    path = npz()
    part = load(path, num_images=6, progress=False)
    assert isinstance(part.images, np.memmap) and len(part) == 6
    rows = [
        next(row for row, image in enumerate(arrays["train_images"]) if (image == chosen).all())
        for chosen in part.images
    ]
    assert set(np.diff(rows)) == {3}
    np.testing.assert_array_equal(part.labels, arrays["train_labels"][rows])
    assert load(path, num_images=6, progress=False).fingerprint == part.fingerprint
    starts = {load(path, num_images=6, seed=s, progress=False).fingerprint for s in range(20)}
    assert len(starts) == 5
    whole = load(path, num_images=20, progress=False)
    np.testing.assert_array_equal(whole.images, arrays["train_images"])


def test_more_images_than_there_are(npz, expect_error):
    error = expect_error(load, npz(), num_images=21, progress=False, names="num_images")
    assert "20" in str(error)


def test_data_root(monkeypatch, tmp_path):
    monkeypatch.setenv("XRAYLAB_DATA", str(tmp_path / "mine"))
    assert data_root() == tmp_path / "mine"
    monkeypatch.delenv("XRAYLAB_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_root() == tmp_path / "cache" / "xraylab"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_root().is_relative_to(Path.home())


def test_a_number_of_images_for_each_split():
    numbers = {"train": 5, "test": 3}
    for split, count in numbers.items():
        assert len(load("phantom", 32, split, num_images=numbers, progress=False)) == count
    assert load("phantom", 32, "test", num_images=3, progress=False).fingerprint == (
        load("phantom", 32, "test", num_images=numbers, progress=False).fingerprint
    )


def test_a_split_that_is_not_named_is_whole(npz):
    path = npz("images.npz")
    assert len(load(path, split="val", num_images={"train": 5}, progress=False)) == len(
        load(path, split="val", progress=False)
    )


def test_numbers_for_unknown_splits_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        load("phantom", num_images={"trian": 5}, progress=False)
    with pytest.raises(ValueError, match="num_images"):
        load("phantom", num_images={"train": 0}, progress=False)
