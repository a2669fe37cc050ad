"""Score models that were trained on simulated images only on the real test images.

::

    python tools/measure_zero_shot.py --real FOLDER --runs FOLDER    # a minute or two per model

Every finished run in the folder whose name contains the size and the version of the simulator, as
those of ``tools/record_runs.py`` do, is scored; none is left out by its score. Real images are
given to a model as they are ("original"), and with a standardised histogram ("standardised"): each
grey level is replaced by the level of the same rank in simulated images, on average over 1,000 of
them. For each run, the input with the higher macro AUC on the real validation images is chosen
before the test images are scored, with both. Intervals are by patient. The AUCs on the simulated
validation images of the run are written beside them.
"""

import sys
from pathlib import Path

import numpy as np
import real_images
from record_runs import PHANTOM

from xraylab import data, io, metrics, phantom
from xraylab.backend import start_keras
from xraylab.findings import FINDINGS
from xraylab.training import Run
from xraylab.training.run import load_images

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import phantom_transfer as transfer  # noqa: E402

SIZE, REFERENCE_IMAGES = 64, 1000
RANKS = np.linspace(0, 1, 257)


def reference_levels(images: np.ndarray) -> np.ndarray:
    """Return the mean grey level, from 0 to 1, at each of RANKS over images (n, size, size)."""
    return np.quantile(images.reshape(len(images), -1), RANKS, axis=1).mean(axis=1) / 255


def standardise(images: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Give images (n, size, size) uint8 the histogram of :func:`reference_levels`, in [0, 1]."""
    return np.interp(transfer.equalise(images), RANKS, levels).astype(np.float32)


def inputs(split: data.Split, levels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the images of a split by kind of input, (n, size, size, 1) float32 in [0, 1]."""
    images = np.asarray(split.images)
    both = {"original": np.float32(images) / 255, "standardised": standardise(images, levels)}
    return {name: found[..., None] for name, found in both.items()}


def measure(run: Run, val: data.Split, test: data.Split, levels: np.ndarray) -> dict:
    """Return which input the validation images choose, and the scores on the test images."""
    model, simulated = run.load_model(), load_images(run.recipe, "val", progress=False)
    images, labels = np.float32(simulated.images)[..., None] / 255, simulated.labels
    on_simulated = metrics.score(labels, transfer.predict(model, images), label_names=FINDINGS)
    validation = {
        name: metrics.score(val.labels, transfer.predict(model, images)).macro_auc
        for name, images in inputs(val, levels).items()
    }
    names, patients = ["macro_auc", *FINDINGS], test.table["patient"]
    scores = {
        name: dict(zip(names, transfer.score(model, images, test.labels, patients), strict=True))
        for name, images in inputs(test, levels).items()
    }
    return {
        "run": run.path.name,
        "weights_sha256": io.sha256(run.weights_file()),
        "simulated_val": {
            "macro_auc": on_simulated.macro_auc,
            **{finding.label: finding.roc_auc for finding in on_simulated.per_finding},
        },
        "val_macro_auc": validation,
        "input": max(validation, key=validation.__getitem__),
        "test": scores,
    }


def main():
    parser = real_images.parser(__doc__, "zero_shot.json")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    options = parser.parse_args()
    runs = [Run(path) for path in sorted(options.runs.glob(f"*_{SIZE}_{PHANTOM}*"))]
    finished = [run for run in runs if run.report is not None]
    if not finished:
        parser.error(
            f"--runs. Expected: a folder with finished runs named *_{SIZE}_{PHANTOM}*. Received: "
            f"{options.runs}. Train them with tools/record_runs.py."
        )
    for run in runs:
        if run not in finished:
            print(f"{run.path.name}: left out, because it has not finished")
    start_keras()
    val, test = real_images.load(options.real, "val", "test")
    levels = reference_levels(phantom.simulate(np.arange(REFERENCE_IMAGES), SIZE).images)
    values = {
        "simulator": phantom.VERSION,
        "reference_images": REFERENCE_IMAGES,
        "num_val": len(val),
        "num_test": len(test),
        "positives": dict(zip(FINDINGS, test.labels.sum(axis=0).astype(int), strict=True)),
        "rows": [measure(run, val, test, levels) for run in finished],
    }
    real_images.write(options.out, values)


if __name__ == "__main__":
    main()
