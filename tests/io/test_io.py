"""Atomic writes, JSON, checksums, disk checks and locks."""

import dataclasses
import errno
import hashlib
import multiprocessing
import os
import time
from collections import namedtuple
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xraylab import io


def test_a_file_appears_only_when_its_block_ends(tmp_path):
    path = tmp_path / "file.bin"
    with io.atomic_write(path) as stream:
        stream.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), io.atomic_write(path) as stream:
        stream.write(b"ne")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_reported_with_the_path(tmp_path):
    path = tmp_path / "file.bin"
    with pytest.raises(OSError, match=r"file\.bin") as info, io.atomic_write(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert info.value.errno == errno.ENOSPC


def test_a_missing_folder_is_reported_with_the_path(tmp_path):
    path = tmp_path / "missing" / "file.bin"
    with pytest.raises(FileNotFoundError) as info, io.atomic_write(path):
        pass
    assert info.value.filename == str(path)


def test_old_temporary_files_are_removed_and_recent_ones_stay(tmp_path):
    old, recent = tmp_path / ".a.1.tmp", tmp_path / ".a.2.tmp"
    for path in (old, recent):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    io.remove_stale(tmp_path)
    assert list(tmp_path.iterdir()) == [recent]


@dataclasses.dataclass
class Point:
    x: float
    y: tuple


def test_values_become_plain():
    pair = namedtuple("Pair", "a b")(1, np.float32("nan"))
    value = {
        "point": Point(np.float64(0.5), (1, np.int64(2))),
        "nan": float("nan"),
        "infinities": np.array([np.inf, -np.inf, 1.0]),
        "path": Path("a"),
        "pair": pair,
        "set": {"b", "a"},
        "bool": np.bool_(True),
        3: None,
    }
    assert io.to_plain(value) == {
        "point": {"x": 0.5, "y": [1, 2]},
        "nan": None,
        "infinities": [None, None, 1.0],
        "path": "a",
        "pair": {"a": 1, "b": None},
        "set": ["a", "b"],
        "bool": True,
        "3": None,
    }
    with pytest.raises(TypeError, match="Received: <object"):
        io.to_plain([object()])


def test_json_is_written_and_read(tmp_path):
    path = tmp_path / "a.json"
    io.write_json(path, {"score": np.nan, "rows": np.arange(2)})
    assert io.read_json(path) == {"score": None, "rows": [0, 1]}
    path.write_bytes(b'{"score": ')
    with pytest.raises(ValueError, match=r"a.json is damaged\. Expected: JSON"):
        io.read_json(path)
    with pytest.raises(FileNotFoundError, match=r"b\.json"):
        io.read_json(tmp_path / "b.json")


def test_checksums(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"xraylab" * 1000)
    assert io.sha256(path) == hashlib.sha256(b"xraylab" * 1000).hexdigest()
    assert io.md5(path) == hashlib.md5(b"xraylab" * 1000).hexdigest()


def test_folders_are_private_to_the_user(tmp_path):
    folder = io.make_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent)] == [0o700, 0o700]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        io.make_folder(tmp_path / "file" / "c")


def test_too_little_disk_is_reported_before_writing(tmp_path):
    io.require_free_disk(tmp_path, 1, "a byte")
    with pytest.raises(OSError, match=r"Expected: 1e\+09 GB.*Received:.*XRAYLAB_DATA") as info:
        io.require_free_disk(tmp_path, 10**18, "a large file")
    assert info.value.errno == errno.ENOSPC


def _hold(path, held, release):
    with io.lock(path):
        held.set()
        release.wait(30)


def test_a_lock_keeps_other_processes_out_until_it_is_released(tmp_path):
    path, context = tmp_path / "run.lock", multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(path, held, release))
    holder.start()
    assert held.wait(30)
    with (
        pytest.raises(TimeoutError, match="another process trains here"),
        io.lock(path, "another process trains here", TimeoutError),
    ):
        pass
    holder.kill()
    holder.join()
    with io.lock(path):
        pass


def test_cells_of_a_csv_file_are_no_formulas():
    cells = [
        "=1+1",
        "+cmd",
        "-2+3|x",
        "@SUM(A1)",
        "\t=1",
        "-0.5",
        "+3",
        "–",
        "a=b",
        -1.5,
        "-0.1 (-0.2 to 0.3)",
    ]
    text = io.csv_text(pd.DataFrame({"=name": cells}))
    read = pd.read_csv(StringIO(text), dtype=str)
    assert read.columns.tolist() == ["'=name"]
    expected = [f"'{cell}" for cell in cells[:5]] + [*map(str, cells[5:])]
    assert read["'=name"].tolist() == expected


def test_locks_do_not_follow_symbolic_links(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError), io.lock(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()
