"""The benchmark of an epoch at full size: its images and its times; no speed is asserted."""

import numpy as np
import pytest


@pytest.fixture
def benchmark(load_benchmark):
    return load_benchmark("full_size")


def test_no_image_is_twice_in_the_archive(benchmark, tmp_path):
    counts = {"train": 300, "val": 30, "test": 5}
    benchmark.write_npz(tmp_path / "a.npz", counts, 64)
    with np.load(tmp_path / "a.npz") as archive:
        for split, count in counts.items():
            assert archive[f"{split}_images"].shape == (count, 64, 64)
            assert archive[f"{split}_labels"].shape == (count, 14)
        images = np.concatenate([archive[f"{split}_images"] for split in counts])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 335


def test_times_follow_each_other(benchmark, tmp_path, eager):
    benchmark.write_npz(tmp_path / "a.npz", {"train": 128, "val": 16, "test": 1}, 64)
    found = benchmark.measure("rr_vit_64_tuned", tmp_path / "a.npz")
    assert found["model"] == "rr_vit"
    assert min(found[part] for part in ("preparation", "steps", "validation")) > 0
    assert min(found["before_bytes"], found["peak_bytes"]) > 1e8
