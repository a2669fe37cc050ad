"""Decoded image files per second, and what is left to decode after a kill.

Writes a folder of PNG files of 224 px, decodes it to 224 px on two cores by
``xraylab.data.listing.decode_images``, kills the process half way, and decodes the rest. Other work
on the machine slows it down: the rate per second of processor time is printed as well::

    python benchmarks/decode.py                             # 10,000 images; a minute
    python benchmarks/decode.py --images 500 --side 1024    # files as those of ChestX-ray14
"""

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

GOAL, SIZE, CORES, UNIQUE = 400, 224, 2, 50
"""Images per second; side of the result; cores; files that are no links to other ones."""


def write_images(folder, count, side):
    """Write chest-like images: ChestPhantom's, scaled up, with noise as a detector has."""
    from xraylab import phantom

    random = np.random.default_rng(0)
    images = phantom.simulate(np.arange(UNIQUE), size=256).images
    for number, image in enumerate(images):
        large = np.asarray(Image.fromarray(image).resize((side, side)), float)
        noisy = np.clip(large + random.normal(0, 2, large.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:05}.png")
    for number in range(UNIQUE, count):  # hard links: decoded each, but stored once
        os.link(folder / f"{number % UNIQUE:05}.png", folder / f"{number:05}.png")


def decode(folder, cache):
    """Decode the folder in this process; print the seconds, processor seconds and a digest."""
    from xraylab.data import listing

    os.cpu_count = lambda: CORES
    start = time.perf_counter()
    paths = sorted(folder.iterdir())
    arguments = (paths, folder, cache / "images", SIZE, "pad", False)
    *_, digest = listing.decode_images(*arguments)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(time.perf_counter() - start, used.ru_utime + used.ru_stime, digest)


def run(folder, cache, seconds=None):
    """Run :func:`decode` in a process of its own, killed after some seconds."""
    command = [sys.executable, __file__, "--decode", str(folder), str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while not cache.exists() and process.poll() is None:  # imports do not count
            time.sleep(0.01)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return None
    wall, used, digest = output.split()
    return float(wall), float(used), digest


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=224, help="side of the files in pixels")
    parser.add_argument("--decode", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.decode:
        decode(*options.decode)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "images"
        folder.mkdir()
        write_images(folder, options.images, options.side)
        wall, used, digest = run(folder, Path(scratch) / "whole")
        rate, per_core = options.images / wall, options.images / used
        print(
            f"{options.images:,} PNG files of {options.side} px to {SIZE} px on {CORES} cores: "
            f"{rate:.0f} images/s (goal {GOAL}), {per_core:.0f} per second of one core, "
            f"that is {CORES * per_core:.0f} on {CORES} free cores"
        )
        killed = run(folder, Path(scratch) / "killed", seconds=wall / 2)
        rest, _, again = run(folder, Path(scratch) / "killed")
        same = killed is None and again == digest
        print(f"killed after {wall / 2:.1f} s, the rest took {rest:.1f} s; equal images: {same}")


if __name__ == "__main__":
    main()
