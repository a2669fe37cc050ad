"""Measure how single ingredients of the simulator change transfer to real images.

::

    python tools/measure_ablation.py --real FOLDER --runs FOLDER       # an hour, resumable
    python tools/measure_ablation.py --real FOLDER --runs FOLDER --only "with *" simulator
    python tools/measure_ablation.py --real FOLDER --runs FOLDER --quick --out FILE

The small network of ``benchmarks/phantom_transfer.py``, the fastest model that transfers, is
trained on simulated images only, in a separate process for each setting and seed. The setting
``simulator`` is the setting ``physics`` of that benchmark; every other one adds one ingredient to
it ("with") or removes one ("without"). A seed determines the simulated images, the initial weights,
the order and the augmentation. The epoch is the one with the best macro AUC on simulated validation
images of the same setting. No real image is learned from, so choices can be made on the training
and the validation images of the NIH subset together ("development"). The scores are computed when
the last run is there, and those of the test images with them, for every setting and without a
choice.

Differences to ``simulator`` are means over seeds, paired by seed; their 95 % intervals, by patient,
do not contain the variation between seeds. A part of the runs (``--only``) can be trained at the
same time as another; the process that finishes last writes the result.
"""

import fnmatch
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import astuple
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import real_images
from scipy import ndimage

from xraylab import data, evaluation, io, metrics, phantom
from xraylab.backend import start_keras
from xraylab.findings import FINDINGS
from xraylab.phantom import anatomy, scene, simulator, vessels
from xraylab.phantom.appearance import randomise
from xraylab.phantom.rng import smooth_noise

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import phantom_transfer as transfer  # noqa: E402

SIZE, SEEDS, REFERENCE = 64, (0, 1, 2), "simulator"
BUDGET = {"images": 12_000, "val_images": 1000, "epochs": 5}
QUICK = {"images": 64, "val_images": 200, "epochs": 1}
SPLITS = {"development": ("train", "val"), "val": ("val",), "test": ("test",)}
"""Sets of real images, and the splits of the NIH subset that they contain."""

ELASTIC = {"cells": 5, "amplitude": 2.0}
"""Of the elastic deformation: cells along each side, and largest shift in pixels, about."""


def only(*operations):
    """Return the patches that leave a part of domain randomisation."""
    return (
        mock.patch.object(simulator, "randomise", partial(randomise, operations=operations)),
        mock.patch.object(scene, "tissue_contrasts", lambda *_: {}),
    )


def without_noise(*streams):
    """Return the patch that replaces random fields by zero, the middle of their values."""
    original = anatomy.Chest.noise

    def noise(chest, stream, cells):
        removed = stream.split()[0] in streams
        return np.zeros_like(chest.x) if removed else original(chest, stream, cells)

    return (mock.patch.object(anatomy.Chest, "noise", noise),)


def no_trees(chest, side):
    """Replace the three generations of vessels of one lung; the hilum remains."""
    return [np.zeros_like(chest.x)] * 3


def deform(images, seed):
    """Deform each image by a smooth random field."""
    rows = np.arange(len(images))
    fields = [smooth_noise(seed, rows, f"elastic {axis}", ELASTIC["cells"], SIZE) for axis in "yx"]
    shifts, grid = ELASTIC["amplitude"] * np.stack(fields, axis=1), np.mgrid[:SIZE, :SIZE]
    warped = [
        ndimage.map_coordinates(image, grid + shift, order=1, mode="nearest")
        for image, shift in zip(images, shifts, strict=True)
    ]
    return np.stack(warped)


RANDOMISED = {"appearance": "randomised"}
TEXTURES = ("tissue", "fat", "trabeculae", "infiltration", "pneumonia", "edema")
SETTINGS = {
    REFERENCE: {},
    "with equalised histogram": {"histogram": "equalised"},
    "with contrast and inversion": {
        "parameters": RANDOMISED,
        "patches": only("contrast", "inversion"),
    },
    "with blur and pooling": {"parameters": RANDOMISED, "patches": only("blur", "pooling")},
    "with noise and boxes": {"parameters": RANDOMISED, "patches": only("noise", "boxes")},
    "with elastic deformation": {"change": deform},
    "without lesion shapes": {"patches": without_noise("edge", "spicules", "consolidation")},
    "without vessel trees": {"patches": (mock.patch.object(vessels, "_vascular_tree", no_trees),)},
    "without texture": {"patches": without_noise(*TEXTURES)},
    "without AP images": {"parameters": {"projection": "PA"}},
    "without co-occurrence": {"parameters": {"prevalence": {}}},
}
"""By name: parameters of the simulator that differ from those of the reference, patches of its
code, a change of the finished images, or another histogram of simulated and real images. Lesions
without shapes are smooth ellipses; the reticulation of fibrosis, which is the finding itself,
counts neither as shape nor as texture."""


def simulate(setting, seed, budget):
    """Return images and labels of the simulated training and validation images by split."""
    parameters = {"projection": "NIH"} | setting.get("parameters", {})
    arrays = {}
    # Images of changed code must not enter the cache of the user.
    with ExitStack() as stack:
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        for change in setting.get("patches", ()):
            stack.enter_context(change)
        options = {"seed": seed, "parameters": parameters, "cache_dir": cache, "progress": False}
        for split, count in (("train", budget["images"]), ("val", budget["val_images"])):
            made = data.load("phantom", SIZE, split, num_images=count, **options)
            images = setting.get("change", lambda images, seed: images)(made.images[:], seed)
            arrays[split] = transfer.as_arrays(images, made.labels, histogram(setting))
    return arrays


def histogram(setting):
    return SimpleNamespace(histogram=setting.get("histogram", "original"))


def train(name, seed, options, budget):
    """Train in one setting; save the probabilities on the real images and facts about the run."""
    setting = SETTINGS[name]
    settings = SimpleNamespace(model="cnn", augment=True, batch=32, jit=False, **budget)
    settings.rate = transfer.DEFAULTS["cnn"][1]
    model, facts = transfer.train(settings, seed, simulate(setting, seed, budget))
    predictions = {}
    for split in real_images.load(options.real, "train", "val", "test"):
        images, _ = transfer.as_arrays(split.images, split.labels, histogram(setting))
        predictions[split.split] = transfer.predict(model, images)
    path = run_file(name, seed, options, budget)
    path.parent.mkdir(parents=True, exist_ok=True)
    with io.atomic_write(path) as stream:
        found = {key: facts[key] for key in ("val_macro_auc", "epoch", "images_per_second")}
        np.savez(stream, **predictions, **found)


def run_file(name, seed, options, budget):
    """Return the file of a run; runs of another budget or simulator have others."""
    budget = f"{budget['images']}x{budget['epochs']}"
    return options.runs / f"phantom{phantom.VERSION}_{budget}" / f"{name}_{seed}.npz"


def measure(options, budget):
    """Return the scores of every setting and the differences to the reference."""
    runs = {
        name: [dict(np.load(run_file(name, seed, options, budget))) for seed in SEEDS]
        for name in SETTINGS
    }
    rows = [{"setting": name} for name in SETTINGS]
    for row in rows:
        found = runs[row["setting"]]
        for key, kind in (("val_macro_auc", float), ("epoch", int), ("images_per_second", float)):
            row[key] = [kind(run[key]) for run in found]
    loaded = {s.split: s for s in real_images.load(options.real, "train", "val", "test")}
    counts = {}
    for name, parts in SPLITS.items():
        labels = np.concatenate([loaded[part].labels for part in parts])
        patients = np.concatenate([loaded[part].table["patient"] for part in parts])
        counts[name] = len(labels)
        by_setting = {
            setting: np.stack([np.concatenate([run[part] for part in parts]) for run in found])
            for setting, found in runs.items()
        }
        for row in rows:
            found = by_setting[row["setting"]]
            names = ("macro_auc", *(FINDINGS if name == "development" else ()))
            common = {"patients": patients, "replicates": options.replicates}
            row[name] = score(labels, by_setting[REFERENCE], found, names, common)
    return rows, counts


def score(labels, reference, found, names, common):
    """Return the macro AUC of a setting, and the differences of scores to the reference."""
    interval = evaluation.bootstrap(labels, found, scores=("macro_auc",), **common)["macro_auc"]
    by_seed = [metrics.score(labels, each).macro_auc for each in found]
    result = {"macro_auc": astuple(interval), "by_seed": by_seed}
    if found is not reference:
        change = evaluation.compare(labels, reference, found, scores=names, **common)
        result["change"] = {name: astuple(change[name]) for name in names}
        former = [metrics.score(labels, each).macro_auc for each in reference]
        result["change_by_seed"] = np.subtract(by_seed, former).tolist()
    return result


def main():
    parser = real_images.parser(__doc__, "ablation.json")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--only", nargs="+", default=["*"], help="settings, as shell patterns")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, choices=SEEDS)
    parser.add_argument("--replicates", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--quick", action="store_true", help="a test run with few images")
    parser.add_argument("--in-process", action="store_true", help="train here (used internally)")
    options = parser.parse_args()
    options.runs, budget = options.runs.resolve(), QUICK if options.quick else BUDGET
    names = [n for n in SETTINGS if any(fnmatch.fnmatch(n, pattern) for pattern in options.only)]
    if options.in_process:
        train(names[0], options.seeds[0], options, budget)
        return
    for seed in options.seeds:
        for name in names:
            if not run_file(name, seed, options, budget).exists():
                print(f"== {name}, seed {seed}", flush=True)
                own = ["--in-process", "--only", name, "--seeds", str(seed)]
                subprocess.run([sys.executable, __file__, *sys.argv[1:], *own], check=True)
    files = [run_file(name, seed, options, budget) for name in SETTINGS for seed in SEEDS]
    if missing := sum(not file.exists() for file in files):
        print(f"{missing} of {len(files)} runs are missing, so nothing was written yet.")
        return
    start_keras()
    from xraylab.training.report import environment

    rows, counts = measure(options, budget)
    facts = {"simulator": phantom.VERSION, "seeds": SEEDS, **budget, "num_images": counts}
    facts["environment"] = environment()
    io.write_json(options.out, {**facts, "rows": rows})
    for row in rows:
        print(row["setting"], row["development"].get("change", row["development"])["macro_auc"])


if __name__ == "__main__":
    main()
