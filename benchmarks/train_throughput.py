"""Measure the training speed on this machine.

python benchmarks/train_throughput.py [MODEL ...]

Steps of the real training loop's kind (batches from a memory map, train_on_batch, both losses) are
timed in rounds after a warm-up; the median round is the figure, its spread stands beside it.
"""

import itertools
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from xraylab.backend import describe_backend, start_keras

ROUNDS, FILMS, SIZE = 9, 768, 64
BATCH_SIZES = (32, 64)  # the recipe's default, and a larger one


def films_per_second(name, split, batch_size):
    """Return the throughput of each round."""
    from xraylab import data, models
    from xraylab.training import Recipe
    from xraylab.training.loop import compile_model

    model = models.build(name, image_size=SIZE)
    rebuilds = compile_model(model, Recipe(model=name, batch_size=batch_size), 10_000)

    def steps(epoch):
        for images, labels in data.batches(split, batch_size, seed=0, epoch=epoch):
            targets = {"logits": labels} | ({"reconstruction": images} if rebuilds else {})
            model.reset_metrics()
            model.train_on_batch(images, targets, return_dict=True)

    steps(0)
    speeds = []
    for epoch in range(1, ROUNDS + 1):
        start = time.perf_counter()
        steps(epoch)
        speeds.append(len(split) / (time.perf_counter() - start))
    return speeds


def main():
    start_keras()
    from xraylab import data, models

    names = sys.argv[1:] or models.list_models()
    print(f"{describe_backend()}, {platform.machine()}, {SIZE} px")
    with tempfile.TemporaryDirectory() as folder:
        split = data.load("phantom", SIZE, num_films=FILMS, cache_dir=Path(folder), progress=False)
        for name, batch_size in itertools.product(names, BATCH_SIZES):
            speeds = films_per_second(name, split, batch_size)
            print(
                f"{name:20s} batch {batch_size} {statistics.median(speeds):7.0f} films/s  "
                f"(rounds from {min(speeds):.0f} to {max(speeds):.0f})"
            )


if __name__ == "__main__":
    main()
