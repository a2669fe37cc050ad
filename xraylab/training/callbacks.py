"""Keras callbacks of a run: validation, checkpoints, history and the best weights."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from xraylab.backend import compiled
from xraylab.data import Split
from xraylab.io import write_json
from xraylab.training.batches import TrainingBatches
from xraylab.training.checkpoint import Checkpoint, restore, save_checkpoint, training_variables
from xraylab.training.distribution import undistributed
from xraylab.training.interrupts import Interrupts, TrainingInterrupted
from xraylab.training.run import Run, build_model, write_weights

CHECK_STEPS = 10
"""Steps between two checks that wait for the device or for the other processes of a cluster."""


class TrainingDiverged(RuntimeError):
    """The loss or a weight is no longer finite."""


class WeightAverage:
    """An exponential moving average of all floating-point variables of a model.

    After each step, average ← d · average + (1 - d) · weights. After t steps it still contains the
    fraction d^t ≈ exp(-(1 - d)·t) of the initial weights. A warm-up bounds d by
    (1 + step) / (10 + step), which reduces this fraction quickly. The ``use_ema`` of Keras'
    optimizers has no warm-up, omits batch-normalisation statistics, and counts micro-batches as
    steps.

    Args:
        model: a built model; the average starts at its weights.
        decay: d, in (0, 1).
        warmup: whether d is bounded during the first steps.

    References: Polyak and Juditsky 1992 (``polyak1992``); the bound is that of TensorFlow's
    ``ExponentialMovingAverage``.
    """

    def __init__(self, model: keras.Model, decay: float, warmup: bool = False):
        self.decay, self.warmup = decay, warmup
        self._live = [v for v in model.variables if keras.backend.is_float_dtype(v.dtype)]
        self.variables = [
            keras.Variable(_copy(v), dtype=v.dtype, trainable=False) for v in self._live
        ]
        self._blend = compiled(_blend)

    def update(self, step: int) -> None:
        """Update the average with the current weights.

        Args:
            step: number of optimizer steps taken, at least 1.
        """
        bound = (1 + step) / (10 + step) if self.warmup else 1.0
        decay = np.array(min(self.decay, bound), dtype="float32")
        averages = [variable.value for variable in self.variables]
        weights = [variable.value for variable in self._live]
        for variable, value in zip(
            self.variables, self._blend(averages, weights, decay), strict=True
        ):
            variable.assign(value)


def _copy(variable: keras.Variable) -> np.ndarray:
    """Copy the values of a variable, whose memory the next training step may overwrite."""
    return np.array(ops.convert_to_numpy(variable))


def _blend(averages: list, weights: list, decay: Any) -> list:
    """Compute the next averages."""
    return [
        average * ops.cast(decay, average.dtype) + weight * ops.cast(1 - decay, average.dtype)
        for average, weight in zip(averages, weights, strict=True)
    ]


class EvaluatedModel:
    """The model that is validated and saved: with averaged weights if the recipe has them.

    On several devices, it is a copy on one of them.

    Args:
        run: the run.
        model: the model in training.
    """

    def __init__(self, run: Run, model: keras.Model):
        self.run, self.model = run, model
        decay, warmup = run.recipe.ema, run.recipe.ema_warmup
        self.average = WeightAverage(model, decay, warmup) if decay else None
        self._replica: keras.Model | None = None

    @contextlib.contextmanager
    def current(self) -> Iterator[keras.Model]:
        """Yield the model with its present weights, or their average."""
        if self.average is None and keras.distribution.distribution() is None:
            yield self.model
            return
        averages = iter(self.average.variables if self.average else ())
        sources = [
            next(averages, v) if keras.backend.is_float_dtype(v.dtype) else v
            for v in self.model.variables
        ]
        with undistributed():
            self._replica = replica = self._replica or build_model(self.run.recipe)
            for own, source in zip(replica.variables, sources, strict=True):
                own.assign(np.asarray(ops.convert_to_numpy(source)))
            yield replica


class Validation(keras.callbacks.Callback):
    """Validate the model at the end of each epoch, and add the scores to the logs.

    The scores use exact ranks, not the histogram of :class:`xraylab.metrics.MacroAUC`, so that the
    best epoch is chosen by the score that the run's report states.

    Args:
        objective: an objective of ``xraylab.training.objectives``.
        split: the validation images.
        evaluated: the model to validate.

    Attributes:
        monitor_value: value of the last epoch; the epoch that maximizes it is the best.
    """

    def __init__(self, objective: Any, split: Split, evaluated: EvaluatedModel):
        super().__init__()
        self.objective, self.split, self.evaluated = objective, split, evaluated
        self.monitor_value = -math.inf

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Validate the model."""
        with self.evaluated.current() as model:
            scores, self.monitor_value = self.objective.validate(model, self.split)
        if logs is not None:
            logs |= scores


class Checkpointer(keras.callbacks.Callback):
    """Write the files of a run, so that it can stop after any step and continue exactly.

    After each step, it stops training on a signal or at the time limit; after the last step of an
    epoch, only when the epoch is validated. In a cluster, it does so every :data:`CHECK_STEPS`
    steps. As often, and before every checkpoint, it stops training if the loss is not finite. The
    running mean of the loss stays so until the end of the epoch, so that no step is missed.

    It writes a checkpoint every ``checkpoint_seconds`` and after each epoch, when it also writes
    the history and, if the epoch is the best so far, its weights.

    Args:
        batches: the training batches.
        validation: the callback that validates; it must come before this one.
        interrupts: signals and the time limit.
        checkpoint_seconds: time between two checkpoints within an epoch.

    Attributes:
        state: JSON values. ``step`` and ``epoch_step`` count the optimizer steps of the run and of
            the epoch; ``seconds`` is the time spent; ``history`` has a dict for each epoch;
            ``best`` has the ``epoch`` (from 1) with the highest ``monitor_value``, or is None.
        newest: path of the newest checkpoint; None before the first.

    Raises:
        TrainingInterrupted: on a signal or at the time limit, after a checkpoint is written.
        TrainingDiverged: if a loss, score or variable is not finite; no checkpoint is written.
    """

    def __init__(
        self,
        batches: TrainingBatches,
        validation: Validation,
        interrupts: Interrupts,
        checkpoint_seconds: float,
    ):
        super().__init__()
        self.batches, self.validation, self.evaluated = batches, validation, validation.evaluated
        self.run, self.cluster = self.evaluated.run, batches.cluster
        self.interrupts, self.checkpoint_seconds = interrupts, checkpoint_seconds
        self.state: dict[str, Any] = {
            "step": 0, "epoch_step": 0, "seconds": 0.0, "history": [], "best": None,
        }  # fmt: skip
        self.newest: Path | None = None
        self._metrics: list[np.ndarray] = []
        self._counted = self._saved = time.monotonic()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore the variables and the state from a checkpoint."""
        restore(checkpoint, training_variables(self.model, self.evaluated.average))
        self.state, self.newest = checkpoint.state, checkpoint.path
        self._metrics = [_copy(v) for v in self.model.metrics_variables]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Select the epoch's batches; in a resumed epoch, restore the running means."""
        self.batches.epoch = epoch
        if self.state["epoch_step"]:
            # Keras resets the metrics before this call.
            for variable, value in zip(self.model.metrics_variables, self._metrics, strict=True):
                variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count a step, and check the loss, save or stop if due."""
        if (batch + 1) % self.batches.micro_batches:
            return
        self.state["step"] += 1
        self.state["epoch_step"] += 1
        check = self.state["step"] % CHECK_STEPS == 0
        if check:
            self._require_finite("loss", ops.convert_to_numpy((logs or {})["loss"]))
        if self.evaluated.average:
            self.model  # noqa: B018 - on JAX, this property updates the model's variables
            self.evaluated.average.update(self.state["step"])
        if self.state["epoch_step"] == self.batches.steps_per_epoch:
            self._finite_arrays()  # metrics refuse the predictions of a weight that is not finite
            return  # validation follows, then a checkpoint
        if check or self.cluster.num_processes == 1:
            self._stop_if_due()
        if time.monotonic() - self._saved > self.checkpoint_seconds:
            self.save()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the history, the best weights and a checkpoint."""
        value = self.validation.monitor_value
        self._require_finite("validation score", value)
        self._count_seconds()
        self.state["epoch_step"] = 0
        row = {"epoch": epoch + 1, "step": self.state["step"], **(logs or {})}
        self.state["history"].append(row | {"seconds": self.state["seconds"]})
        best = self.state["best"]
        if best is None or value > best["monitor_value"]:
            self.state["best"] = {"epoch": epoch + 1, "monitor_value": value}
            with self.evaluated.current() as model:
                self.write("best.weights.h5", write_weights, model)
        self.write("history.json", write_json, self.state["history"])
        self.save()
        self._stop_if_due(saved=True)

    def save(self) -> None:
        """Write a checkpoint, provided that all its values are finite."""
        self._saved = time.monotonic()
        arrays = self._finite_arrays()
        self._count_seconds()
        if self.cluster.is_writer:
            self.newest = save_checkpoint(self.run.checkpoints, arrays, self.state)

    def write(self, name: str, write: Callable[..., None], *content: Any) -> None:
        """Call ``write(path, *content)`` for a file of the run, in one process of the cluster."""
        if self.cluster.is_writer:
            write(self.run.path / name, *content)

    def _stop_if_due(self, saved: bool = False) -> None:
        """Stop on a signal, or if the time limit has passed; write a checkpoint first."""
        signaled = self.interrupts.signaled
        if self.cluster.any(signaled or self.interrupts.out_of_time):
            signaled = self.cluster.any(signaled)
            if not saved:
                self.save()
            self.cluster.wait()
            raise TrainingInterrupted(self.run.path, self.state["step"], not signaled)

    def _finite_arrays(self) -> dict[str, np.ndarray]:
        """Copy the variables of the training; raise TrainingDiverged unless they are finite."""
        variables = training_variables(self.model, self.evaluated.average)
        arrays = {name: _copy(variable) for name, variable in variables.items()}
        for name, values in arrays.items():
            self._require_finite(f"state of the {name.split('/')[0]}", values)
        return arrays

    def _require_finite(self, name: str, values: Any) -> None:
        """Raise TrainingDiverged unless all values are finite."""
        if not np.isfinite(values).all():
            raise TrainingDiverged(
                f"{self.run.path}: the {name} is not finite after step {self.state['step']}. "
                f"Train again with a learning rate below {self.run.recipe.learning_rate}, or clip "
                f"the gradients. The last good checkpoint is {self.newest}"
            )

    def _count_seconds(self) -> None:
        """Add the time since the last call to the run's seconds."""
        former, self._counted = self._counted, time.monotonic()
        self.state["seconds"] += self._counted - former
