"""Train and record the runs of the results chapter; takes hours, resumable.

::

    python tools/record_runs.py                                # on simulated images
    python tools/record_runs.py --sample nih_sample_64.npz     # and on a sample of real images
    python tools/record_runs.py --list

Each run trains in a separate process. The same command continues an interrupted run and skips
finished ones; a run that was trained again is recorded again. Records are written to book/results.
For real images they contain predictions but no labels, which we may not redistribute; scores are
recomputed where the images are at hand: ``xraylab results check --data FILE --table FILE``.
"""

import argparse
import fnmatch
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from xraylab.io import sha256

ROOT = Path(__file__).resolve().parents[1]
XRAYLAB = Path(sys.executable).with_name("xraylab")

PHANTOM_IMAGES = {"train": 20_000, "val": 4_000, "test": 8_000}
PHANTOM_EPOCHS = 2
REAL_EPOCHS = 10


@dataclass(frozen=True)
class Planned:
    """A run to be trained and recorded.

    Attributes:
        name: name of its folder and of its record.
        recipe: the named recipe.
        settings: changes to the recipe, as ``xraylab train --set`` takes them.
        start_from: name of the planned run whose weights initialize it, or None.
        real: whether it trains on the sample of real images.
    """

    name: str
    recipe: str
    settings: tuple[str, ...]
    start_from: str | None = None
    real: bool = False


def planned():
    """Yield every :class:`Planned` run, the short ones first."""
    images = f"data_options.num_images={json.dumps(PHANTOM_IMAGES)}"
    phantom = ("data=phantom", f"epochs={PHANTOM_EPOCHS}", images)
    for model in (
        "rr_vit",
        "efficientvit_m0",
        "efficientvit_m0_mxa",
        "dbct",
        "efficientnet_b0",
        "lt_vit_tiny",
        "densenet121",
        "hybrid_rr_vit",
    ):
        yield Planned(f"{model}_64_phantom", f"{model}_64_tuned", phantom)
    for model in ("rr_vit", "efficientvit_m0"):
        for seed in (1, 2):
            settings = (*phantom, f"seed={seed}")
            yield Planned(f"{model}_64_phantom_seed{seed}", f"{model}_64_tuned", settings)
    real = (f"epochs={REAL_EPOCHS}",)
    for model in ("rr_vit", "dbct", "densenet121"):
        recipe = f"{model}_64_tuned"
        yield Planned(f"{model}_64_nih_scratch", recipe, real, real=True)
        yield Planned(
            f"{model}_64_nih_from_phantom", recipe, real, f"{model}_64_phantom", real=True
        )


def train(plan, runs, sample):
    """Train one run to its end, unless it has finished before."""
    settings = [*plan.settings]
    if plan.real:
        settings.append(f"data={sample.resolve()}")
    if plan.start_from is not None:
        settings.append(f"start_from={runs / plan.start_from}")
    command = [XRAYLAB, "train", plan.recipe, "--out", runs / plan.name, "--resume"]
    for text in settings:
        command += ["--set", text]
    _run(command)


def record(plan, runs, records):
    """Record one run, unless there is a record of the same weights.

    The cost of inference is measured once per model, not for other seeds and images.
    """
    cost = not plan.real and "seed" not in plan.name
    if _is_recorded(records / f"{plan.name}.json", runs / plan.name, cost):
        print("already recorded")
        return
    command = [XRAYLAB, "results", "record", runs / plan.name, "--recipe", plan.recipe, "--replace"]
    _run(command + ["--folder", records] + ["--cost"] * cost)


def _is_recorded(path, run, cost):
    """Return whether there is a record of a run's weights, with the cost if it is required."""
    if not path.exists():
        return False
    values = json.loads(path.read_text(encoding="utf-8"))
    same = values["weights_sha256"] == sha256(run / "best.weights.h5")
    return same and (values["cost"] is not None or not cost)


def _run(command):
    """Run a command; exit with its status if it fails."""
    status = subprocess.run(command).returncode
    if status != 0:
        sys.exit(status)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "recorded")
    parser.add_argument("--records", type=Path, default=ROOT / "book" / "results")
    parser.add_argument("--sample", type=Path, help="real images as a MedMNIST-style .npz file")
    parser.add_argument("--only", default="*", help="names of runs, as a shell-style pattern")
    parser.add_argument(
        "--train-only", action="store_true", help="do not record, as while the machine is busy"
    )
    parser.add_argument("--list", action="store_true", help="list the runs and train none")
    options = parser.parse_args()
    if options.sample is not None and not options.sample.is_file():
        parser.error(f"--sample. Expected: an existing .npz file. Received: {options.sample}")
    plans = [plan for plan in planned() if fnmatch.fnmatch(plan.name, options.only)]
    for plan in plans:
        if options.list:
            print(f"{plan.name}: {plan.recipe} with {', '.join(plan.settings)}")
        elif plan.real and options.sample is None:
            print(f"{plan.name}: skipped; it needs real images: --sample FILE")
        else:
            print(f"== {plan.name}", flush=True)
            train(plan, options.runs.resolve(), options.sample)
            if not options.train_only:
                record(plan, options.runs.resolve(), options.records)


if __name__ == "__main__":
    main()
