"""MedMNIST-style files: memory-mapped images, and errors that explain what is wrong."""

import errno
import io
import os
import shutil
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xraylab.data import DataError
from xraylab.data import npz as npz_module
from xraylab.data.npz import load_npz
from xraylab.findings import FINDINGS
from xraylab.io.resumable import ResumableArrays


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def load(cache):
    def run(path, **options):
        return load_npz(path, **{"cache_dir": cache, "progress": False} | options)

    return run


def in_cache(cache):
    """List the unpacked arrays, without unfinished ones and the results of the checks."""
    found = (file for file in cache.rglob("*.npy") if not file.parent.name.endswith(".part"))
    return sorted(file.name for file in found if not file.parent.name.endswith("_checks"))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_images_are_memory_mapped_and_right(npz, arrays, load, save):
    path = npz(save=save)
    for split in ("train", "val", "test"):
        loaded = load(path, split=split)
        assert isinstance(loaded.images, np.memmap)
        np.testing.assert_array_equal(loaded.images, arrays[f"{split}_images"])
        np.testing.assert_array_equal(loaded.labels, arrays[f"{split}_labels"])
        assert (loaded.size, loaded.label_names) == (28, FINDINGS)
        assert loaded.path == path and not loaded.simulated


def test_only_the_requested_split_is_unpacked_once(npz, load, cache):
    path = npz()
    first = load(path, split="val")
    assert in_cache(cache) == ["val_images.npy", "val_labels.npy"]
    stamps = {file: file.stat().st_mtime_ns for file in cache.rglob("*.npy")}
    again = load(path, split="val")
    assert {file: file.stat().st_mtime_ns for file in cache.rglob("*.npy")} == stamps
    assert again.fingerprint == first.fingerprint


def test_fingerprint_follows_the_content(npz, arrays, load):
    other = arrays["train_labels"].copy()
    other[3, 5] ^= 1
    plain = load(npz("a.npz")).fingerprint
    assert load(npz("elsewhere/b.npz")).fingerprint == plain
    assert load(npz("c.npz", train_labels=other)).fingerprint != plain


def test_other_data_sets_name_their_labels(npz, arrays, load):
    binary = {f"{s}_labels": arrays[f"{s}_labels"][:, :1].astype("int64") for s in ("train",)}
    loaded = load(npz(**binary), label_names=["pneumonia"])
    assert loaded.labels.shape == (20, 1) and loaded.labels.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_nan_labels_are_unknown(npz, arrays, load, dtype):
    """Advice to convert them to uint8 would turn unknown labels into negatives."""
    labels = arrays["train_labels"].astype(dtype)
    labels[2, 3] = labels[5] = np.nan
    loaded = load(npz(train_labels=labels))
    assert loaded.labels.dtype == np.float32
    np.testing.assert_array_equal(loaded.labels, labels.astype(np.float32))


def test_a_channel_axis_of_one_is_dropped(npz, arrays, load):
    loaded = load(npz(train_images=arrays["train_images"][..., None]))
    assert isinstance(loaded.images, np.memmap)
    np.testing.assert_array_equal(loaded.images, arrays["train_images"])
    np.testing.assert_array_equal(
        loaded.subset(slice(3, 9)).to_dataset(6)[0][0],
        np.float32(arrays["train_images"][3:9, ..., None]) / np.float32(255),
    )


def test_arrays_in_fortran_order_are_read_correctly(npz, arrays, load):
    changed = {name: np.asfortranarray(arrays[name]) for name in ("train_images", "train_labels")}
    loaded = load(npz(**changed))
    np.testing.assert_array_equal(loaded.labels, arrays["train_labels"])
    np.testing.assert_array_equal(loaded.images, arrays["train_images"])
    np.testing.assert_array_equal(loaded.to_dataset(20)[0][0], loaded.arrays()[0])


def _pickle_alarm():
    raise AssertionError("unpickled")


class Bomb:
    def __reduce__(self):
        return _pickle_alarm, ()


def objects(*shape):
    array = np.empty(shape, dtype=object)
    array.flat[0] = Bomb()
    return array


BAD = {
    "pickled images": (
        {"train_images": objects(20, 28, 28)},
        {},
        ("train_images", "uint8", "dtype object"),
    ),
    "pickled labels": (
        {"train_labels": objects(20, 14)},
        {},
        ("train_labels", "integers 0 and 1", "dtype object"),
    ),
    "no images": (
        {"train_images": None},
        {},
        ("no array train_images", "MedMNIST", "train_labels, val_images", "val, test"),
    ),
    "no labels": (
        {"train_labels": None},
        {},
        ("no array train_labels", "MedMNIST", "train_images", "Load a split that is there"),
    ),
    "float images": (
        {"train_images": np.zeros((20, 28, 28), np.float32)},
        {},
        ("train_images", "uint8", "float32", ".astype(np.uint8)"),
    ),
    "colour images": (
        {"train_images": np.zeros((20, 28, 28, 3), np.uint8)},
        {},
        ("train_images", "(n, size, size)", "(20, 28, 28, 3)", "one grey channel"),
    ),
    "oblong images": (
        {"train_images": np.zeros((20, 28, 30), np.uint8)},
        {},
        ("train_images", "square", "(20, 28, 30)", "square images"),
    ),
    "float labels": (
        {"train_labels": np.full((20, 14), 0.5)},
        {},
        ("labels", "NaN (unknown)", "280 other values, such as 0.5", "np.eye"),
    ),
    "text labels": (
        {"train_labels": np.full((20, 14), "1")},
        {},
        ("train_labels", "integers 0 and 1", "<U1", "float32 with NaN"),
    ),
    "flat labels": (
        {"train_labels": np.zeros(20, np.uint8)},
        {},
        ("train_labels", "(20, 14)", "(20,)", "np.eye"),
    ),
    "13 labels": (
        {"train_labels": np.zeros((20, 13), np.uint8)},
        {},
        ("train_labels", "14 label columns", "(20, 13)", "label_names="),
    ),
    "names for 3": (
        {},
        {"label_names": ["a", "b", "c"]},
        ("train_labels", "3 label columns", "(20, 14)", "label_names="),
    ),
    "a label 2": (
        {"train_labels": np.full((20, 14), 2, np.uint8)},
        {},
        ("labels", "NaN (unknown)", "280 other values, such as 2", "np.eye"),
    ),
    "a label -1": (
        {"train_labels": -np.eye(20, 14, dtype=np.int64)},
        {},
        ("labels", "NaN (unknown)", "14 other values, such as -1", "np.eye"),
    ),
    "19 labels for 20 images": (
        {"train_labels": np.zeros((19, 14), np.uint8)},
        {},
        ("train_labels", "a row per image", "(19, 14)", "label_names="),
    ),
    "empty images": (
        {"train_images": np.zeros((0, 28, 28), np.uint8), "train_labels": np.zeros((0, 14), "u1")},
        {},
        ("train_images", "some square images", "(0, 28, 28)", "another split"),
    ),
    "another size": (
        {},
        {"size": 64},
        ("train_images", "64×64 px", "28×28 px", "size=28"),
    ),
    "names twice": (
        {},
        {"label_names": ["a"] * 14},
        ("label_names", "different names", "'a'", "Pass names"),
    ),
    "one string for names": (
        {},
        {"label_names": "pneumonia"},
        ("label_names", "a list", "'pneumonia'", "Pass names"),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_content_is_explained(npz, load, cache, expect_error, case):
    changed, options, parts = BAD[case]
    path = npz(**changed)
    before = path.read_bytes()
    about_file = parts[0] != "label_names"
    error = expect_error(load, path, **options, names=path if about_file else "label_names")
    assert all(part in str(error) for part in parts), error
    assert path.read_bytes() == before
    if parts[0] != "labels":  # values are checked last
        assert not in_cache(cache)


NOT_ARCHIVES = {
    "truncated": (lambda whole: whole[: len(whole) // 2], "begins with b'PK"),
    "empty": (lambda whole: b"", "a file of 0 bytes"),
    "web page": (lambda whole: b"<!DOCTYPE html><p>Not here", "begins with b'<!DOCTYPE"),
    "text": (lambda whole: b"a;b;c\n", "begins with b'a;b;c"),
    "one array": (lambda whole: b"\x93NUMPY\x01\x00", "NUMPY"),
}


@pytest.mark.parametrize("case", NOT_ARCHIVES)
def test_files_that_are_no_archive(npz, load, cache, expect_error, case):
    damage, found = NOT_ARCHIVES[case]
    path = npz()
    path.write_bytes(damage(path.read_bytes()))
    error = expect_error(load, path, names=path)
    assert "zip archive" in str(error) and found in str(error)
    assert "Fetch the file again" in str(error)
    assert in_cache(cache) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damage_is_named_however_the_file_is_packed(
    npz, load, cache, expect_error, method, tmp_path
):
    path = tmp_path / "packed.npz"
    with zipfile.ZipFile(npz()) as plain, zipfile.ZipFile(path, "w", method) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
        offset = packed.getinfo("train_images.npy").header_offset
    damaged = bytearray(path.read_bytes())
    damaged[offset + 3000 : offset + 3100] = bytes(100)
    path.write_bytes(damaged)
    error = expect_error(load, path, names=path)
    assert "cannot be read" in str(error)
    assert "Fetch the file again" in str(error)
    assert not any("images" in name or "tmp" in name for name in in_cache(cache))


def test_byte_flipped_in_an_array_is_found_while_unpacking(npz, load, cache, expect_error):
    path = npz(save=np.savez)
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("train_images.npy").header_offset
    damaged = bytearray(path.read_bytes())
    damaged[offset + 5000] ^= 1
    path.write_bytes(damaged)
    error = expect_error(load, path, names=path)
    assert "CRC" in str(error)
    assert not any("images" in name or "tmp" in name for name in in_cache(cache))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_cuts_and_flipped_bits_are_detected_or_harmless(npz, arrays, load, save):
    """Whatever happened to a file: a DataError, or exactly the arrays that were written."""
    path = npz(save=save, **{key: None for key in arrays if not key.startswith("val")})
    whole = path.read_bytes()
    random = np.random.default_rng(2)
    variants = [whole[:cut] for cut in random.integers(0, len(whole), 40)]
    for position in random.integers(0, len(whole), 120):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << random.integers(8)
        variants.append(bytes(damaged))
    errors = 0
    for number, variant in enumerate(variants):
        path.write_bytes(variant)
        try:
            loaded = load(path, split="val", cache_dir=path.parent / f"cache{number}")
        except DataError:
            errors += 1
        else:
            np.testing.assert_array_equal(loaded.images, arrays["val_images"])
            np.testing.assert_array_equal(loaded.labels, arrays["val_labels"])
    assert errors > 100


@pytest.mark.parametrize(
    "header",
    [
        b"\x93NUMPY\x07\x00\x10\x00",
        b"\x93NUMPY\x01\x00\x40\x00" + b"(" * 64,
        b"\x93NUMPY\x01\x00\x40\x00" + b"{'descr': '|u1'".ljust(64),
        b"\x93NUMPY\x01\x00\x50\x00"
        + b"{'descr': '|u1', 'fortran_order': False, 'shape': (20, 28, 28), }".ljust(80),
        b"\x93NUMPY\x01\x00\x50\x00"
        + b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -28, -28)}".ljust(80),
        b"",
        b"\x93NUMPY\x01\x00\x00\x20" + b"{'descr': '|u1', 'fortran_order': False, 'shape': ("
        + b"-" * 6000 + b"1, 28, 28)}".ljust(8192),
        b"\x93NUMPY\x01\x00\x00\x04" + b"{'descr': '|u1', 'fortran_order': False, 'shape': ("
        + (b"-" * 900 + b"1, 28, 28)}").ljust(973),
    ],
)  # fmt: skip
def test_headers_that_do_not_match_the_array(npz, load, expect_error, header):
    path = npz(train_images=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train_images.npy", header)
    expect_error(load, path, names=path)


def test_encrypted_member(npz, load, expect_error):
    path = npz()
    whole = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = -1
        while (position := whole.find(signature, position + 1)) >= 0:
            whole[position + flags] |= 1
    path.write_bytes(whole)
    assert "encrypted" in str(expect_error(load, path, names=path))


@pytest.mark.parametrize("damage", ["cut", "emptied"])
def test_damaged_unpacked_array_is_rebuilt(npz, arrays, load, cache, damage):
    path = npz()
    load(path)
    (unpacked,) = cache.rglob("train_images.npy")
    content = bytearray(unpacked.read_bytes())
    if damage == "cut":
        del content[-100:]
    else:
        content.clear()
    unpacked.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged"):
        loaded = load(path)
    np.testing.assert_array_equal(loaded.images, arrays["train_images"])
    assert in_cache(cache) == ["train_images.npy", "train_labels.npy"]


def test_too_little_disk_is_reported_before_copying(npz, load, cache, expect_error, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2_000_000))
    path = npz()
    error = expect_error(load, path, names=cache)
    assert "free disk" in str(error) and str(path) in str(error)
    assert "nothing was written" in str(error) and "Received: 2 MB" in str(error)
    assert "XRAYLAB_DATA" in str(error)
    assert in_cache(cache) == []


class Refusing(io.FileIO):
    """A file that the system takes nothing more for after the first bytes."""

    refusal = OSError(errno.ENOSPC, "No space left on device")

    def write(self, data):
        super().write(bytes(data)[:10])
        raise self.refusal


@pytest.mark.parametrize(
    ("refusal", "found"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left"),
        (KeyboardInterrupt(), None),
    ],
)
def test_failure_while_unpacking_leaves_nothing(
    npz, load, cache, expect_error, monkeypatch, refusal, found
):
    path = npz()
    plain_open = Path.open

    def refuse(file, mode="r", *args, **kwargs):
        if "a" in mode and "images" in file.name:
            return Refusing(file, "a")
        return plain_open(file, mode, *args, **kwargs)

    monkeypatch.setattr(Refusing, "refusal", refusal)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        if found is None:
            with pytest.raises(KeyboardInterrupt):
                load(path)
        else:
            expect_error(load, path, names=found)
    assert in_cache(cache) == ["train_labels.npy"]
    assert len(load(path)) == 20


def test_no_permission_to_read(npz, load, expect_error, monkeypatch):
    # Permission bits do not stop a superuser, who may well run this test.
    path = npz()

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    error = expect_error(load, path, names=path)
    assert "Permission denied" in str(error)


def test_cache_cannot_be_made(npz, load, expect_error, tmp_path):
    (tmp_path / "file").write_text("in the way")
    expect_error(load, npz(), cache_dir=tmp_path / "file", names=tmp_path / "file")


def test_unpacking_resumes_after_a_kill(npz, arrays, load, cache, monkeypatch):
    monkeypatch.setattr(npz_module, "_CHUNK", 3 * 28 * 28)
    path, append, batches = npz(), ResumableArrays.append, []

    def killed(arrays, batch):
        append(arrays, batch)
        batches.append(len(next(iter(batch.values()))))
        if len(batches) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(ResumableArrays, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        load(path, on_suspect=None)
    assert in_cache(cache) == ["train_labels.npy"]
    np.testing.assert_array_equal(load(path).images, arrays["train_images"])
    assert batches[:3] == [20, 3, 3] and batches[3:8] == [3, 3, 3, 3, 2]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused_before_expanding(npz, load, cache, expect_error, method):
    """A few hundred bytes of bzip2 may expand to gigabytes."""
    path = npz()
    with zipfile.ZipFile(path) as plain:
        members = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    error = expect_error(load, path, names=path)
    assert "other than deflate" in str(error) and in_cache(cache) == []


def test_the_size_of_an_array_is_checked_before_expanding(
    npz, load, cache, expect_error, monkeypatch
):
    path = npz()
    monkeypatch.setattr(npz_module, "_MAX_BYTES", 10_000)
    assert "larger than allowed" in str(expect_error(load, path, names=path))
    monkeypatch.undo()
    with zipfile.ZipFile(npz()) as archive:
        claimed = archive.read("train_images.npy").replace(b"(20, 28, 28)", b"(90, 28, 28)")
    path = npz(train_images=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train_images.npy", claimed)
    error = expect_error(load, path, names=path)
    assert "70,560 bytes, not 15,680" in str(error) and in_cache(cache) == []


def test_pipes_are_refused_at_once(tmp_path, load, expect_error):
    os.mkfifo(tmp_path / "images.npz")
    error = expect_error(load, tmp_path / "images.npz", names="images.npz")
    assert "not a regular file" in str(error)


def test_archives_with_equal_checksums_do_not_share_a_cache(npz, arrays, load, tmp_path):
    """CRC-32 is linear: four bytes make two arrays with the same checksum, see below."""
    other = arrays["train_images"].copy()
    other[0, 0] ^= 255
    # Bytes that bring the register of CRC-32 to the same state, found from the end.
    header = len(_npy(other)) - other.size
    images = other.reshape(-1)
    images[-4:] = _equal_crc(_npy(arrays["train_images"]), _npy(other)[: header + images.size - 4])
    first, second = npz("a.npz"), npz("b.npz", train_images=other)
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as two:
        assert one.getinfo("train_images.npy").CRC == two.getinfo("train_images.npy").CRC
    np.testing.assert_array_equal(load(first).images, arrays["train_images"])
    np.testing.assert_array_equal(load(second).images, other)


def _npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _equal_crc(content, start):
    """Return four bytes that, after ``start``, give the CRC-32 of ``content``."""
    table = [zlib.crc32(bytes([i])) ^ zlib.crc32(b"\0") for i in range(256)]
    base = table[0]
    by_top = {(entry ^ base) >> 24: i for i, entry in enumerate(table)}
    register, target = zlib.crc32(start) ^ 0xFFFFFFFF, zlib.crc32(content) ^ 0xFFFFFFFF
    indices = []
    for _ in range(4):
        index = by_top[target >> 24]
        indices.append(index)
        target = ((target ^ table[index] ^ base) << 8 | index) & 0xFFFFFFFF
    chosen = []
    for index in reversed(indices):
        chosen.append((register ^ index) & 255)
        register = (register >> 8) ^ table[index] ^ base
    return chosen


def test_altered_bytes_in_the_cache_are_noticed(npz, arrays, load, cache):
    path = npz()
    load(path)
    (unpacked,) = cache.rglob("train_images.npy")
    content = bytearray(unpacked.read_bytes())
    content[-5] ^= 1
    unpacked.write_bytes(content)
    for checks in cache.rglob("checks.npy"):
        checks.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="is damaged"):
        np.testing.assert_array_equal(load(path).images, arrays["train_images"])


def test_suspect_and_equal_images(npz, arrays, load, expect_error):
    train, test = arrays["train_images"].copy(), arrays["test_images"].copy()
    train[3], train[7], train[8] = 0, 9, train[2]
    test[1], test[4] = train[5], 200
    path = npz(train_images=train, test_images=test)
    with pytest.warns(UserWarning, match=r"2 are constant.*1 are identical"):
        split = load(path)
    expected = ["train[8] = train[2] with other labels"]
    assert split.report == {"constant": ["train[3]", "train[7]"], "duplicate": expected}
    with pytest.warns(UserWarning, match=r"test\[1\] = train\[5\]"):
        split = load(path, split="test")
    assert split.report == {"constant": ["test[4]"], "duplicate": ["test[1] = train[5]"]}
    with pytest.warns(UserWarning, match="left out"):
        dropped = load(path, split="test", on_suspect="drop")
    np.testing.assert_array_equal(dropped.images, test[[0, 2, 3, 5, 6]])
    expect_error(load, path, on_suspect="error", names=path)
    assert not load(path, on_suspect=None).report
