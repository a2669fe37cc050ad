"""The phantom as a source: kept on disk, checked before it is read, never half there."""

import json
import warnings

import numpy as np
import pytest

from xraylab import data, phantom


def load(tmp_path, **options):
    defaults = {"size": 32, "split": "train", "num_films": 20, "progress": False}
    return data.load("phantom", cache_dir=tmp_path, **(defaults | options))


def test_films_are_those_of_the_simulator(tmp_path):
    split = load(tmp_path)
    made = phantom.films(np.arange(20), size=32)
    assert split.simulated
    assert "SIMULATED" in repr(split)
    assert isinstance(split.images, np.memmap)
    np.testing.assert_array_equal(split.images, made.images)
    np.testing.assert_array_equal(split.labels, made.labels)
    np.testing.assert_array_equal(split.boxes, made.boxes)


def test_splits_share_no_film_and_smaller_ones_are_the_beginning(tmp_path):
    train, val = load(tmp_path), load(tmp_path, split="val")
    assert not (train.images == val.images).all(axis=(1, 2)).any()
    np.testing.assert_array_equal(load(tmp_path, num_films=7).images, train.images[:7])
    assert train.fingerprint != val.fingerprint
    assert train.fingerprint != load(tmp_path, seed=1).fingerprint


def test_films_are_simulated_once(tmp_path, monkeypatch):
    first = load(tmp_path)
    monkeypatch.setattr(phantom, "films", None)
    again = load(tmp_path)
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.images, first.images)


def damage_pixels(folder):
    content = bytearray((folder / "images.npy").read_bytes())
    content[-1] ^= 1
    (folder / "images.npy").write_bytes(content)


def change_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "damage",
    [
        damage_pixels,
        lambda folder: (folder / "boxes.npy").unlink(),
        lambda folder: (folder / "labels.npy").write_bytes(b""),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: (folder / "manifest.json").write_text("[]"),
        lambda folder: change_manifest(folder, version=0),
        lambda folder: change_manifest(folder, num_films=21),
        lambda folder: change_manifest(folder, sha256={}),
    ],
)
def test_a_damaged_or_foreign_cache_is_set_aside_and_rebuilt(tmp_path, damage):
    good = load(tmp_path)
    damage(good.path)
    with pytest.warns(UserWarning, match="do not agree with their manifest"):
        again = load(tmp_path)
    np.testing.assert_array_equal(again.images, phantom.films(np.arange(20), size=32).images)
    assert list(good.path.parent.glob("*.set-aside-*"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path)


def test_a_simulation_that_dies_leaves_nothing(tmp_path, monkeypatch):
    real, calls = phantom.films, []

    def die_at_the_second_batch(*arguments, **options):
        calls.append(arguments)
        if len(calls) > 2:  # the first call only tries the arguments
            raise OSError(28, "No space left on device")
        return real(*arguments, **options)

    monkeypatch.setattr(phantom, "films", die_at_the_second_batch)
    with pytest.raises(data.DataError, match="disk full"):
        load(tmp_path, num_films=300)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_bad_sizes_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="size must be a whole number from 28 to 1024; 8 came"):
        load(tmp_path, size=8)
    assert not list(tmp_path.iterdir())
