"""Measure the memory that one shuffled epoch of the 224-pixel training split takes.

Writes a file of ChestMNIST's size (78,468 images, 3.94 GB) with random content, loads it with
``xraylab.data.load``, reads every batch of one epoch in shuffled order, and compares the growth of
the process with the limit of 300 MB. Needs 8 GB of free disk for some minutes::

    python benchmarks/memory_map.py --dir /tmp
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from xraylab import data
from xraylab.backend import process_memory

LIMIT_MB = 300


def memory_mb(peak: bool = False) -> float:
    """Return the memory of this process, or its peak, in MB of 10⁶ bytes."""
    return process_memory(peak) / 1e6


def write_npz(path: Path, images: int, size: int) -> None:
    """Write images piece by piece, so that this process stays small."""
    random = np.random.default_rng(0)
    pattern = random.integers(0, 256, (256, size, size), dtype=np.uint8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("train_images.npy", "w", force_zip64=True) as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": (images, size, size)}
            np.lib.format.write_array_header_1_0(stream, header)
            for first in range(0, images, len(pattern)):
                piece = pattern[: images - first]
                # The first pixels encode the row, to check that each image is read once.
                numbers = np.arange(first, first + len(piece), dtype="<u4")
                piece[:, 0, :4] = numbers.view(np.uint8).reshape(-1, 4)
                stream.write(piece.tobytes())
        with archive.open("train_labels.npy", "w") as stream:
            np.lib.format.write_array(stream, random.integers(0, 2, (images, 14), dtype=np.uint8))


def measure(path: Path, cache: Path, batch_size: int) -> bool:
    """Load and read one shuffled epoch in this process; print time and memory."""
    import xraylab.data.dataset  # noqa: F401 (imports Keras before the measurement)

    start = time.perf_counter()
    before = memory_mb()
    split = data.load(path, split="train", cache_dir=cache, progress=False)
    loaded = memory_mb()
    print(split)
    print(
        f"load and unpack: {time.perf_counter() - start:.1f} s, process {before:.0f} → "
        f"{loaded:.0f} MB (peak {memory_mb(peak=True):.0f} MB)"
    )

    start = time.perf_counter()
    read = np.zeros(len(split), dtype=bool)
    for images, _ in split.to_dataset(batch_size, shuffle=True):
        numbers = np.rint(images[:, 0, :4, 0] * 255).astype(np.uint8).copy().view("<u4")[:, 0]
        read[numbers] = True
    seconds = time.perf_counter() - start
    grown = memory_mb(peak=True) - before
    good = bool(read.all()) and grown < LIMIT_MB
    print(
        f"one shuffled epoch, batches of {batch_size} (as float32 "
        f"{images[0].nbytes * batch_size / 1e6:.0f} MB each): {seconds:.1f} s, "
        f"{len(split) / seconds:,.0f} images/s, every image once: {read.all()}"
    )
    print(
        f"process now {memory_mb():.0f} MB, peak {memory_mb(peak=True):.0f} MB: grown by "
        f"{grown:.0f} MB at most, limit {LIMIT_MB} MB: {'held' if good else 'BROKEN'}"
    )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--images", type=int, default=78468)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        folder = options.measure.parent
        return 0 if measure(options.measure, folder / "cache", options.batch_size) else 1

    needed = 2.05 * options.images * options.size**2
    free = shutil.disk_usage(options.dir).free
    if free < needed:
        print(f"{options.dir}: {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free; pass --dir")
        return 1
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        path = Path(folder) / "chestmnist_224_like.npz"
        start = time.perf_counter()
        write_npz(path, options.images, options.size)
        size = path.stat().st_size / 1e9
        print(f"wrote {path}: {size:.2f} GB in {time.perf_counter() - start:.1f} s", flush=True)
        # In another process, so that the peak does not include the writing.
        arguments = ["--measure", path, "--batch-size", str(options.batch_size)]
        return subprocess.run([sys.executable, __file__, *arguments]).returncode


if __name__ == "__main__":
    sys.exit(main())
