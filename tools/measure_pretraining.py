"""Measure how pre-training on simulated images changes training on few real ones.

::

    python tools/measure_pretraining.py --real FOLDER --runs FOLDER           # hours, resumable
    python tools/measure_pretraining.py --real FOLDER --runs FOLDER --models rr_vit

Each model is trained on real images from random weights ("scratch"), from weights trained on
20,000 simulated images ("simulated"), and for RR-ViT from weights trained on as many images of
noise ("gratings"), in which each label is a grating of its own orientation and wavelength: a
control with labels but without anatomy. The head is reused. Subsets of the real training images are
drawn at random and nested; each seed has its own, which all starts share. A subset is repeated, so
that an epoch has enough steps. The epoch with the best macro AUC on the 1,375 validation images is
scored on the test images; 0 images means the pre-trained model as it is. The recipe is the
tuned one of the model except for the epochs. Differences are means over seeds; their 95 %
intervals, by patient, do not contain the variation between seeds, and there is one pre-training of
each kind. Rows of other models in the file are kept.

EfficientViT-M0 was begun at 16 images, too, and stopped after four of six runs for lack of time.
"""

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import real_images
from record_runs import PHANTOM, SYSTEMS, train_recipe

from xraylab import evaluation, io, metrics
from xraylab.training import Run

SIZE, LABELS = 64, 14
WAVELENGTHS = (4, 8)
"""Of the gratings of the control, in pixels."""

PRETRAINING = {"images": 20_000, "val_images": 1_000, "epochs": 5}
COUNTS = {16: (80, 10), 64: (20, 10), 256: (5, 10), 1501: (1, 20)}
"""Numbers of real training images: how often they are repeated in an epoch, and epochs."""

SEEDS = (0, 1, 2)
PLAN = {
    "rr_vit": {
        "scratch": (16, 64, 256, 1501),
        "gratings": (256,),
        "simulated": (16, 64, 256, 1501),
    },
    "efficientvit_m0": {"scratch": (256, 1501), "simulated": (256, 1501)},
    "dbct": {"scratch": (256, 1501), "simulated": (256, 1501)},
}
"""Numbers of real images by model and start; a start is compared with those before it."""


def noise_images(number, rng):
    """Draw images of noise whose labels are gratings, and the labels.

    The power spectrum falls as in natural images, with the square of the frequency. The gratings
    have seven orientations and two wavelengths, and fade around a random position.
    """
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.rfftfreq(SIZE), indexing="ij"))
    amplitude = 1 / np.maximum(frequency, 1 / SIZE)
    y, x = np.mgrid[:SIZE, :SIZE]
    labels = (rng.random((number, LABELS)) < 0.1).astype(np.uint8)
    images = np.empty((number, SIZE, SIZE), np.uint8)
    for i, present in enumerate(labels):
        spectrum = amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape))
        image = np.fft.irfft2(spectrum, (SIZE, SIZE))
        image /= image.std()
        for k in np.flatnonzero(present):
            center, angle = rng.uniform(16, 48, 2), np.pi * (k % 7) / 7
            along = np.cos(angle) * x + np.sin(angle) * y
            window = np.exp(-((y - center[0]) ** 2 + (x - center[1]) ** 2) / (2 * 10**2))
            wave = np.sin(2 * np.pi * along / WAVELENGTHS[k // 7] + rng.uniform(0, 2 * np.pi))
            image += rng.uniform(0.5, 1.5) * window * wave
        images[i] = np.clip(127 + 50 * image, 0, 255)
    return images, labels


def write_gratings(path):
    """Write a file of images of noise with gratings, unless there is one."""
    if not path.exists():
        arrays = {}
        counts = {"train": PRETRAINING["images"], "val": PRETRAINING["val_images"]}
        for split, number in counts.items():
            drawn = noise_images(number, np.random.default_rng(number))
            arrays[f"{split}_images"], arrays[f"{split}_labels"] = drawn
        _write(path, arrays)


def write_subset(path, train, val, count, seed):
    """Write a file with a repeated subset of the training images, unless there is one."""
    if not path.exists():
        rows = np.random.default_rng(seed).permutation(len(train))[:count]
        rows = np.tile(np.sort(rows), COUNTS[count][0])
        arrays = {"train_images": train.images[rows], "train_labels": train.labels[rows]}
        arrays |= {"val_images": val.images[:], "val_labels": val.labels}
        _write(path, {k: np.asarray(v, np.uint8) for k, v in arrays.items()})


def _write(path, arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    with io.atomic_write(path) as stream:
        np.savez(stream, **arrays)


def pretrain(model, start, runs):
    """Train a model on images that are not real; return the folder of the run."""
    recipe, changes = SYSTEMS[model]
    settings = [*changes, f"epochs={PRETRAINING['epochs']}"]
    if start == "gratings":
        write_gratings(runs / "gratings.npz")
        settings.append(f"data={runs / 'gratings.npz'}")
    else:
        counts = {"train": PRETRAINING["images"], "val": PRETRAINING["val_images"]}
        settings += ["data=phantom", f"data_options.num_images={json.dumps(counts)}"]
    folder = runs / f"{model}_{start}"
    train_recipe(recipe, folder, settings)
    return folder


def fine_tune(model, start, count, seed, runs, splits):
    """Train on a subset of the real images; return the folder of the run."""
    folder, subset = runs / f"{model}_{start}_{count}_{seed}", runs / f"real_{count}_{seed}.npz"
    write_subset(subset, *splits[:2], count, seed)
    recipe, changes = SYSTEMS[model]
    settings = [*changes, f"epochs={COUNTS[count][1]}", f"seed={seed}", f"data={subset}"]
    settings.append("data_options.on_suspect=null")
    if start != "scratch":
        settings.append(f"start_from={runs / f'{model}_{start}'}")
    if not (folder / "report.json").exists():
        train_recipe(recipe, folder, settings)
    return folder


def predictions(folder, test):
    """Return the probabilities of a finished run on the test images."""
    digest = io.sha256(folder / "best.weights.h5")[:12]
    cache = folder / f"test_{digest}.npy"
    if not cache.exists():
        predicted = evaluation.predict(Run(folder).load_model(), test)
        with io.atomic_write(cache) as stream:
            np.save(stream, predicted)
    return np.load(cache)


def measure(model, options, splits):
    """Return scores by start and number of images, and differences between starts."""
    plan, test, rows = PLAN[model], splits[-1], []
    for start in plan:
        if start != "scratch":
            folder = pretrain(model, start, options.runs)
            score = real_images.macro_auc(test, predictions(folder, test))
            row = {"start": start, "num_images": 0, "macro_auc": astuple(score)}
            row["pretraining_val_macro_auc"] = max(e["val_macro_auc"] for e in Run(folder).history)
            rows.append(row)
    for count in plan["scratch"]:
        starts = [start for start, counts in plan.items() if count in counts]
        folders = {
            start: [fine_tune(model, start, count, seed, options.runs, splits) for seed in SEEDS]
            for start in starts
        }
        by_start = {
            start: np.stack([predictions(folder, test) for folder in folders[start]])
            for start in starts
        }
        for start, found in by_start.items():
            score = real_images.macro_auc(test, found)
            row = {"start": start, "num_images": count, "macro_auc": astuple(score)}
            row["by_seed"] = [metrics.score(test.labels, one).macro_auc for one in found]
            row["best_epochs"] = [Run(folder).report["best_epoch"] for folder in folders[start]]
            for other in starts[: starts.index(start)]:
                change = real_images.macro_auc(test, found, minus=by_start[other])
                row[f"minus {other}"] = astuple(change)
            rows.append(row)
    return rows


def main():
    parser = real_images.parser(__doc__, "pretraining.json")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--models", nargs="+", default=list(PLAN), choices=list(PLAN))
    options = parser.parse_args()
    options.runs = options.runs.resolve()
    splits = real_images.load(options.real, "train", "val", "test")
    facts = {"pretraining": PRETRAINING, "simulator": PHANTOM, "seeds": SEEDS}
    facts |= {"num_val": len(splits[1]), "num_test": len(splits[2])}
    rows = io.read_json(options.out)["rows"] if options.out.exists() else []
    for model in options.models:
        rows = [row for row in rows if row["model"] != model]
        rows += [{"model": model, **row} for row in measure(model, options, splits)]
        real_images.write(options.out, {**facts, "rows": rows})


if __name__ == "__main__":
    main()
