"""Measure the throughput of the augmentation presets on this machine, in images per second.

Each round is timed from a NumPy batch to the augmented NumPy batch, after two rounds of warm-up;
the median, fastest and slowest round are printed. Takes about a minute on two cores::

    python benchmarks/augmentation.py
    python benchmarks/augmentation.py images+mixup --sizes 224
"""

import argparse
import platform
import statistics
import time

import numpy as np

from xraylab import phantom
from xraylab.backend import describe_backend, start_keras

BATCH_SIZE, ROUNDS = 32, 15


def images_a_second(augment, images, labels):
    """Return the throughput of each round of one batch."""
    speeds = []
    for seed in range(ROUNDS + 2):
        start = time.perf_counter()
        np.asarray(augment(images, labels, seed)[0])
        speeds.append(len(images) / (time.perf_counter() - start))
    return speeds[2:]  # the first two warm up


def main():
    start_keras()
    from xraylab.training import augmentation

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("presets", nargs="*", default=[*augmentation.PRESETS, "cxr+mixup+cutmix"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 224])
    options = parser.parse_args()
    print(f"{describe_backend()}, {platform.machine()}, batches of {BATCH_SIZE} phantom images")
    for size in options.sizes:
        made = phantom.simulate(np.arange(BATCH_SIZE), size=size)
        images = np.divide(made.images[..., np.newaxis], np.float32(255), dtype=np.float32)
        labels = made.labels.astype(np.float32)
        for presets in options.presets:
            augment = augmentation.make(presets)
            speeds = images_a_second(augment, images, labels)
            print(
                f"{size:4} px  {presets:20s} {statistics.median(speeds):9.0f} images/s  "
                f"(rounds from {min(speeds):.0f} to {max(speeds):.0f})"
            )


if __name__ == "__main__":
    main()
