"""Measure the training loss of plain and residual networks of several depths, for chapter 5.

::

    python tools/measure_degradation.py

Networks of dense layers are trained with Adam on simulated images of 16 x 16 pixels, several seeds
for each depth and kind. The file holds the training loss after every epoch. The networks are those
that chapter 5 defines with Keras; in NumPy the measurement takes seconds.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from scipy.special import expit

from xraylab import data, io, phantom

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "book" / "measured" / "degradation.json"
SETTING = {"images": 512, "epochs": 20, "batch_size": 64, "learning_rate": 1e-3, "width": 64}
BLOCKS, KINDS, SEEDS = (2, 4, 8, 16, 32), {"residual": True, "plain": False}, range(5)
EPSILON = 1e-3  # added to the variance, as in Keras


def initialize(rng, inputs, width, blocks, labels=14):
    """Return kernels (Glorot, as in Keras), biases, and scale and shift of each block."""
    sizes = [(inputs, width), *[(width, width)] * blocks, (width, labels)]
    weights = {}
    for i, (n, m) in enumerate(sizes):
        limit = np.sqrt(6 / (n + m))
        weights[f"kernel {i}"] = rng.uniform(-limit, limit, (n, m))
        if i in (0, blocks + 1):  # a bias before batch normalisation has no effect
            weights[f"bias {i}"] = np.zeros(m)
        else:
            weights[f"scale {i}"], weights[f"shift {i}"] = np.ones(m), np.zeros(m)
    return weights


def loss_and_gradients(weights, x, y, residual):
    """Return the mean cross-entropy of a batch and its derivatives by the weights."""
    last = max(int(name.split()[1]) for name in weights)
    steps, h = [], x @ weights["kernel 0"] + weights["bias 0"]
    for i in range(1, last):
        z = h @ weights[f"kernel {i}"]
        spread = np.sqrt(z.var(axis=0) + EPSILON)
        normed = (z - z.mean(axis=0)) / spread
        total = normed * weights[f"scale {i}"] + weights[f"shift {i}"] + residual * h
        steps.append((h, spread, normed, total > 0))
        h = np.maximum(total, 0)
    logits = h @ weights[f"kernel {last}"] + weights[f"bias {last}"]
    loss = np.mean(np.logaddexp(0, logits) - y * logits)
    slope = (expit(logits) - y) / y.size
    found = {f"kernel {last}": h.T @ slope, f"bias {last}": slope.sum(axis=0)}
    slope = slope @ weights[f"kernel {last}"].T
    for i in range(last - 1, 0, -1):
        h, spread, normed, positive = steps[i - 1]
        slope = slope * positive
        found[f"scale {i}"], found[f"shift {i}"] = (slope * normed).sum(axis=0), slope.sum(axis=0)
        inner = slope * weights[f"scale {i}"]
        inner = (inner - inner.mean(axis=0) - normed * (inner * normed).mean(axis=0)) / spread
        found[f"kernel {i}"] = h.T @ inner
        slope = inner @ weights[f"kernel {i}"].T + residual * slope
    found["kernel 0"], found["bias 0"] = x.T @ slope, slope.sum(axis=0)
    return loss, found


def train(x, y, blocks, residual, seed):
    """Train one network and return its training loss by epoch."""
    rng = np.random.default_rng(seed)
    weights = initialize(rng, x.shape[1], SETTING["width"], blocks)
    first, second = ({name: np.zeros_like(w) for name, w in weights.items()} for _ in range(2))
    history, step = [], 0
    for _ in range(SETTING["epochs"]):
        values = []
        for rows in rng.permutation(len(x)).reshape(-1, SETTING["batch_size"]):
            value, slopes = loss_and_gradients(weights, x[rows], y[rows], residual)
            values.append(value)
            step += 1
            for name, slope in slopes.items():  # Adam
                first[name] += 0.1 * (slope - first[name])
                second[name] += 0.001 * (slope**2 - second[name])
                scaled = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-7
                update = first[name] / (1 - 0.9**step) / scaled
                weights[name] = weights[name] - SETTING["learning_rate"] * update
        history.append(round(float(np.mean(values)), 5))
    return history


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    split = data.load("phantom", size=64, split="val", num_images=SETTING["images"])
    x = np.reshape(split.images, (-1, 16, 4, 16, 4)).mean(axis=(2, 4)).reshape(len(split), -1)
    x, y = (x - x.mean(axis=0)) / x.std(axis=0), np.float64(split.labels)
    runs = []
    for blocks, kind, seed in itertools.product(BLOCKS, KINDS, SEEDS):
        loss = train(x, y, blocks, KINDS[kind], seed)
        runs.append({"blocks": blocks, "kind": kind, "seed": seed, "loss": loss})
        print(blocks, kind, seed, loss[-1], flush=True)
    facts = {"setting": SETTING, "phantom_version": phantom.VERSION, "runs": runs}
    io.write_json(options.out, facts)


if __name__ == "__main__":
    main()
