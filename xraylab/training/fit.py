"""Training that can be stopped at any moment and comes out the same.

Everything that decides the next step lies either in the recipe or in the checkpoint: the order of
the films follows from (seed, epoch), the random numbers of the dropout are variables of the model.
A run that was killed and resumed therefore takes the very steps it would have taken.
"""

from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np

from xraylab import data
from xraylab.data.files import make_folder, sweep
from xraylab.findings import FINDINGS
from xraylab.training.loop import Loop
from xraylab.training.report import write_report
from xraylab.training.run import Run, build_model, write_json, write_weights

CHECKPOINT_SECONDS = 60.0
"""Time between two checkpoints within an epoch; there is one after every epoch in any case."""


def fit(recipe, out, *, resume=False, progress=True, checkpoint_seconds=CHECKPOINT_SECONDS):
    """Train a model by a recipe, and leave everything about it in one folder.

    Args:
        recipe: a :class:`xraylab.training.Recipe`.
        out: folder of the run; see :mod:`xraylab.training.run` for what it will hold.
        resume: whether to continue a run that was begun there by the same recipe. Where none was
            begun, it begins one, so that the same command can simply be repeated.
        progress: whether to show progress.
        checkpoint_seconds: time between two checkpoints within an epoch.

    Returns:
        The finished :class:`xraylab.training.Run`.

    Raises:
        FileExistsError: if ``out`` holds a run and ``resume`` is false.
        ValueError: if ``out`` holds a run of another recipe or other films; and as
            :func:`xraylab.data.load` and :func:`xraylab.models.build`.
        TrainingInterrupted: on Ctrl-C or SIGTERM, after a checkpoint was written.
        TrainingDiverged: if the loss is no longer finite.
    """
    # The model first: a recipe that cannot be built must cost no download and leave no folder.
    keras.utils.set_random_seed(recipe.seed)
    model = build_model(recipe)
    films = {name: _load(recipe, name, progress) for name in ("train", "val")}
    run = _begin(recipe, out, films, resume)
    if run.report:
        return run
    sweep(run.path)
    sweep(run.checkpoints)
    state = Loop(run, model, films, progress, checkpoint_seconds).go()
    write_weights(run.path / "last.weights.h5", model)
    write_report(run, films, state)
    return run


def _load(recipe, split, progress):
    """Load one split of a recipe's data."""
    options = {"num_films": recipe.num_films} if split == "train" else {}
    return data.load(
        recipe.data,
        size=recipe.size,
        split=split,
        # Not naming the findings lets the loader say that they are only its default.
        label_names=None if recipe.label_names == FINDINGS else recipe.label_names,
        progress=progress,
        **options,
    )


def _begin(recipe, out, films, resume):
    """Begin a run, or open the one to be resumed after checking that it is the same."""
    fingerprints = {name: split.fingerprint for name, split in films.items()}
    try:
        run = Run(out)
    except FileNotFoundError:
        write_json(
            make_folder(Path(out)) / "run.json",
            {
                "recipe": recipe.to_dict(),
                "data": fingerprints,
                "train_prevalence": np.mean(films["train"].labels, axis=0).tolist(),
                "begun": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )
        return Run(out)
    if not resume:
        raise FileExistsError(
            f"{run.path} already holds a run, begun {run.facts['begun']}. Add --resume "
            "(resume=True) to continue it, or choose another --out"
        )
    # Where the films lie may change, from machine to machine, as long as they are the same.
    changed = run.recipe.differences(recipe)
    changed.pop("data", None)
    if changed:
        listing = "; ".join(f"{name} was {old}, now {new}" for name, (old, new) in changed.items())
        raise ValueError(
            f"{run.path} was begun by another recipe: {listing}. Resume it as it was begun, or "
            "choose another --out"
        )
    if run.facts["data"] != fingerprints:
        raise ValueError(
            f"{run.path} was begun on other films: those of {recipe.data} have changed since "
            f"{run.facts['begun']}. Put the old ones back, or choose another --out"
        )
    return run
