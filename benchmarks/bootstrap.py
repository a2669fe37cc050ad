"""Time of 1,000 bootstrap replicates of macro AUC, compared with scikit-learn in a loop.

::

    python benchmarks/bootstrap.py [--images 22433] [--labels 14] [--replicates 1000] [--loop 10]

Labels and probabilities are random, of the size of ChestMNIST's test split, and rounded so that
many are tied. The loop takes minutes, so a few of its replicates are timed and scaled. Both run in
turns; medians and the ratio are printed. First, both score the same resamples and must agree.
"""

import argparse
import os
import statistics
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from xraylab import evaluation
from xraylab.evaluation.intervals import resamples


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=22_433)
    parser.add_argument("--labels", type=int, default=14)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--loop", type=int, default=10, help="timed replicates of the loop")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def main():
    options = parse_arguments()
    rng = np.random.default_rng(0)
    shape = (options.images, options.labels)
    y_true = (rng.random(shape) < np.geomspace(0.002, 0.18, options.labels)).astype(int)
    probabilities = 1 / (1 + np.exp(2 - y_true - rng.normal(size=shape)))
    probabilities = np.round(probabilities, 4)

    def ours(replicates):
        found = evaluation.bootstrap(y_true, probabilities, replicates, scores=["macro_auc"])
        return found["macro_auc"]

    def loop(replicates):
        drawn = resamples(options.images, replicates, np.random.default_rng(0))
        images = [np.repeat(np.arange(options.images), row) for rows in drawn for row in rows]
        return [
            roc_auc_score(y_true[rows], probabilities[rows], average="macro") for rows in images
        ]

    drawn = loop(options.loop)
    found = ours(options.loop)
    expected = np.percentile(drawn, [2.5, 97.5])
    assert np.allclose((found.low, found.high), expected, rtol=0, atol=1e-12), (
        "the percentiles differ"
    )

    seconds, loops, all_scores = [], [], []
    for _ in range(options.rounds):
        start = time.perf_counter()
        ours(options.replicates)
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        loop(options.loop)
        loops.append((time.perf_counter() - start) / options.loop * options.replicates)
        start = time.perf_counter()
        evaluation.bootstrap(y_true, probabilities, options.replicates)
        all_scores.append(time.perf_counter() - start)
    ratios = [slow / fast for fast, slow in zip(seconds, loops, strict=True)]
    print(
        f"{options.replicates:,} replicates, {options.images:,} images, {options.labels} labels, "
        f"{os.cpu_count()} cores; medians of {options.rounds} rounds"
    )
    print(f"macro AUC                  {statistics.median(seconds):8.2f} s")
    print(f"scikit-learn in a loop     {statistics.median(loops):8.2f} s, scaled")
    print(f"ratio                      {statistics.median(ratios):8.1f}")
    print(f"all scores and labels      {statistics.median(all_scores):8.2f} s")


if __name__ == "__main__":
    main()
