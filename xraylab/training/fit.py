"""``fit``: a named, resumable, recorded experiment around ``keras.Model.fit``.

Everything that determines the next step is part of the recipe or of the checkpoint: the order of
the images follows from (seed, epoch), and the states of dropout are variables of the model. A run
that was killed and resumed therefore ends with the same weights, bit for bit.
"""

import contextlib
import inspect
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras

from xraylab.arguments import did_you_mean, invalid_argument, require
from xraylab.backend import is_out_of_memory, reset_memory_peak
from xraylab.data import Split
from xraylab.io import remove_stale
from xraylab.training import distribution, recipes
from xraylab.training.batches import TrainingBatches
from xraylab.training.callbacks import Checkpointer, EvaluatedModel, Validation
from xraylab.training.checkpoint import read_newest_checkpoint
from xraylab.training.distribution import Cluster
from xraylab.training.interrupts import Interrupts
from xraylab.training.objectives import OBJECTIVES, compile_for_training
from xraylab.training.recipe import Recipe
from xraylab.training.report import write_report
from xraylab.training.run import Run, lock_run, write_weights
from xraylab.training.start import open_run, prepare


class OutOfMemory(RuntimeError):
    """A training step or a validation does not fit into memory."""


class _DeferredLogs(keras.callbacks.CallbackList):
    """A list of callbacks that receive the logs of a batch as tensors.

    Keras' own list converts them to numbers after each step, and so waits for the device.
    """

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Call the callbacks."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)


def _reads_batches(callback: keras.callbacks.Callback) -> bool:
    """Return whether a callback has a method that receives the logs of a training batch."""
    names = ("on_batch_end", "on_train_batch_end")
    plain = [getattr(keras.callbacks.Callback, name) for name in names]
    return [getattr(getattr(callback, name), "__func__", None) for name in names] != plain


def fit(
    recipe: Recipe | str,
    out: str | Path,
    *,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: bool = True,
    checkpoint_seconds: float = 60.0,
    max_hours: float | None = None,
    **changes: Any,
) -> Run:
    """Train a model by a recipe, and record everything about the training in one folder.

    Args:
        recipe: a :class:`Recipe`, or a name of :func:`list_recipes` or of a model.
        out: folder of the run; ``xraylab.training.run`` describes its files.
        resume: whether to continue the run in ``out``, if there is one. With a larger number of
            ``epochs`` than the run has, also a finished run continues: its learning rate then
            follows the schedule of the larger number, on which it is higher at this point.
        callbacks: Keras callbacks. Their logs contain the validation scores
            ``val_binary_crossentropy``, ``val_macro_auc``, ``val_micro_auc`` and ``val_macro_f1``,
            or ``val_masked_error``, but no ``val_loss``; the AUCs and F1 are monitored with
            ``mode="max"``, as in ``EarlyStopping("val_macro_auc", mode="max")``. They see the
            weights in training, not the average of ``ema``. One that receives the logs of batches
            makes training wait for the device in each step. Their state is not part of a
            checkpoint, and the rest of an epoch that is resumed in the middle is a separate
            ``Model.fit``. Training that they stop counts as finished.
        progress: whether to show progress.
        checkpoint_seconds: time between two checkpoints within an epoch; there is one after every
            epoch in any case.
        max_hours: time limit, counted from this call; training stops with a checkpoint after the
            step or the validation in which it passes. None for no limit.
        changes: fields of the recipe and their new values, as ``epochs=1``.

    Returns:
        The finished :class:`Run`.

    Raises:
        FileExistsError: if ``out`` holds a run and ``resume`` is false.
        ValueError: if ``out`` holds a run of another recipe, images or teacher; if
            ``EarlyStopping`` monitors ``val_loss`` or restores the best weights; and as
            :func:`get_recipe`, :func:`xraylab.data.load` and :func:`xraylab.models.build`.
        RunLocked: if another process is training in ``out``.
        TrainingInterrupted: after Ctrl-C, SIGTERM or ``max_hours``, with a checkpoint written.
        TrainingDiverged: if the loss is no longer finite.
        OutOfMemory: if a batch does not fit into memory.
        CheckpointError: if none of the checkpoints can be read.
        OSError: if a file of the run cannot be written; the last checkpoint is unchanged.
    """
    require(max_hours is None or max_hours > 0, "max_hours", "a number above 0", max_hours)
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.EarlyStopping):  # it would never stop
            hint = 'Pass EarlyStopping("val_macro_auc", mode="max"), or "val_masked_error".'
            known = callback.monitor != "val_loss"
            require(known, "callbacks", "a monitor in the logs", "monitor='val_loss'", hint)
            hint = "The run keeps the best weights itself, in best.weights.h5."
            restores = callback.restore_best_weights
            require(not restores, "callbacks", "restore_best_weights=False", "True", hint)
    interrupts = Interrupts(max_hours)
    cluster = distribution.join()
    reset_memory_peak()  # after joining, because it starts the backend
    recipe = recipes.find(recipe) if isinstance(recipe, str) else recipe
    hint = "A model that is built already is trained by its own compile and fit."
    expected = 'a name, as "rr_vit", or a training.Recipe'
    require(isinstance(recipe, Recipe), "recipe", expected, repr(recipe), hint)
    for name, value in changes.items():
        if name not in Recipe.model_fields:
            hint = did_you_mean(name, (*Recipe.model_fields, *inspect.signature(fit).parameters))
            hint = hint or f"The fields are {', '.join(Recipe.model_fields)}"
            expected = "an argument of fit or a field of training.Recipe"
            raise invalid_argument(name, expected, f"{name}={value!r}", hint)
    recipe = recipe.replace(**changes)
    out, progress = Path(out), progress and cluster.is_writer
    recipe, model, splits = prepare(recipe, out, progress)
    compiled = partial(_compile, recipe, model, splits, cluster, progress)
    with contextlib.ExitStack() as stack:
        first = run = None
        if not (out / "run.json").exists():
            stack.enter_context(interrupts)
            first = compiled()  # a recipe with invalid options must not leave a folder
        if cluster.is_writer:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock_run(out))
            run = open_run(recipe, out, splits, resume)
            for folder in (run.path, run.checkpoints):
                remove_stale(folder, seconds=0)
        cluster.wait()
        run = run or open_run(recipe, out, splits, resume=True)
        run.recipe = recipe  # its files may have moved since the run was started
        if not run.report:
            if first is None:
                stack.enter_context(interrupts)
                first = compiled()
            options = {"callbacks": callbacks, "progress": progress}
            batches, trained = first
            validation = Validation(batches.objective, splits["val"], EvaluatedModel(run, model))
            recorder = Checkpointer(batches, validation, interrupts, checkpoint_seconds)
            recorder.set_model(trained)
            _train(recorder, splits, **options)
    return run


def _compile(
    recipe: Recipe, model: keras.Model, splits: dict[str, Split], cluster: Cluster, progress: bool
) -> tuple[TrainingBatches, keras.Model]:
    """Return the batches of a recipe, and the compiled model to fit to them."""
    objective = OBJECTIVES[recipe.objective](recipe, splits, progress)
    batches = TrainingBatches(objective, splits["train"], recipe, cluster)
    steps = recipe.epochs * batches.steps_per_epoch
    return batches, compile_for_training(model, recipe, steps, objective, batches.micro_batches)


def _train(recorder: Checkpointer, splits: dict[str, Split], **options: Any) -> None:
    """Train from the newest checkpoint to the end, and write the last weights and the report."""
    run, batches = recorder.run, recorder.batches
    if checkpoint := read_newest_checkpoint(run):
        recorder.restore(checkpoint)
    else:
        recorder.save()
    del checkpoint  # as large as model and optimizer together
    try:
        _run_epochs(recorder, **options)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"{run.recipe.model} at {run.recipe.size} px does not fit into memory with "
            f"{batches.batch_size // batches.micro_batches} images at once. Start a new run with "
            f"accumulation={2 * batches.micro_batches}, or use a smaller size or model."
        ) from error
    with recorder.evaluated.current() as evaluated:
        recorder.write("last.weights.h5", write_weights, evaluated)
    recorder.write("report.json", write_report, run, splits, recorder.state)


def _run_epochs(
    recorder: Checkpointer, callbacks: Sequence[keras.callbacks.Callback], progress: bool
) -> None:
    """Train the epochs that remain."""
    model, batches, epochs = recorder.model, recorder.batches, recorder.run.recipe.epochs
    everyone = [recorder.validation, *callbacks, recorder]
    verbose = 0 if not progress else 1 if sys.stdout.isatty() else 2
    model.stop_training = False
    while (epoch := len(recorder.state["history"])) < epochs and not model.stop_training:
        batches.start = recorder.state["epoch_step"]
        # Keras takes the same number of batches in all epochs of a fit.
        options = {"epochs": epoch + 1 if batches.start else epochs, "verbose": verbose}
        listed = everyone
        if not any(map(_reads_batches, callbacks)):
            parts = {"add_history": True, "add_progbar": progress, "steps": batches.num_batches}
            listed = _DeferredLogs(everyone, model=model, **parts, **options)
        model.fit(batches, initial_epoch=epoch, callbacks=listed, shuffle=False, **options)
