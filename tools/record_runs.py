"""Train and record the runs of the results chapter; takes about a day, resumable.

::

    python tools/record_runs.py                          # on simulated images
    python tools/record_runs.py --real FOLDER            # and on real images
    python tools/record_runs.py --list

Each run trains in a separate process, the cheapest first. The same command continues an interrupted
run and skips finished ones; a run that was trained again is recorded again. Records are written to
book/results. FOLDER holds the NIH subset: nih_64.npz, nih_128.npz and the table of their patients,
nih_images.csv. Records of real images contain predictions but no labels, which we may not
redistribute; scores are recomputed where the images are at hand:
``xraylab results check --data FILE --table FILE``.
"""

import argparse
import fnmatch
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import real_images

from xraylab import phantom
from xraylab.io import read_json, sha256

ROOT = Path(__file__).resolve().parents[1]
XRAYLAB = Path(sys.executable).with_name("xraylab")

PHANTOM_IMAGES = {"train": 20_000, "val": 4_000, "test": 8_000}
PHANTOM_EPOCHS = 2
PHANTOM = f"phantom{phantom.VERSION}"
"""Images of different versions of the simulator differ, and so do the names of their runs."""

SYSTEMS = {
    "rr_vit": ("rr_vit_64_tuned", ()),
    "efficientvit_m0": ("efficientvit_m0_64_tuned", ()),
    "efficientvit_m0_mxa": ("efficientvit_m0_mxa_64_tuned", ()),
    "dbct": ("dbct_64_tuned", ()),
    "efficientvit_m5": ("efficientvit_m0_64_tuned", ("model=efficientvit_m5",)),
    "efficientvit_m5_mxa": ("efficientvit_m0_mxa_64_tuned", ("model=efficientvit_m5_mxa",)),
    "efficientnet_b0": ("efficientnet_b0_64_tuned", ()),
    "lt_vit_tiny": ("lt_vit_tiny_64_tuned", ()),
    "densenet121": ("densenet121_64_tuned", ()),
    "resnet50": ("resnet50_64_tuned", ()),
    "medvit_small": ("medvit_large_64_tuned", ("model=medvit_small",)),
    "hybrid_rr_vit": ("hybrid_rr_vit_64_tuned", ()),
    "medvit_large": ("medvit_large_64_tuned", ()),
}
"""Named recipe and changes to it by system, the cheapest first."""

PHANTOM_SYSTEMS = (
    "rr_vit",
    "efficientvit_m0",
    "efficientvit_m0_mxa",
    "dbct",
    "efficientnet_b0",
    "lt_vit_tiny",
    "densenet121",
    "hybrid_rr_vit",
)

REAL_EPOCHS = {
    "rr_vit": 30,
    "efficientvit_m0": 12,
    "efficientvit_m0_mxa": 12,
    "dbct": 12,
    "efficientvit_m5": 10,
    "efficientvit_m5_mxa": 10,
    "efficientnet_b0": 10,
    "lt_vit_tiny": 8,
    "densenet121": 8,
    "resnet50": 8,
    "medvit_small": 8,
    "hybrid_rr_vit": 3,
    "medvit_large": 2,
}
"""Epochs on real images: enough to pass the best validation score, or what the budget allows."""

SIZES = {"rr_vit": 30, "efficientvit_m0": 16}
"""Epochs of the systems that are trained at 128 pixels, and at 64 on the same images."""

SEEDED = ("rr_vit", "efficientvit_m0", "efficientvit_m0_mxa", "dbct", "lt_vit_tiny")
"""Systems with three seeds on real images, also as students; the others have one."""


def seeds(name: str, count: int) -> tuple[str, ...]:
    """Return the names of the runs of several seeds."""
    return (name, *(f"{name}_seed{seed}" for seed in range(1, count)))


STUDENTS = {
    "efficientvit_m0_mxa": (
        "efficientvit_m5_64_nih_scratch",
        f"efficientvit_m0_64_nih_from_{PHANTOM}",
    ),
    "rr_vit": seeds("efficientvit_m0_64_nih_scratch", 3),
    "dbct": seeds("efficientvit_m0_64_nih_scratch", 3),
    "medvit_small": (
        "medvit_small_64_nih_scratch",
        *seeds("efficientvit_m0_64_nih_scratch", 3),
    ),
    "efficientvit_m0": ("medvit_small_64_nih_kd",),
}
"""Students of a knowledge distillation, and the runs that teach them together."""

DISTILLATION = ("objective=distillation", "distillation_weight=0.933")
"""Asymmetric and focal loss are sums over 14 labels, the teacher's a mean: with α = 14/15 both
losses have the same coefficient per label, before the label weights of the teacher."""


@dataclass(frozen=True)
class Planned:
    """A run to be trained and recorded.

    Attributes:
        name: name of its folder and of its record.
        recipe: the named recipe.
        settings: changes to the recipe, as ``xraylab train --set`` takes them.
        start_from: name of the planned run whose weights initialize it, or None.
        teachers: names of the planned runs whose mean prediction it learns from.
        real_file: name of its file of real images; None for simulated ones.
    """

    name: str
    recipe: str
    settings: tuple[str, ...]
    start_from: str | None = None
    real_file: str | None = None
    teachers: tuple[str, ...] = ()


def planned():
    """Yield every :class:`Planned` run: simulated images, real ones by seed, students, sizes.

    A run comes after those that its weights start from or that teach it.
    """
    images = f"data_options.num_images={json.dumps(PHANTOM_IMAGES)}"
    simulated = ("data=phantom", f"epochs={PHANTOM_EPOCHS}", images)
    for system in PHANTOM_SYSTEMS:
        recipe, changes = SYSTEMS[system]
        yield Planned(f"{system}_64_{PHANTOM}", recipe, (*changes, *simulated))
    for system in ("rr_vit", "efficientvit_m0", "densenet121"):
        for seed in (1, 2):
            settings = (*simulated, f"seed={seed}")
            yield Planned(f"{system}_64_{PHANTOM}_seed{seed}", SYSTEMS[system][0], settings)
    for seed in (0, 1, 2):
        for system in SYSTEMS if seed == 0 else SEEDED:
            yield _on_real_images(system, "scratch", seed)
            if system in PHANTOM_SYSTEMS:
                former = f"{system}_64_{PHANTOM}"
                yield _on_real_images(system, f"from_{PHANTOM}", seed, start_from=former)
    for seed in (0, 1, 2):
        for system, teachers in STUDENTS.items():
            if seed == 0 or system in SEEDED:
                yield _on_real_images(system, "kd", seed, DISTILLATION, teachers=teachers)
    for system, epochs in SIZES.items():
        recipe, changes = SYSTEMS[system]
        for size, file in ((64, real_images.SHARED), (128, "nih_128.npz")):
            settings = (*changes, f"epochs={epochs}", f"size={size}")
            name = f"{system}_{size}_nih4500_scratch"
            yield Planned(name, recipe, settings, real_file=file)


def _on_real_images(system, way, seed, settings=(), **sources):
    """Return the :class:`Planned` run of a system on nih_64.npz with a seed."""
    recipe, changes = SYSTEMS[system]
    settings = (*changes, f"epochs={REAL_EPOCHS[system]}", *settings)
    name = f"{system}_64_nih_{way}"
    if seed:
        settings, name = (*settings, f"seed={seed}"), f"{name}_seed{seed}"
    return Planned(name, recipe, settings, real_file="nih_64.npz", **sources)


def train_recipe(recipe, folder, settings):
    """Train a recipe to its end in a separate process, or continue a run in its folder."""
    command = [XRAYLAB, "train", recipe, "--out", folder, "--resume"]
    for text in settings:
        command += ["--set", text]
    _run(command)


def train(plan, runs, real):
    """Train one run to its end, unless it has finished before."""
    settings = [*plan.settings]
    if plan.real_file is not None:
        data, table = real_images.find(real, plan.real_file, runs)
        settings += [f"data={data}", f"data_options.table={table}"]
    if plan.start_from is not None:
        settings.append(f"start_from={runs / plan.start_from}")
    if plan.teachers:
        settings.append(f"teacher={json.dumps([str(runs / name) for name in plan.teachers])}")
    train_recipe(plan.recipe, runs / plan.name, settings)


def record(plan, runs, records):
    """Record one run, unless there is a record of the same weights.

    The cost of inference is measured once per model, not for other seeds and images.
    """
    cost = plan.real_file is None and "seed" not in plan.name
    if _is_recorded(records / f"{plan.name}.json", runs / plan.name, cost):
        print("already recorded")
        return
    command = [XRAYLAB, "results", "record", runs / plan.name, "--recipe", plan.recipe, "--replace"]
    _run(command + ["--folder", records] + ["--cost"] * cost)


def _is_recorded(path, run, cost):
    """Return whether there is a record of a run's weights, with the cost if it is required."""
    if not path.exists():
        return False
    values = read_json(path)
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
    parser.add_argument("--real", type=Path, help="folder of the real images")
    parser.add_argument("--only", default="*", help="names of runs, as a shell-style pattern")
    parser.add_argument(
        "--train-only", action="store_true", help="do not record, as while the machine is busy"
    )
    parser.add_argument("--list", action="store_true", help="list the runs and train none")
    options = parser.parse_args()
    if options.real is not None and not (options.real / "nih_images.csv").is_file():
        parser.error(f"--real. Expected: a folder with nih_images.csv. Received: {options.real}")
    plans = [plan for plan in planned() if fnmatch.fnmatch(plan.name, options.only)]
    if not plans:
        parser.error(f"--only. Expected: a pattern of names in --list. Received: {options.only}")
    for plan in plans:
        if options.list:
            print(f"{plan.name}: {plan.recipe} with {', '.join(plan.settings)}")
        elif plan.real_file is not None and options.real is None:
            print(f"{plan.name}: skipped; it needs real images: --real FOLDER")
        else:
            print(f"== {plan.name}", flush=True)
            train(plan, options.runs.resolve(), options.real and options.real.resolve())
            if not options.train_only:
                record(plan, options.runs.resolve(), options.records)


if __name__ == "__main__":
    main()
