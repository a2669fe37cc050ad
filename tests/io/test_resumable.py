"""Arrays that are written batch by batch and resume after their writer was killed."""

import json

import numpy as np
import pytest

from xraylab.io import cached_arrays
from xraylab.io.resumable import COUNTER, ResumableArrays

PLAN = {"seed": 1}
LAYOUT = {"a.npy": np.dtype((np.uint8, (2, 3))), "b.npy": np.dtype(np.float32)}
ROWS = np.arange(60, dtype=np.uint8).reshape(10, 2, 3)


def batch(start, stop):
    """Rows of both arrays; the second has twice as many."""
    return {"a.npy": ROWS[start:stop], "b.npy": np.repeat(np.arange(start, stop), 2)}


def fill(folder, start=0, stop=10):
    arrays = ResumableArrays(folder, LAYOUT)
    assert arrays.rows["a.npy"] == start
    for row in range(start, stop):
        arrays.append(batch(row, row + 1))
    if stop == 10:
        arrays.finish(PLAN)


def check(folder):
    np.testing.assert_array_equal(np.load(folder / "a.npy", mmap_mode="r"), ROWS)
    np.testing.assert_array_equal(np.load(folder / "b.npy"), np.repeat(np.arange(10), 2))


def test_writing_resumes_after_the_counted_rows(tmp_path):
    fill(tmp_path / "arrays", stop=4)
    with (tmp_path / "arrays" / "a.npy").open("ab") as stream:
        stream.write(b"part of a batch")
    (tmp_path / "arrays" / f".{COUNTER}.0123456789ab.tmp").write_text("[4")
    fill(tmp_path / "arrays", start=4)
    check(tmp_path / "arrays")
    assert not list((tmp_path / "arrays").glob(".*"))


@pytest.mark.parametrize("damage", ["missing", "too short", "no counter", "other counter"])
def test_a_damaged_folder_starts_again(tmp_path, damage):
    folder = tmp_path / "arrays"
    fill(folder, stop=4)
    if damage == "missing":
        (folder / "b.npy").unlink()
    elif damage == "too short":
        (folder / "b.npy").write_bytes(bytes(1030))
    elif damage == "no counter":
        (folder / COUNTER).unlink()
    else:
        (folder / COUNTER).write_text(json.dumps([1]))
    fill(folder)
    check(folder)


def test_cached_arrays_are_computed_once_and_private(tmp_path):
    starts = []

    def batches(start):
        starts.append(start)
        yield from (batch(row, row + 2) for row in range(start, 10, 2))

    for _ in range(2):
        arrays, sums = cached_arrays(
            tmp_path / "cache" / "arrays",
            PLAN,
            LAYOUT,
            batches,
            count=10,
            description="computing arrays",
            progress=False,
        )
        np.testing.assert_array_equal(arrays["a.npy"], ROWS)
        assert sums.keys() == set(LAYOUT)
    assert starts == [0]
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
