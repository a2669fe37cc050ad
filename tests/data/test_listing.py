"""Images decoded once: in parallel, resumed after a kill, and keyed by their files."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xraylab.data import listing
from xraylab.data.image_io import decode_image, read_image
from xraylab.data.listing import decode_images
from xraylab.io.resumable import ResumableArrays

IMAGES = 75  # two whole batches and part of a third


@pytest.fixture
def folder(tmp_path, write_image):
    """Return a folder with images, two of them damaged."""
    for number in range(IMAGES):
        write_image(tmp_path / "images" / f"{number:03}.png", number, (12, 10 + number % 7))
    (tmp_path / "images" / "005.png").write_bytes(b"")
    (tmp_path / "images" / "040.png").write_bytes(b"\x89PNG but no more")
    return tmp_path / "images"


def decode(folder, cache, **changed):
    options = {"size": 16, "square": "pad"} | changed
    paths = options.pop("paths", sorted(folder.iterdir()))
    images, facts, digest = decode_images(paths, folder, cache / "test", **options, progress=False)
    folder = Path(images.filename).parent
    return SimpleNamespace(images=images, reasons=facts["reason"], sha256=digest, folder=folder)


def test_images_are_in_order_without_the_damaged_ones(folder, tmp_path):
    images = decode(folder, tmp_path / "cache")
    assert isinstance(images.images, np.memmap) and images.images.dtype == np.uint8
    good = [number for number in range(IMAGES) if number not in (5, 40)]
    np.testing.assert_array_equal(np.flatnonzero(images.reasons == ""), good)
    for image, number in zip(images.images, good, strict=True):
        np.testing.assert_array_equal(image, read_image(folder / f"{number:03}.png", 16))


def test_parallel_and_serial_give_the_same_bytes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    one = decode(folder, tmp_path / "one")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    many = decode(folder, tmp_path / "many")
    assert one.sha256 == many.sha256 and one.folder.name == many.folder.name
    for name in ("images.npy", "facts.npy", "manifest.json"):
        assert (one.folder / name).read_bytes() == (many.folder / name).read_bytes()


def test_images_are_decoded_once(folder, tmp_path, monkeypatch):
    first = decode(folder, tmp_path / "cache")
    monkeypatch.setattr(listing, "decode_image", None)
    again = decode(folder, tmp_path / "cache")
    assert again.folder == first.folder and again.sha256 == first.sha256
    np.testing.assert_array_equal(again.images, first.images)
    visible = [path.name for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"]
    assert visible == [first.folder.name]


def test_dicom_files_are_read_again_once_a_decoder_is_installed(folder, tmp_path, monkeypatch):
    (folder / "000.png").rename(folder / "000.dcm")
    monkeypatch.setattr(listing, "installed_version", lambda package: None)
    without = decode(folder, tmp_path / "cache")
    monkeypatch.setattr(listing, "installed_version", lambda package: "1.0")
    assert decode(folder, tmp_path / "cache").folder != without.folder


@pytest.mark.parametrize("stop", [3, 40, 70])
def test_decoding_resumes_after_an_interruption(folder, tmp_path, monkeypatch, stop):
    whole = decode(folder, tmp_path / "whole")
    read = []

    def interrupted(path, size, square):
        read.append(path.name)
        if path.name == f"{stop:03}.png":
            raise KeyboardInterrupt
        return decode_image(path, size, square)

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(listing, "decode_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        decode(folder, tmp_path / "cache")
    assert not any(path.name == whole.folder.name for path in (tmp_path / "cache").iterdir())
    read.clear()
    monkeypatch.setattr(
        listing,
        "decode_image",
        lambda path, *rest: read.append(path.name) or decode_image(path, *rest),
    )
    images = decode(folder, tmp_path / "cache")
    assert images.sha256 == whole.sha256
    np.testing.assert_array_equal(images.reasons, whole.reasons)
    assert read[0] == f"{stop // 32 * 32:03}.png"  # only the batch that was not finished, and on


def test_decoding_resumes_after_a_kill_in_the_middle_of_a_write(folder, tmp_path, monkeypatch):
    whole = decode(folder, tmp_path / "whole")
    append, batches = ResumableArrays.append, []

    def killed(arrays, batch):
        if batches:  # the second batch is half in the file when the process dies
            arrays._write("images.npy", "ab", b"\x07" * 100)
            raise SystemExit
        batches.append(batch)
        append(arrays, batch)

    monkeypatch.setattr(ResumableArrays, "append", killed)
    with pytest.raises(SystemExit):
        decode(folder, tmp_path / "cache")
    monkeypatch.setattr(ResumableArrays, "append", append)
    images = decode(folder, tmp_path / "cache")
    assert images.sha256 == whole.sha256
    np.testing.assert_array_equal(images.images, whole.images)


def test_the_cache_key_covers_files_and_options(folder, tmp_path, write_image):
    cache = tmp_path / "cache"
    paths = sorted(folder.iterdir())[:4]
    folders = [
        decode(folder, cache, paths=paths).folder,
        decode(folder, cache, paths=paths, size=12).folder,
        decode(folder, cache, paths=paths, square="crop").folder,
        decode(folder, cache, paths=paths[:3]).folder,
        decode(folder, cache, paths=paths[::-1]).folder,
    ]
    assert len(set(folders)) == 5
    assert decode(folder, cache, paths=paths).folder == folders[0]
    moved = tmp_path / "moved"
    folder.rename(moved)
    paths = [moved / path.name for path in paths]
    assert decode(moved, cache, paths=paths).folder == folders[0]
    former = paths[0].stat()
    os.utime(paths[0], ns=(former.st_atime_ns, former.st_mtime_ns + 1000))
    folders.append(
        decode(moved, cache, paths=paths).folder
    )  # of the same length, perhaps rewritten
    write_image(paths[0], 200, (13, 10))
    os.utime(paths[0], ns=(former.st_atime_ns, former.st_mtime_ns))
    changed = decode(moved, cache, paths=paths)
    assert len({*folders, changed.folder}) == 7 and changed.images[0, -3, -5] == 200


def test_a_damaged_array_is_decoded_again(folder, tmp_path):
    first = decode(folder, tmp_path / "cache")
    expected = np.array(first.images)
    with (first.folder / "images.npy").open("r+b") as stream:
        stream.truncate(5000)
    with pytest.warns(UserWarning, match="is damaged"):
        again = decode(folder, tmp_path / "cache")
    np.testing.assert_array_equal(again.images, expected)
    content = bytearray((again.folder / "images.npy").read_bytes())
    content[-1] ^= 1
    (again.folder / "images.npy").write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged"):
        again = decode(folder, tmp_path / "cache")
    np.testing.assert_array_equal(again.images, expected)
    (again.folder / "manifest.json").write_text(json.dumps({"size": 16}))
    with pytest.warns(UserWarning, match="is damaged"):
        decode(folder, tmp_path / "cache")


def test_a_disk_error_stops_decoding(folder, tmp_path, monkeypatch, expect_error):
    """A network disk that is gone must not mark every image on it as unreadable."""

    def refused(path, size, square):
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(listing, "decode_image", refused)
    error = expect_error(decode, folder, tmp_path / "cache", names="000.png")
    assert "Input/output error" in str(error)
    monkeypatch.setattr(listing, "decode_image", decode_image)
    assert len(decode(folder, tmp_path / "cache").images) == IMAGES - 2


def test_no_image_can_be_read(folder, tmp_path):
    images = decode(folder, tmp_path / "cache", paths=[folder / "005.png"])
    assert images.images.shape == (0, 16, 16) and images.reasons.tolist() != [""]
