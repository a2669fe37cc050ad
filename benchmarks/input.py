"""Measure how fast images are read, and the memory that it takes, in four ways.

Writes an archive with random content of the size of ChestMNIST's training split at 224 px (78,468
images, 3.94 GB), and as many PNG files of simulated images. Each way reads all images in random
order, as batches of float32 in [0, 1], in one thread of a separate process:

* ``xraylab``: ``data.load(archive).to_dataset(batch_size, shuffle=True)``, memory-mapped;
* ``medmnist``: the items of medmnist's ``ChestMNIST``, images of Pillow, converted by NumPy;
* ``medmnist, mmap_mode``: the same with its option to map the memory, ``mmap_mode="r"``;
* ``PNG files``: opened, decoded and converted to grey by Pillow. They are hard links of 50 files.

PyTorch is not needed: where it is missing, medmnist derives its class from an empty one. The rounds
take turns between the ways. Printed are the images per second of an epoch without loading, the
seconds of loading (the first one of xraylab unpacks the archive), both as medians, and the largest
growth of the process, which for xraylab is compared with a limit of 300 MB. The archive stays in
the cache of the system where that has room. Needs 9 GB of free disk and 8 GB of memory::

    python benchmarks/input.py --dir /tmp     # some minutes
    python benchmarks/input.py --quick        # few images, one round
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import types
import zipfile
from pathlib import Path

import numpy as np
import own_process
from decode import write_images
from machine import installed, processor
from PIL import Image

from xraylab import data
from xraylab.backend import process_memory, start_keras
from xraylab.io import write_json

LIMIT_MB = 300
QUICK = 1024
"""Images with ``--quick``."""


def write_npz(path: Path, images: dict[str, int], size: int) -> None:
    """Write some images of each split piece by piece, so that this process stays small."""
    random, written = np.random.default_rng(0), 0
    pattern = random.integers(0, 256, (256, size, size), dtype=np.uint8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for split, count in images.items():
            with archive.open(f"{split}_images.npy", "w", force_zip64=True) as stream:
                header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size)}
                np.lib.format.write_array_header_1_0(stream, header)
                for first in range(0, count, len(pattern)):
                    piece = pattern[: count - first]
                    # The first pixels number the images, to check that each is read once.
                    numbers = np.arange(written, written + len(piece), dtype="<u4")
                    piece[:, 0, :4] = numbers.view(np.uint8).reshape(-1, 4)
                    stream.write(piece.tobytes())
                    written += len(piece)
            labels = random.integers(0, 2, (count, 14), dtype=np.uint8)
            with archive.open(f"{split}_labels.npy", "w") as stream:
                np.lib.format.write_array(stream, labels)


def xraylab_batches(archive, batch_size):
    """Load the archive; return the number of its images, and their batches."""
    folder = archive.parent / "cache"
    split = data.load(archive, split="train", cache_dir=folder, progress=False)
    return len(split), (images for images, _ in split.to_dataset(batch_size, shuffle=True))


def medmnist_batches(archive, batch_size, mmap_mode=None):
    """Do the same with medmnist."""
    from medmnist.dataset import ChestMNIST

    size = int(archive.stem.rpartition("_")[2])
    dataset = ChestMNIST("train", root=archive.parent, size=size, mmap_mode=mmap_mode)
    count = len(dataset.imgs)
    return count, decoded(lambda row: dataset[row][0], count, batch_size)


def png_batches(archive, batch_size):
    """Do the same with the folder of PNG files."""
    paths = sorted((archive.parent / "images").iterdir())

    def read(row):
        with paths[row].open("rb") as stream:
            return Image.open(stream).convert("L")

    return len(paths), decoded(read, len(paths), batch_size)


WAYS = {
    "xraylab": xraylab_batches,
    "medmnist": medmnist_batches,
    "medmnist, mmap_mode": lambda *arguments: medmnist_batches(*arguments, mmap_mode="r"),
    "PNG files": png_batches,
}


def decoded(read, count, batch_size):
    """Yield batches of images of Pillow that are read one by one."""
    order = np.random.default_rng(0).permutation(count)
    for first in range(0, count, batch_size):
        rows = order[first : first + batch_size]
        images = np.stack([np.asarray(read(row)) for row in rows])[..., np.newaxis]
        yield np.divide(images, np.float32(255), dtype=np.float32)


def import_everything():
    """Import what the ways need, before the memory is measured."""
    start_keras()
    if torch_is_missing := importlib.util.find_spec("torch") is None:
        sys.modules["torch.utils.data"] = types.SimpleNamespace(Dataset=object)
    import medmnist.dataset  # noqa: F401

    if torch_is_missing:
        del sys.modules["torch.utils.data"]


def measure(way, archive, batch_size):
    """Read one epoch in this process; return its seconds and the growth of the memory."""
    import_everything()
    before, start = process_memory(), time.perf_counter()
    count, batches = WAYS[way](archive, batch_size)
    loaded = time.perf_counter()
    read, number = np.zeros(count, dtype=bool), 0
    for images in batches:
        first = np.rint(images[:, 0, :4, 0] * 255).astype(np.uint8)
        if way == "PNG files":  # the pixels do not encode the row
            read[number : number + len(images)] = True
        else:
            read[first.copy().view("<u4")[:, 0]] = True
        number += len(images)
    seconds = time.perf_counter() - loaded
    if number != count or not read.all():
        raise SystemExit(f"{way}: {read.sum()} of {count} images were read, {number} in all")
    growth = (process_memory(peak=True) - before) / 1e6
    return {"load": loaded - start, "images_per_second": count / seconds, "growth_mb": growth}


def summary(way, rounds):
    """Return medians over the rounds, and the largest growth."""
    rates, growths = ([r[key] for r in rounds] for key in ("images_per_second", "growth_mb"))
    loads = [r["load"] for r in rounds]
    return {
        "way": way,
        "images_per_second": statistics.median(rates),
        "first_load": loads[0],
        "load": statistics.median(loads[1:] or loads),
        "growth_mb": max(growths),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--images", type=int, default=78468)
    parser.add_argument("--size", type=int, default=224, choices=(64, 128, 224))
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} images, one round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        way, archive = options.measure
        print(json.dumps(measure(way, Path(archive), options.batch_size)))
        return 0
    if options.quick:
        options.images, options.rounds = QUICK, 1
    needed = 2.05 * options.images * options.size**2 + 1e9
    free = shutil.disk_usage(options.dir).free
    if free < needed:
        print(f"{options.dir}: {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free; pass --dir")
        return 1
    facts = {key: getattr(options, key) for key in ("images", "size", "batch_size", "rounds")}
    facts |= {"cores": os.cpu_count(), "processor": processor(), "load_before": os.getloadavg()[0]}
    facts |= {"versions": installed("numpy", "pillow", "medmnist"), "limit_mb": LIMIT_MB}
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        archive, files = Path(folder) / f"chestmnist_{options.size}.npz", Path(folder) / "images"
        files.mkdir()
        write_npz(archive, {"train": options.images}, options.size)
        write_images(files, options.images, options.size)
        found = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way, results in found.items():
                arguments = ("--batch-size", options.batch_size, "--measure", way, archive)
                if (measured := own_process.run(__file__, *arguments)) is None:
                    raise SystemExit(f"{way} failed")
                results.append(measured)
    rows = [summary(way, results) for way, results in found.items()]
    print(f"{options.images:,} images of {options.size} px, batches of {options.batch_size}")
    print(f"{'':26s}{'images/s':>10s}{'first load s':>14s}{'load s':>8s}{'growth MB':>11s}")
    for row in rows:
        times = f"{row['first_load']:14.1f}{row['load']:8.1f}"
        print(f"{row['way']:26s}{row['images_per_second']:10,.0f}{times}{row['growth_mb']:11,.0f}")
    held = rows[0]["growth_mb"] < LIMIT_MB
    print(f"limit of {LIMIT_MB} MB for xraylab: {'held' if held else 'BROKEN'}")
    if options.json:
        write_json(options.json, {**facts, "rows": rows})
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
