"""Training that can be stopped at any moment and comes out the same.

Everything that decides the next step lies either in the recipe or in the checkpoint: the order of
the images follows from (seed, epoch), the random numbers of the dropout are variables of the model.
A run that was killed and resumed therefore takes the very steps it would have taken.
"""

import inspect
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np

from xraylab import data, losses
from xraylab.backend import reset_memory_peak
from xraylab.io import remove_stale, sha256
from xraylab.suggest import did_you_mean
from xraylab.training import augmentation, distribute
from xraylab.training.checkpoint import list_checkpoints, told_in_words
from xraylab.training.loop import Loop
from xraylab.training.objectives import OBJECTIVES, prevalence
from xraylab.training.precision import fastest_precision
from xraylab.training.report import commit, environment, write_report
from xraylab.training.run import (
    FILES,
    Run,
    build_model,
    load_images,
    start_weights,
    write_json,
)
from xraylab.training.teachers import load_teacher

CHECKPOINT_SECONDS = 60.0
"""Time between two checkpoints within an epoch; there is one after every epoch in any case."""

FOLDER_SECONDS = 30.0
"""Time that a disk shared by several machines may take to show a new file to all of them."""

NOT_OPTIONS = ("source", "label_names", "size")
"""Arguments of :func:`load_teacher` that no recipe gives as an option."""

ELSEWHERE = ("data", "data_options", "teacher", "start_from")
"""Fields of a recipe that tell where something lies, which may differ from machine to machine."""


def fit(
    recipe,
    out,
    *,
    resume=False,
    progress=True,
    checkpoint_seconds=CHECKPOINT_SECONDS,
    max_hours=None,
):
    """Train a model by a recipe, and leave everything about it in one folder.

    Args:
        recipe: a :class:`xraylab.training.Recipe`.
        out: folder of the run; see :mod:`xraylab.training.run` for what it will hold.
        resume: whether to continue a run that was begun there by the same recipe. Where none was
            begun, it begins one, so that the same command can simply be repeated.
        progress: whether to show progress.
        checkpoint_seconds: time between two checkpoints within an epoch.
        max_hours: stop with a checkpoint before this time is over, counted from this call; for
            machines that are taken away after a while. None sets no limit.

    Returns:
        The finished :class:`xraylab.training.Run`.

    Raises:
        FileExistsError: if ``out`` holds a run and ``resume`` is false.
        ValueError: if ``out`` holds a run of another recipe or other images; and as
            :func:`xraylab.data.load` and :func:`xraylab.models.build`.
        TrainingInterrupted: on Ctrl-C, on SIGTERM, or when ``max_hours`` are over, after a
            checkpoint was written.
        TrainingDiverged: if the loss is no longer finite.
        OutOfMemory: if not even one image at a time fits into memory.
        CheckpointError: if the disk is full or refuses, where the checkpoint before stays; or if
            none of a run's checkpoints can be read, where nothing is touched.
        ProcessLost: if another process of the cluster has failed or ended; see
            :mod:`xraylab.training.distribute`.
    """
    if max_hours is not None and not max_hours > 0:
        raise ValueError(f"max_hours must be above 0, or None for no limit; {max_hours} came")
    deadline = None if max_hours is None else time.monotonic() + 3600 * max_hours
    cluster = distribute.join()
    reset_memory_peak()  # not before the processes have met: it starts the back end
    with cluster.explaining_losses(out):
        # The model first: a recipe that cannot be built must cost no download, leave no folder.
        recipe, model, images = cluster.together(
            lambda: _prepare(recipe, out, progress and cluster.writes)
        )
        if cluster.num_processes > 1:
            cluster.require_agreement(_common(recipe, images))
        run = cluster.in_turn(lambda: _begin(recipe, out, images, resume, cluster))
        cluster.require_agreement(_place(run))
        if run.report:
            return run
        if cluster.writes:
            remove_stale(run.path)
            remove_stale(run.checkpoints)
        objective = cluster.in_turn(lambda: OBJECTIVES[recipe.objective](recipe, images, run.path))
        # None may take a step before all have read the newest checkpoint.
        loop = cluster.together(
            lambda: Loop(
                run, model, objective, images, cluster, progress, checkpoint_seconds, deadline
            )
        )
        state = loop.go()
        loop.write_last_weights()
        cluster.together(lambda: _report(run, objective, images, state) if cluster.writes else None)
    return run


def _prepare(recipe, out, progress):
    """Return the recipe as it can be trained here, its model and its images."""
    told = recipe
    recipe = _with_labels(_with_precision(recipe, out))
    _require_options(recipe)
    keras.utils.set_random_seed(recipe.seed)
    model = build_model(recipe)
    if not list_checkpoints(Path(out) / "checkpoints"):
        start_weights(recipe, model)
    if recipe.augmentation:
        augmentation.make(**recipe.augmentation)
    # Label names that nobody has given are left to the loader, which knows what is there.
    images = {name: load_images(told, name, progress) for name in ("train", "val")}
    _require_labels(recipe, images["train"])
    return recipe, model, images


def _with_labels(recipe):
    """Return a recipe with the names of its labels, those of its data where it has none."""
    if recipe.label_names is not None:
        return recipe
    return replace(recipe, label_names=data.labels_of(recipe.data))


def _require_options(recipe):
    """Refuse arguments that what they are for does not take, before anything is loaded."""
    teacher = [n for n in inspect.signature(load_teacher).parameters if n not in NOT_OPTIONS]
    takers = {
        "loss_options": (recipe.loss, losses.option_names(recipe.loss)),
        "teacher_options": (load_teacher.__name__, teacher),
    }
    for field, (taker, known) in takers.items():
        for name in getattr(recipe, field):
            if name not in known:
                hint = did_you_mean(name, known) or f"It takes {', '.join(known) or 'none'}"
                raise ValueError(f"{field}: {taker} takes no {name!r}. {hint}")


def _require_labels(recipe, images):
    """Refuse images with other labels than the recipe's, or with one of which nothing is known."""
    if images.label_names != recipe.label_names:
        raise ValueError(
            f"the recipe's label_names are {', '.join(recipe.label_names)}, but {recipe.data} has "
            f"{', '.join(images.label_names)}. Leave label_names out to take those"
        )
    empty = np.flatnonzero(np.isnan(images.labels).all(axis=0))
    if len(empty) and recipe.objective != "masked_reconstruction":
        raise ValueError(
            f"of {images.label_names[empty[0]]!r} nothing is known in any training image of "
            f"{recipe.data}: its column is empty. Leave it out of label_names"
        )


def _common(recipe, images):
    """Return what processes that train together must have in common."""
    facts = {f"the recipe's {name}": value for name, value in recipe.to_dict().items()}
    for name in ELSEWHERE:
        del facts[f"the recipe's {name}"]
    facts |= {
        f"the SHA-256 of the {name}": total for name, total in _origins(recipe, "teacher").items()
    }
    facts |= {f"the fingerprint of the {name} images": s.fingerprint for name, s in images.items()}
    versions = environment()["versions"]
    return facts | {f"the version of {name}": versions[name] for name in ("xraylab", "keras")}


def _place(run):
    """Return what shows whether processes look into the same folder."""
    checkpoints = [path.name for path in list_checkpoints(run.checkpoints)]
    return {
        f"the beginning of the run in {run.path.name}": run.facts["begun"],
        f"the newest checkpoint in {run.path.name}": checkpoints[0] if checkpoints else None,
        f"the report in {run.path.name}": run.report and run.report["finished"],
    }


def _report(run, objective, images, state):
    """Write the report of a finished run."""
    told = told_in_words(run.path / "report.json", run.checkpoints)
    with distribute.undistributed(), told:
        write_report(run, objective, images, state)


def _with_precision(recipe, out):
    """Return a recipe with ``precision="auto"`` decided: as the run began, or by what is here."""
    if recipe.precision != "auto":
        return recipe
    try:
        return replace(recipe, precision=Run(out).recipe.precision)
    except FileNotFoundError:
        return replace(recipe, precision=fastest_precision())


def _begin(recipe, out, images, resume, cluster):
    """Begin a run, or open the one to be resumed after checking that it is the same."""
    fingerprints = {name: split.fingerprint for name, split in images.items()}
    try:
        run = Run(out) if cluster.writes else _wait_for_run(out)
    except FileNotFoundError:
        if not cluster.writes:
            raise
        _require_no_rest(Path(out))
        facts = {
            "recipe": recipe.to_dict(),
            "data": fingerprints,
            "origins": _origins(recipe, "teacher", "start_from"),
            "train_prevalence": prevalence(images["train"]),
            "commit": commit(),
            "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        path = Path(out) / "run.json"
        with told_in_words(path, Path(out) / "checkpoints"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, facts)
        return Run(out)
    if not resume and cluster.writes:
        raise FileExistsError(
            f"{run.path} already holds a run, begun {run.facts['begun']}. Add --resume "
            "(resume=True) to continue it, or choose another --out"
        )
    # Where the images lie may change, from machine to machine, as long as they are the same.
    changed = run.recipe.differences(recipe)
    for name in ELSEWHERE:
        changed.pop(name, None)
    if changed:
        listing = "; ".join(f"{name} was {old}, now {new}" for name, (old, new) in changed.items())
        raise ValueError(
            f"{run.path} was begun by another recipe: {listing}. Resume it as it was begun, or "
            "choose another --out"
        )
    if run.facts["data"] != fingerprints:
        raise ValueError(
            f"{run.path} was begun on other images: those of {recipe.data} have changed since "
            f"{run.facts['begun']}. Put the old ones back, or choose another --out"
        )
    # What the run started with no longer matters; what it still learns from does.
    taught_by = {} if run.report else _origins(recipe, "teacher")
    if taught_by != {name: run.facts["origins"][name] for name in taught_by}:
        raise ValueError(
            f"{run.path} was begun with another teacher than {recipe.teacher} is now. Put the old "
            "one back, or choose another --out"
        )
    return run


def _require_no_rest(out):
    """Refuse a folder with what is left of a run: it would pass for this one's."""
    left = [name for name in FILES if (out / name).exists()]
    if left:
        raise FileExistsError(
            f"{out}: its run.json is missing, but {', '.join(left)} of a run are there. Put "
            "run.json back, remove the rest of that run, or choose another --out"
        )


def _origins(recipe, *names):
    """Return SHA-256 sums of the weights that fields of a recipe name: teacher, start_from."""
    chosen = {"teacher": recipe.teacher_options.get("weights", "best"), "start_from": "best"}
    sums = {}
    for name in names:
        source = getattr(recipe, name)
        if source is not None:
            path = Path(source)
            path = Run(path).weights_file(chosen[name]) if path.is_dir() else path
            if not path.exists():
                raise FileNotFoundError(
                    f"{path}: the recipe's {name} is expected there, and there is nothing"
                )
            sums[name] = sha256(path)
    return sums


def _wait_for_run(out):
    """Return the run that the first process has begun in a folder that all can read."""
    deadline = time.monotonic() + FOLDER_SECONDS
    while not (Path(out) / "run.json").exists():
        if time.monotonic() > deadline:
            raise FileNotFoundError(
                f"{out}: the first process has begun a run there, and this one cannot see it. All "
                "processes need the same folder, on a disk that they share"
            )
        time.sleep(0.1)
    return Run(out)
