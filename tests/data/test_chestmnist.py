"""ChestMNIST: the published files, their search, and their download."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xraylab import io
from xraylab.data import chestmnist, load, sources
from xraylab.data.chestmnist import RELEASES, Release
from xraylab.findings import FINDINGS
from xraylab.phantom import SPLIT_SIZES


@pytest.fixture
def published(npz, serve, behaviour, monkeypatch, tmp_path):
    """Publish the small file as ChestMNIST at 28 px on a loopback server that behaves well."""
    path = npz("published/chestmnist.npz")
    server = serve(path.read_bytes(), behaviour.ranged)
    monkeypatch.setitem(RELEASES, 28, Release("chestmnist.npz", server.url, server.md5))
    monkeypatch.setattr(
        chestmnist, "search_roots", lambda root: (root / "chestmnist", tmp_path / "kaggle")
    )
    path.unlink()
    return server


@pytest.fixture
def root(tmp_path):
    return tmp_path / "xraylab-data"


def write_file(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "chestmnist.npz"
    path.write_bytes(content)
    return path


def test_facts_are_those_of_medmnist():
    info = pytest.importorskip("medmnist", reason="needs medmnist.INFO to compare with").INFO
    info = info["chestmnist"]
    for size, release in RELEASES.items():
        suffix = "" if size == 28 else f"_{size}"
        assert release.url == info[f"url{suffix}"]
        assert release.md5 == info[f"MD5{suffix}"]
        assert release.name == f"chestmnist{suffix}.npz"
    assert info["n_samples"] == SPLIT_SIZES
    names = ["pleural" if name == "pleural_thickening" else name for name in FINDINGS]
    assert names == [info["label"][str(column)] for column in range(14)]
    assert {key for key in info if key.startswith("MD5")} == {"MD5", "MD5_64", "MD5_128", "MD5_224"}


def test_sizes_that_do_not_exist(expect_error):
    error = expect_error(load, "chestmnist", 32, names="argument size")
    assert "28, 64, 128, 224" in str(error)


def test_a_missing_file_is_downloaded_once(published, root, arrays):
    split = load("chestmnist", 28, "val", progress=False)
    np.testing.assert_array_equal(split.images, arrays["val_images"])
    assert isinstance(split.images, np.memmap)
    assert (split.source, split.label_names) == ("chestmnist", FINDINGS)
    assert split.path == root / "chestmnist" / "chestmnist.npz"
    load("chestmnist", 28, "train", progress=False)
    assert len(published.requests) == 1


@pytest.mark.parametrize("depth", ["", "chest", "datasets/somebody/chest/files"])
def test_finds_files_that_others_put_there(published, tmp_path, depth):
    path = write_file(tmp_path / "kaggle" / depth, published.body)
    assert load("chestmnist", 28, progress=False).path == path
    assert published.requests == []


def test_search_roots_are_those_of_medmnist_and_kaggle(root):
    own, medmnist, kaggle = chestmnist.search_roots(root)
    assert own == root / "chestmnist"
    assert medmnist == Path.home() / ".medmnist" and kaggle == Path("/kaggle/input")


def test_another_file_of_that_name_is_passed_over_with_a_warning(published, tmp_path, root):
    other = write_file(tmp_path / "kaggle", b"something else")
    with pytest.warns(
        UserWarning, match=r"passed over\. Expected: the MD5 checksum .* pass its path"
    ):
        split = load("chestmnist", 28, progress=False)
    assert split.path == root / "chestmnist" / "chestmnist.npz"
    assert other.read_bytes() == b"something else"


def test_errors_say_how_to_fetch_the_file_by_hand(published, behaviour, root, expect_error):
    published.behaviours[:] = [behaviour.status(404)]
    for options in ({}, {"download": False}):
        error = expect_error(load, "chestmnist", 28, **options, names="chestmnist.npz")
        advice = f"save it as {root / 'chestmnist' / 'chestmnist.npz'}"
        assert published.url in str(error) and advice in str(error)


def test_checksums_are_computed_once_and_again_when_the_file_changes(
    published, tmp_path, root, monkeypatch
):
    path = write_file(tmp_path / "kaggle", published.body)
    computed, plain = [], io.md5
    monkeypatch.setattr(io, "md5", lambda path: computed.append(path) or plain(path))
    for _ in range(3):
        assert load("chestmnist", 28, progress=False).path == path
    assert len(computed) == 1
    os.utime(path, (1, 1))
    assert load("chestmnist", 28, progress=False).path == path and len(computed) == 2


def test_sources_list_the_state_of_each_file(published, tmp_path):
    def state():
        (listed,) = [s for s in sources() if (s.name, s.size) == ("chestmnist", "28")]
        return listed.state, listed.path

    assert state() == ("not found", None)
    path = write_file(tmp_path / "kaggle", published.body)
    assert state() == ("found", path)
    assert sources()[0].name == "phantom" and len(sources()) == 10


def test_importing_is_light():
    code = (
        "import sys, xraylab.data; "
        "print([m for m in ('tensorflow', 'keras', 'requests', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
