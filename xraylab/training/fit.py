"""``fit``: a named, resumable, recorded experiment around ``keras.Model.fit``.

Everything that determines the next step is part of the recipe or of the checkpoint: the order of
the images follows from (seed, epoch), and the states of dropout are variables of the model. A run
that was killed and resumed therefore ends with the same weights, bit for bit.
"""

import contextlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from xraylab.arguments import invalid_argument
from xraylab.backend import is_out_of_memory, reset_memory_peak
from xraylab.data import Split
from xraylab.io import remove_stale
from xraylab.training import distribution, recipes
from xraylab.training.batches import TrainingBatches, equal_parts
from xraylab.training.callbacks import Checkpointer, EvaluatedModel, OutOfMemory, Validation
from xraylab.training.checkpoint import explain_write_errors, read_newest_checkpoint
from xraylab.training.distribution import Cluster
from xraylab.training.interrupts import Interrupts
from xraylab.training.objectives import OBJECTIVES, compile_for_training
from xraylab.training.recipe import Recipe
from xraylab.training.report import write_report
from xraylab.training.run import Run, build_model, lock_run, write_weights
from xraylab.training.start import open_run, prepare

CHECKPOINT_SECONDS = 60.0
"""Time between two checkpoints within an epoch; there is one after every epoch in any case."""


def fit(
    recipe: Recipe | str,
    out: str | Path,
    *,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: bool = True,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    max_hours: float | None = None,
) -> Run:
    """Train a model by a recipe, and record everything about the training in one folder.

    Args:
        recipe: a :class:`Recipe`, or a name of :func:`list_recipes` or of a model.
        out: folder of the run; ``xraylab.training.run`` describes its files.
        resume: whether to continue the run in ``out``, if there is one. With a larger number of
            ``epochs`` than the run has, also a finished run continues: its learning rate then
            follows the schedule of the larger number, on which it is higher at this point.
        callbacks: Keras callbacks. Their logs contain the validation scores ``val_macro_auc`` and
            ``val_binary_crossentropy``, or ``val_masked_error``. They see the weights in training,
            not the average of ``ema``. Their state is not part of a checkpoint, and the rest of an
            epoch that is resumed in the middle is a separate ``Model.fit``. Training that they
            stop counts as finished.
        progress: whether to show progress.
        checkpoint_seconds: time between two checkpoints within an epoch.
        max_hours: time limit, counted from this call; training stops with a checkpoint before it
            is reached. None for no limit.

    Returns:
        The finished :class:`Run`.

    Raises:
        FileExistsError: if ``out`` holds a run and ``resume`` is false.
        ValueError: if ``out`` holds a run of another recipe or other images; and as
            :func:`xraylab.data.load` and :func:`xraylab.models.build`.
        RunLocked: if another process is training in ``out``.
        TrainingInterrupted: after Ctrl-C, SIGTERM or ``max_hours``, with a checkpoint written.
        TrainingDiverged: if the loss is no longer finite.
        OutOfMemory: if not even one image per device fits into memory.
        CheckpointError: if a file cannot be written, or none of the checkpoints can be read.
    """
    if max_hours is not None and not max_hours > 0:
        raise invalid_argument("max_hours", "a number above 0, or None for no limit", max_hours)
    interrupts = Interrupts(max_hours)
    cluster = distribution.join()
    reset_memory_peak()  # after joining, because it starts the backend
    recipe = recipes.find(recipe) if isinstance(recipe, str) else recipe
    out, progress = Path(out), progress and cluster.is_writer
    recipe, model, splits = prepare(recipe, out, progress)
    with contextlib.ExitStack() as stack:
        run = None
        if cluster.is_writer:
            with explain_write_errors(out / "run.json", out / "checkpoints"):
                out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock_run(out))
            run = open_run(recipe, out, splits, resume)
            for folder in (run.path, run.checkpoints):
                remove_stale(folder, seconds=0)
        cluster.wait()
        run = run or open_run(recipe, out, splits, resume=True)
        run.recipe = recipe  # its files may have moved since the run was started
        if not run.report:
            stack.enter_context(interrupts)
            options = {"callbacks": callbacks, "progress": progress}
            _train(run, model, splits, cluster, interrupts, checkpoint_seconds, **options)
    return run


def _train(
    run: Run,
    model: keras.Model,
    splits: dict[str, Split],
    cluster: Cluster,
    interrupts: Interrupts,
    checkpoint_seconds: float,
    **options: Any,
) -> None:
    """Train to the end; after running out of memory, continue with smaller micro-batches."""
    recipe = run.recipe
    micro_batches = recipe.accumulation
    objective = OBJECTIVES[recipe.objective](recipe, splits, run.path)
    while True:
        checkpoint = read_newest_checkpoint(run)
        if checkpoint:  # with the micro-batches that fitted into memory before
            micro_batches = max(micro_batches, checkpoint.state["micro_batches"])
        batches = TrainingBatches(objective, splits["train"], recipe, cluster, micro_batches)
        interrupts.validation_steps = math.ceil(len(splits["val"]) / batches.batch_size)
        validation = Validation(objective, splits["val"], EvaluatedModel(run, model))
        recorder = Checkpointer(batches, validation, interrupts, checkpoint_seconds)
        steps = recipe.epochs * batches.steps_per_epoch
        trained = compile_for_training(model, recipe, steps, objective, batches.micro_batches)
        recorder.set_model(trained)
        if checkpoint:
            recorder.restore(checkpoint)
        else:
            recorder.save()
        del checkpoint  # as large as model and optimizer together
        try:
            _run_epochs(recorder, **options)
            break
        except Exception as error:
            if isinstance(error, OutOfMemory) or not is_out_of_memory(error):
                raise
            micro_batches = _smaller_micro_batches(run, batches, error)
        # The failed step may have changed or consumed the weights.
        model = build_model(recipe)
    with recorder.evaluated.weights() as evaluated:
        recorder.write("last.weights.h5", write_weights, evaluated)
    with distribution.undistributed():
        recorder.write("report.json", write_report, run, objective, splits, recorder.state)


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
        if batches.num_batches:
            # Keras takes the same number of batches in all epochs of a fit.
            options = {"epochs": epoch + 1 if batches.start else epochs, "verbose": verbose}
            model.fit(batches, initial_epoch=epoch, callbacks=everyone, shuffle=False, **options)
        else:  # the run was stopped between the last step of an epoch and its validation
            listed = keras.callbacks.CallbackList(everyone, model=model)
            listed.on_train_begin()
            listed.on_epoch_begin(epoch)
            listed.on_epoch_end(epoch, model.get_metrics_result())
            listed.on_train_end()


def _smaller_micro_batches(run: Run, batches: TrainingBatches, error: Exception) -> int:
    """Return the next larger number of micro-batches, or raise an OutOfMemory."""
    former, images = batches.micro_batches, batches.images_per_device
    smaller = equal_parts(images, min(2 * former, images))
    if former >= images or batches.cluster.num_processes > 1:
        raise OutOfMemory(
            f"{run.recipe.model} at {run.recipe.size} px does not fit into memory with "
            f"{max(images // former, 1)} images per device. Use a smaller size or model, "
            "precision=mixed_float16 if the accelerator has it, or (with several processes) a new "
            f"run with accumulation={smaller}."
        ) from error
    print(
        f"Out of memory: each batch of {batches.batch_size} images is now processed in {smaller} "
        f"micro-batches of {batches.batch_size // smaller}. The gradient is the same, except "
        "through batch normalisation."
    )
    return smaller
