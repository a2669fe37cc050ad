"""Measure the training throughput of every model on this machine, at 64 px.

python benchmarks/train_throughput.py [MODEL ...] [--size 64] [--batch-size 32] [--write "2 cores"]

Training steps (batches from a memory map, ``train_on_batch``) are timed in rounds after a warm-up;
the median and the range of the rounds are printed. Each model runs in a separate process.
``--write`` stores the medians in ``xraylab/training/throughput.json`` under the name of the
machine, from which the cost of recipes is estimated.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import own_process

from xraylab.backend import describe_backend, start_keras
from xraylab.io import write_json

TABLE = Path(__file__).resolve().parents[1] / "xraylab" / "training" / "throughput.json"
IMAGES = 512


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", help="default: all")
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="maximum for one model")
    parser.add_argument("--write", metavar="MACHINE", help="store the results in the table")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def images_per_second(name, options):
    """Return the throughput of each round, in this process."""
    keras = start_keras()
    from xraylab import data, losses, models

    model = models.build(name, image_size=options.size)
    model.compile(keras.optimizers.AdamW(1e-3), losses.BinaryCrossentropy())
    with tempfile.TemporaryDirectory() as folder:
        split = data.load(
            "phantom", options.size, num_images=IMAGES, cache_dir=Path(folder), progress=False
        )
        dataset = split.to_dataset(options.batch_size)
        steps = (batch for _ in range(10_000) for batch in dataset)

        def take(count):
            start = time.perf_counter()
            for _ in range(count):
                images, labels = next(steps)
                model.reset_metrics()
                model.train_on_batch(images, labels, return_dict=True)
            return time.perf_counter() - start

        take(2)  # the first step compiles
        step = take(1)
        count = max(1, int(options.seconds / options.rounds / step))
        count = min(count, IMAGES // options.batch_size)
        return [count * options.batch_size / take(count) for _ in range(options.rounds)]


def in_own_process(name, options):
    """Return the throughput of each round, or None if the process failed."""
    settings = ("--size", options.size, "--batch-size", options.batch_size)
    settings += ("--rounds", options.rounds, "--seconds", options.seconds)
    return own_process.run(__file__, name, "--one", *settings)


def main():
    options = parsed()
    if options.one:
        print(json.dumps(images_per_second(options.models[0], options)))
        return
    from xraylab.models import list_models

    machine = f"{describe_backend()}, {os.cpu_count()} cores, {platform.machine()}"
    print(f"{machine}, {options.size} px, batches of {options.batch_size}", flush=True)
    measured = {}
    for name in options.models or list_models():
        speeds = in_own_process(name, options)
        if speeds is None:
            print(f"{name:22s} failed")
            continue
        measured[f"{name}@{options.size}"] = round(statistics.median(speeds), 2)
        print(
            f"{name:22s} {statistics.median(speeds):8.1f} images/s  "
            f"(rounds from {min(speeds):.1f} to {max(speeds):.1f})",
            flush=True,
        )
    if options.write:
        table = json.loads(TABLE.read_text())
        row = table["machines"].setdefault(options.write, {"images_per_second": {}})
        row |= {"what": machine, "measured": datetime.now(UTC).date().isoformat()}
        row["batch_size"] = options.batch_size
        row["images_per_second"] |= measured
        write_json(TABLE, table)


if __name__ == "__main__":
    main()
