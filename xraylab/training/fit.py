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

from xraylab.backend import is_out_of_memory, reset_memory_peak
from xraylab.data import Split
from xraylab.io import remove_stale
from xraylab.training import distribution, recipes
from xraylab.training.batches import TrainingBatches
from xraylab.training.callbacks import (
    Checkpointer,
    EvaluatedModel,
    OutOfMemory,
    Validation,
    WeightAverage,
)
from xraylab.training.checkpoint import (
    Checkpoint,
    explain_write_errors,
    read_newest_checkpoint,
    restore,
    training_variables,
)
from xraylab.training.distribution import Cluster
from xraylab.training.interrupts import StopRequest, TimeLimit
from xraylab.training.objectives import OBJECTIVES, compile_for_training
from xraylab.training.recipe import Recipe
from xraylab.training.report import write_report
from xraylab.training.run import Run, lock_run, weights_facts, write_weights
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
            not the average of ``ema``. Their own state is not part of a checkpoint, and an epoch
            that is resumed in the middle is a ``Model.fit`` of its own for them. Training that
            they stop counts as finished.
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
        raise ValueError(
            f"Invalid argument max_hours. Expected: a number above 0, or None for no limit. "
            f"Received: {max_hours}."
        )
    time_limit = TimeLimit(max_hours)
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
        if not run.report:
            stop = stack.enter_context(StopRequest())
            training = _Training(run, model, splits, cluster, stop, time_limit, checkpoint_seconds)
            training.run_epochs(callbacks, progress)
            training.finish()
    return run


class _Training:
    """The objects of a training: model, batches, callbacks and state."""

    def __init__(
        self,
        run: Run,
        model: keras.Model,
        splits: dict[str, Split],
        cluster: Cluster,
        stop: StopRequest,
        time_limit: TimeLimit,
        checkpoint_seconds: float,
    ):
        recipe = run.recipe
        self.run, self.model, self.splits, self.cluster = run, model, splits, cluster
        self.objective = OBJECTIVES[recipe.objective](recipe, splits, run.path)
        self.batches = TrainingBatches(self.objective, splits["train"], recipe, cluster)
        cluster.require_batch(self.batches.batch_size)
        time_limit.validation_steps = math.ceil(len(splits["val"]) / self.batches.batch_size)
        checkpoint = read_newest_checkpoint(run)
        self.state: dict[str, Any] = {
            "step": 0,
            "epoch_step": 0,
            "micro_batches": 1,
            "seconds": 0.0,
            "history": [],
            "best": None,
        }
        self.average = WeightAverage(model, recipe.ema) if recipe.ema else None
        self.evaluated = EvaluatedModel(run, model, self.average)
        self.validation = Validation(self.objective, splits["val"], self.evaluated)
        self.recorder = Checkpointer(
            run, self.state, self.batches, self.validation, cluster, stop, time_limit,
            checkpoint_seconds,
        )  # fmt: skip
        # A run that has run out of memory continues with the micro-batches that fit.
        former = checkpoint.state["micro_batches"] if checkpoint else 1
        self._compile(
            equal_parts(
                self.batches.batch_size // cluster.num_devices, max(recipe.accumulation, former)
            )
        )
        if checkpoint:
            self._restore(checkpoint)
        else:
            self.recorder.save()

    def run_epochs(self, callbacks: Sequence[keras.callbacks.Callback], progress: bool) -> None:
        """Train the epochs that remain."""
        epochs = self.run.recipe.epochs
        callbacks = [self.validation, *callbacks, self.recorder]
        verbose = 0 if not progress else 1 if sys.stdout.isatty() else 2
        self.trained.stop_training = False
        while (epoch := len(self.state["history"])) < epochs and not self.trained.stop_training:
            self.batches.start = self.state["epoch_step"]
            try:
                if self.batches.num_batches:
                    self.trained.fit(
                        self.batches,
                        initial_epoch=epoch,
                        # Keras takes the same number of batches in all epochs of a fit.
                        epochs=epoch + 1 if self.batches.start else epochs,
                        callbacks=callbacks,
                        shuffle=False,
                        verbose=verbose,
                    )
                else:  # the run was stopped between the last step of an epoch and its validation
                    everyone = keras.callbacks.CallbackList(callbacks, model=self.trained)
                    everyone.on_train_begin()
                    everyone.on_epoch_end(epoch, self.trained.get_metrics_result())
                    everyone.on_train_end()
            except Exception as error:
                if isinstance(error, OutOfMemory) or not is_out_of_memory(error):
                    raise
                self._use_smaller_micro_batches(error)

    def finish(self) -> None:
        """Write the final weights and the report."""
        with self.evaluated.weights() as model:
            self.recorder.write(write_weights, "last.weights.h5", model)
        with distribution.undistributed():
            self.recorder.write(
                lambda path, state: write_report(self.run, self.objective, self.splits, state),
                "report.json",
                self.state,
            )

    def _compile(self, micro_batches):
        """Create losses and optimizer for a number of micro-batches per step."""
        self.batches.micro_batches = self.state["micro_batches"] = micro_batches
        total_steps = self.run.recipe.epochs * self.batches.steps_per_epoch
        self.trained = compile_for_training(
            self.model, self.run.recipe, total_steps, self.objective, micro_batches
        )
        self.recorder.set_model(self.trained)

    def _restore(self, checkpoint: Checkpoint):
        """Continue from a checkpoint, also one written with other micro-batches."""
        restore(checkpoint, training_variables(self.trained, self.average))
        former, current = checkpoint.state["micro_batches"], self.batches.micro_batches
        for variable in self.trained.optimizer.variables:
            if variable.name == "iteration":  # Keras counts micro-batches
                variable.assign(int(variable) // former * current)
        self.state.update(checkpoint.state, micro_batches=current)
        metrics = self.trained.metrics_variables
        self.recorder.metrics = [keras.ops.convert_to_numpy(v) for v in metrics]
        self.recorder.newest = checkpoint.path
        # After a kill between writing the best weights and the checkpoint.
        facts, best = weights_facts(self.run.path / "best.weights.h5"), self.state["best"]
        if facts and (best is None or facts["monitor_value"] > best["monitor_value"]):
            self.state["best"] = facts

    def _use_smaller_micro_batches(self, error):
        """After running out of memory, continue from the newest checkpoint with smaller ones."""
        images, former = self.batches.batch_size, self.batches.micro_batches
        share = images // self.cluster.num_devices
        if former >= share or self.cluster.num_processes > 1:
            raise OutOfMemory(
                f"{self.run.recipe.model} at {self.run.recipe.size} px does not fit into memory "
                f"with {max(share // former, 1)} images per device. Use a smaller size or model, "
                "precision=mixed_float16 if the accelerator has it, or (with several processes) a "
                f"new run with accumulation={equal_parts(share, min(2 * former, share))}."
            ) from error
        checkpoint = read_newest_checkpoint(self.run)
        # On JAX the failed step has consumed the weights, which a new optimizer needs.
        restore(checkpoint, training_variables(self.trained, self.average))
        self._compile(equal_parts(share, 2 * former))
        self._restore(checkpoint)
        print(
            f"Out of memory: each batch of {images} images is now processed in "
            f"{self.batches.micro_batches} micro-batches of {images // self.batches.micro_batches}."
            " The gradient is the same, except through batch normalization."
        )


def equal_parts(batch_size: int, minimum: int) -> int:
    """Return the smallest number of equal parts of a batch that is at least ``minimum``."""
    candidates = range(min(minimum, batch_size), batch_size + 1)
    return next(number for number in candidates if batch_size % number == 0)
