"""Train a model with several values of one setting on real images, for chapters 9 and 10.

::

    python tools/measure_variants.py --real FOLDER --runs FOLDER              # hours, resumable
    python tools/measure_variants.py --real FOLDER --runs FOLDER --train-only --seeds 1 2

All runs of an experiment share the tuned recipe, the images and the number of epochs; nothing but
the setting and the seed differs. The epoch with the best macro AUC on the validation images is
scored on the test images. Differences are means over seeds, each value minus the first; their 95 %
intervals, by patient, do not contain the variation between seeds.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import real_images
import record_runs
from measure_pretraining import predictions
from record_runs import SYSTEMS

from xraylab import evaluation, metrics
from xraylab.training import Run

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Experiment:
    """A setting of a model, and the values to compare, as ``xraylab train --set`` takes them."""

    model: str
    setting: str
    values: tuple[str, ...]
    epochs: int


EXPERIMENTS = (
    Experiment("rr_vit", "reconstruction_weight", ("0.0", "0.1", "1.0", "10.0"), 12),
    Experiment("dbct", "model_options.fusion", ("concatenation", "cross_attention"), 6),
)


def name_of(experiment, value, seed):
    """Return the name of one run and of its folder."""
    return f"{experiment.model}_{experiment.setting}_{value}_seed{seed}"


def train(experiment, value, seed, options):
    """Train one run to its end, unless it has finished."""
    recipe, changes = SYSTEMS[experiment.model]
    settings = (
        *changes,
        f"epochs={experiment.epochs}",
        f"seed={seed}",
        "data_options.on_suspect=null",
        f"{experiment.setting}={value}",
    )
    name = name_of(experiment, value, seed)
    plan = record_runs.Planned(name, recipe, settings, real_file="nih_64.npz")
    record_runs.train(plan, options.runs, options.real.resolve())


def measure(experiment, runs, test):
    """Return the scores of each value, and its differences from the first value."""
    common = {"scores": ("macro_auc", "micro_auc"), "patients": test.table["patient"]}
    first, rows = None, []
    for value in experiment.values:
        folders = [runs / name_of(experiment, value, seed) for seed in SEEDS]
        found = np.stack([predictions(folder, test) for folder in folders])
        row = {
            "value": value,
            "by_seed": [metrics.score(test.labels, one).macro_auc for one in found],
            "val_by_seed": [max(e["val_macro_auc"] for e in Run(f).history) for f in folders],
            "best_epochs": [Run(folder).report["best_epoch"] for folder in folders],
            **evaluation.bootstrap(test.labels, found, **common),
        }
        if first is None:
            first = found
        else:
            row["minus_first"] = evaluation.compare(test.labels, first, found, **common)
        rows.append(row)
    return asdict(experiment) | {"rows": rows}


def main():
    parser = real_images.parser(__doc__, "variants.json")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--train-only", action="store_true", help="do not score the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, choices=SEEDS)
    options = parser.parse_args()
    if set(options.seeds) != set(SEEDS) and not options.train_only:
        parser.error("--seeds needs --train-only: the scores need all seeds")
    options.runs = options.runs.resolve()
    for experiment in EXPERIMENTS:
        for seed in options.seeds:
            for value in experiment.values:
                train(experiment, value, seed, options)
    if not options.train_only:
        train_split, test = real_images.load(options.real, "train", "test")
        facts = {"num_train": len(train_split), "num_test": len(test), "seeds": SEEDS}
        experiments = {e.setting: measure(e, options.runs, test) for e in EXPERIMENTS}
        real_images.write(options.out, {**facts, **experiments})


if __name__ == "__main__":
    main()
