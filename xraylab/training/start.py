"""Starting and resuming a run: the fastest precision, and the checks before the first step."""

from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np

from xraylab import data, io, losses
from xraylab.arguments import require_choice
from xraylab.data import Split
from xraylab.training.checkpoint import list_checkpoints
from xraylab.training.distillation import load_teacher, teacher_file
from xraylab.training.objectives import prevalence
from xraylab.training.recipe import Recipe
from xraylab.training.report import commit
from xraylab.training.run import (
    Run,
    build_model,
    initial_weights,
    load_images,
    load_initial_weights,
)

LOCATIONS = ("data", "data_options", "teacher", "start_from")
"""Fields of a recipe that may change on another machine: where files are."""

FLOAT16_CAPABILITY = (7, 0)
"""Lowest compute capability of NVIDIA GPUs with tensor cores for float16 (V100, T4)."""

BFLOAT16_CAPABILITY = (8, 0)
"""Lowest compute capability with tensor cores for bfloat16 (A100, H100), which cannot overflow."""


def prepare(
    recipe: Recipe, out: Path, progress: bool
) -> tuple[Recipe, keras.Model, dict[str, Split]]:
    """Complete a recipe, build its model and load its images, without writing into ``out``."""
    given = recipe
    if recipe.label_names is None:
        recipe = recipe.replace(label_names=data.labels_of(recipe.data))
    if recipe.precision == "auto":
        started = (out / "run.json").exists()
        precision = Run(out).recipe.precision if started else fastest_precision()
        recipe = recipe.replace(precision=precision)
    for name in recipe.teacher_options:
        require_choice("teacher_options", name, load_teacher.__kwdefaults__ or ())
    for name in recipe.loss_options:
        require_choice("loss_options", name, losses.option_names(recipe.loss))
    if not (out / "report.json").exists():
        for source in recipe.teachers:  # before any image is read
            teacher_file(source, recipe.teacher_options.get("weights", "best"))
    keras.utils.set_random_seed(recipe.seed)
    # The model first: a recipe that cannot be built should not download data.
    model = build_model(recipe)
    if not list_checkpoints(out / "checkpoints"):
        load_initial_weights(recipe, model)
    # Without given label names, the loader determines them.
    splits = {name: load_images(given, name, progress) for name in ("train", "val")}
    require_labels(recipe, splits["train"])
    return recipe, model, splits


def fastest_precision() -> str:
    """Return the dtype policy that is fastest on this machine.

    ``"mixed_bfloat16"`` where the GPU has tensor cores for it, ``"mixed_float16"`` where it has
    them for float16 only, else ``"float32"``: on a P100 half precision saves memory but no time,
    and on a CPU it saves little even with instructions for bfloat16 (appendix "Speed and cost").
    """
    capability = (0, 0)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU")[:1]:
            details = tf.config.experimental.get_device_details(gpu)
            capability = details.get("compute_capability", capability)
    elif keras.backend.backend() == "jax":
        import jax

        text = getattr(jax.local_devices()[0], "compute_capability", "0.0")  # such as "8.0"
        capability = tuple(map(int, text.split(".")))
    if capability < FLOAT16_CAPABILITY:
        return "float32"
    return "mixed_bfloat16" if capability >= BFLOAT16_CAPABILITY else "mixed_float16"


def require_labels(recipe: Recipe, split: Split) -> None:
    """Raise a ValueError for images with other labels than the recipe's, or with an empty one."""
    if tuple(split.label_names) != recipe.labels:
        raise ValueError(
            f"The labels of {recipe.data} differ from the recipe's. "
            f"Expected: {', '.join(recipe.labels)}. "
            f"Received: {', '.join(split.label_names)}. Leave label_names out to use those."
        )
    empty = np.flatnonzero(np.isnan(split.labels).all(axis=0))
    if len(empty) and recipe.predicts_labels:
        raise ValueError(
            f"The label {split.label_names[empty[0]]!r} is unknown in every training image of "
            f"{recipe.data}. Expected: some known values. Leave it out of label_names."
        )


def open_run(recipe: Recipe, out: Path, splits: dict[str, Split], resume: bool) -> Run:
    """Start a run in ``out``, or open the run there after checking that it is the same.

    A larger number of epochs extends the run.
    """
    fingerprints = {name: split.fingerprint for name, split in splits.items()}
    if not (out / "run.json").exists():
        if list_checkpoints(out / "checkpoints") or (out / "report.json").exists():
            raise FileExistsError(
                f"{out} holds parts of a run without run.json, as after an interrupted deletion. "
                "Remove the folder, or choose another --out"
            )
        facts = {
            "recipe": recipe.to_dict(),
            "data": fingerprints,
            "origins": _origins(recipe),
            "train_prevalence": prevalence(splits["train"]),
            "commit": commit(),
            "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        io.write_json(out / "run.json", facts)
        return Run(out)
    run = Run(out)
    if not resume:
        raise FileExistsError(
            f"{run.path} already holds a run, started {run.facts['begun']}. Add --resume "
            "(resume=True) to continue it, or choose another --out."
        )
    extended = recipe.epochs > run.recipe.epochs
    free = (*LOCATIONS, "epochs") if extended else LOCATIONS
    differences = run.recipe.differences(recipe)
    if changed := {name: pair for name, pair in differences.items() if name not in free}:
        listing = "; ".join(f"{name}={old!r}" for name, (old, _) in changed.items())
        received = "; ".join(f"{name}={new!r}" for name, (_, new) in changed.items())
        raise ValueError(
            f"{run.path} was started with another recipe. Expected: {listing}. "
            f"Received: {received}. Resume it with its own recipe (only a larger number of epochs "
            "is allowed), or choose another --out."
        )
    if run.facts["data"] != fingerprints:
        raise ValueError(
            f"{run.path} was started with other images: those of {recipe.data} have changed since "
            f"{run.facts['begun']}. Restore them, or choose another --out."
        )
    if extended or not run.report:
        teachers = _origins(recipe.replace(start_from=None))
        if not teachers.items() <= run.facts["origins"].items():
            raise ValueError(
                f"{run.path} was started with another teacher: its weights have changed since "
                f"{run.facts['begun']}. Restore them, or choose another --out."
            )
    return _extend(run, recipe.epochs) if extended else run


def _extend(run: Run, epochs: int) -> Run:
    """Record that a run continues to a larger number of epochs."""
    print(
        f"{io.printable(run.path)}: extended from {run.recipe.epochs} to {epochs} epochs. From the "
        f"next step on, the learning rate follows the schedule of {epochs} epochs, on which it is "
        "higher at this point than it was."
    )
    facts = run.facts | {"recipe": run.recipe.replace(epochs=epochs).to_dict()}
    change = {"from": run.recipe.epochs, "to": epochs, "after_epoch": len(run.history)}
    facts["extended"] = [*run.facts.get("extended", ()), change]
    # The report first: a run that is killed in between must not appear to be finished.
    (run.path / "report.json").unlink(missing_ok=True)
    io.write_json(run.path / "run.json", facts)
    return Run(run.path)


def _origins(recipe: Recipe) -> dict[str, str]:
    """Return the SHA-256 checksums of the teachers' weights and of the initial ones, if any."""
    weights = recipe.teacher_options.get("weights", "best")
    files = [teacher_file(source, weights) for source in recipe.teachers]
    single = len(files) == 1
    origins = {"teacher" if single else f"teacher {k}": file for k, file in enumerate(files, 1)}
    if start := initial_weights(recipe):
        origins["start_from"] = start
    return {name: io.sha256(file) for name, file in origins.items()}
