"""The benchmark of reading images: every way reads every image once, as the same batches."""

import importlib.util

import numpy as np
import pytest

COUNT, SIZE = 130, 64


@pytest.fixture
def benchmark(load_benchmark):
    return load_benchmark("input")


@pytest.fixture
def archive(benchmark, tmp_path):
    path = tmp_path / f"chestmnist_{SIZE}.npz"
    benchmark.write_npz(path, {"train": COUNT}, SIZE)
    (tmp_path / "images").mkdir()
    benchmark.write_images(tmp_path / "images", COUNT, SIZE)
    return path


@pytest.mark.skipif(not importlib.util.find_spec("medmnist"), reason="medmnist is not installed")
def test_every_way_reads_the_same_kind_of_batches(benchmark, archive, monkeypatch):
    monkeypatch.setattr(benchmark, "process_memory", lambda peak=False: 1e6 + 5e6 * peak)
    for way in benchmark.WAYS:
        found = benchmark.measure(way, archive, 64)  # compares the numbers of the images
        assert found["growth_mb"] == 5
        count, batches = benchmark.WAYS[way](archive, 64)
        batches = list(batches)
        assert [len(images) for images in batches] == [64, 64, 2]
        assert all(images.shape[1:] == (SIZE, SIZE, 1) for images in batches)
        assert all(images.dtype == np.float32 and images.max() <= 1 for images in batches)
        assert count == COUNT


def test_the_first_load_is_apart(benchmark):
    rounds = [
        {"load": load, "images_per_second": rate, "growth_mb": growth}
        for load, rate, growth in ((9, 10, 50), (1, 30, 60), (2, 20, 40))
    ]
    row = benchmark.summary("xraylab", rounds)
    expected = {"images_per_second": 20, "first_load": 9, "load": 1.5, "growth_mb": 60}
    assert row == {"way": "xraylab", **expected}
