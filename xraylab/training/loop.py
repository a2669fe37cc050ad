"""The training loop, and its place in the data, which is what a checkpoint stores."""

import contextlib
import functools
import math
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
from tqdm import tqdm

from xraylab.backend import is_out_of_memory
from xraylab.data import epoch_order, take
from xraylab.io import progress_bar
from xraylab.training.augmentation import step_seed
from xraylab.training.checkpoint import (
    read_newest_checkpoint,
    restore,
    save_checkpoint,
    snapshot,
    told_in_words,
)
from xraylab.training.compile import compile_model
from xraylab.training.distribute import undistributed
from xraylab.training.interrupt import Deadline, StopRequest, TrainingInterrupted
from xraylab.training.memory import fewer_images, told_if_judging_does_not_fit, whole_parts
from xraylab.training.optimizer import WeightAverage, end_batch, recount
from xraylab.training.report import describe_epoch
from xraylab.training.run import build_model, weights_facts, write_json, write_weights


class TrainingDiverged(RuntimeError):
    """The loss or a weight is no longer a number."""


class Loop:
    """Trains a model by the recipe of a run, from the run's newest checkpoint on.

    Args:
        run: the :class:`xraylab.training.Run`.
        model: the recipe's model with the weights it starts from.
        objective: one of :mod:`xraylab.training.objectives`.
        images: the splits by name.
        cluster: this process's :class:`xraylab.training.distribute.Cluster`.
        progress: whether to show progress.
        checkpoint_seconds: time between two checkpoints within an epoch.
        deadline: moment of ``time.monotonic()`` at which training must have stopped, or None.

    Raises:
        CheckpointError: if the run has got somewhere, but no checkpoint of it can be read.
        ValueError: if its checkpoint belongs to a model of another shape.
    """

    def __init__(
        self, run, model, objective, images, cluster, progress, checkpoint_seconds, deadline
    ):
        self.run, self.model = run, model
        self.objective, self.images = objective, images
        self.cluster, self.progress = cluster, progress and cluster.writes
        self.checkpoint_seconds = checkpoint_seconds
        recipe = run.recipe
        # Only whole batches, except where the images do not fill one.
        self.batch_size = min(recipe.batch_size, len(images["train"]))
        cluster.require_batch(self.batch_size)
        self.steps_per_epoch = len(images["train"]) // self.batch_size
        self._judge = None
        self._good = None  # path of the checkpoint that the run stands on
        # Judging is faster than training, image by image.
        self._deadline = Deadline(deadline, math.ceil(len(images["val"]) / self.batch_size))
        saved = read_newest_checkpoint(run)
        self.average = WeightAverage(self.model, recipe.ema) if recipe.ema else None
        # A run that was once out of memory goes on in the parts that did fit.
        parts = max(recipe.accumulation, saved.state["parts"] if saved else 1)
        self._compile(whole_parts(self.batch_size // cluster.num_devices, parts))
        self.state = {
            "step": 0,
            "seconds": 0.0,
            "loss_sums": {},
            "history": [],
            "best": None,
            "parts": self.parts,
        }
        if saved:
            self._restore(saved)

    def go(self):
        """Take all the steps that are left and return the state at the end."""
        self._clock = self._saved = time.monotonic()
        if self._good is None:
            self._checkpoint()
        epochs = self.run.recipe.epochs
        with StopRequest() as stop, ThreadPoolExecutor(max_workers=1) as reader:
            while (epoch := len(self.state["history"])) < epochs:
                try:
                    losses = self._epoch(epoch, stop, reader)
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    self._cut_batches(error)
                else:
                    self._validate(epoch, losses)
                    last = epoch + 1 == epochs
                    # After the last epoch, what is left to do is to judge the best weights.
                    self._stop_if_due(stop, "judging" if last else "step", saved=True)
        return self.state

    def _epoch(self, epoch, stop, reader):
        """Train over the rest of one epoch and return its mean losses."""
        first = self.state["step"] - epoch * self.steps_per_epoch
        order = epoch_order(len(self.images["train"]), self.run.recipe.seed, epoch)
        steps = range(first, self.steps_per_epoch)
        # The next batch is read and changed while the step before it runs.
        batch = reader.submit(self._read, order, epoch, first) if steps else None
        with progress_bar(
            self.progress,
            iterable=steps,
            initial=first,
            total=self.steps_per_epoch,
            desc=f"epoch {epoch + 1}/{self.run.recipe.epochs}",
            unit="step",
        ) as bar:
            for number in bar:
                began = time.monotonic()
                inputs, targets = batch.result()
                last = number + 1 == self.steps_per_epoch
                if not last:
                    batch = reader.submit(self._read, order, epoch, number + 1)
                loss = self._step(inputs, targets)
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                self._deadline.note("step" if self._is_compiled else "first step", began)
                self._is_compiled = True
                self._stop_if_due(stop, "judging" if last else "step")
                if time.monotonic() - self._saved > self.checkpoint_seconds:
                    self._checkpoint()
        sums, self.state["loss_sums"] = self.state["loss_sums"], {}
        return {name: value / self.steps_per_epoch for name, value in sums.items()}

    def _read(self, order, epoch, number):
        """Return what one step gives the model and asks of it."""
        rows = order[number * self.batch_size : (number + 1) * self.batch_size]
        rows = self.cluster.share(rows, self.parts)
        images, labels = take(self.images["train"], rows)
        step = epoch * self.steps_per_epoch + number
        # Processes change their images each in its own way; one alone counts the steps.
        place = step * self.cluster.num_processes + self.cluster.rank
        return self.objective.batch(images, labels, rows, step_seed(self.run.recipe.seed, place))

    def _step(self, inputs, targets):
        """Take one step and return its loss."""
        if self.parts > 1:
            targets = self.objective.shared(targets, self.parts / self.cluster.num_processes)
        targets = {name: targets[name] for name in self.trained}
        if len(targets) == 1:
            (targets,) = targets.values()
        sums, size = self.state["loss_sums"], len(inputs) // self.parts
        total = 0.0
        for part in range(self.parts):
            rows = slice(part * size, (part + 1) * size)
            # Keras versions differ in whether this call starts its means anew; so start them here.
            self.model.reset_metrics()
            logs = self.model.train_on_batch(
                inputs[rows],
                keras.tree.map_structure(lambda value, rows=rows: value[rows], targets),
                return_dict=True,
            )
            for name, value in logs.items():
                sums[name] = sums.get(name, 0.0) + float(value) / self.parts
            total += float(logs["loss"]) / self.parts
        end_batch(self.model.optimizer, self.parts)
        self.state["step"] += 1
        self._require_finite("loss", total)
        if self.average is not None:
            self.average.update(self.state["step"])
        return total

    def _require_finite(self, name, value):
        """Stop the run if a number is none any more."""
        if np.isfinite(value).all():
            return
        raise TrainingDiverged(
            f"{self.run.path}: the {name} is not finite after step {self.state['step']}. Train "
            f"again with a lower learning rate than {self.run.recipe.learning_rate}, or clip the "
            f"gradients; the last good checkpoint is {self._good}"
        )

    def _stop_if_due(self, stop, ahead, saved=False):
        """Stop with a checkpoint, if asked to, or if what lies ahead could come too late.

        Args:
            stop: true once a signal came.
            ahead: ``"step"`` or ``"judging"``.
            saved: whether this very moment has its checkpoint.
        """
        if self.cluster.any(stop or self._deadline.is_near(ahead)):
            asked = self.cluster.any(stop)
            if not saved:
                self._checkpoint()
            self.cluster.wait()
            raise TrainingInterrupted(self.run.path, self.state["step"], out_of_time=not asked)

    def _validate(self, epoch, losses):
        """Judge the model on the validation images, keep the weights if they are the best so far."""
        began = time.monotonic()
        with self._averaged() as model:
            with told_if_judging_does_not_fit(self.run):
                scores, merit = self.objective.judge(model, self.images["val"])
            self._require_finite("answer on the validation images", merit)
            best = self.state["best"] is None or merit > self.state["best"]["merit"]
            self._tick()
            self.state["history"].append(
                {
                    "epoch": epoch + 1,
                    "step": self.state["step"],
                    **losses,
                    **scores,
                    "seconds": self.state["seconds"],
                }
            )
            if best:
                self.state["best"] = {"epoch": epoch + 1, "merit": merit}
                write = functools.partial(write_weights, facts=self.state["best"])
                self._write(write, "best.weights.h5", model)
        self._write(write_json, "history.json", self.state["history"])
        self._checkpoint()
        self._deadline.note("judging", began)
        if self.progress:
            tqdm.write(describe_epoch(epoch, self.run.recipe.epochs, losses, scores))

    def write_last_weights(self):
        """Write the weights that the run ends with."""
        with self._averaged() as model:
            self._write(write_weights, "last.weights.h5", model)

    @contextlib.contextmanager
    def _averaged(self):
        """Give the model as it is judged and kept: with averaged weights, on one device."""
        if self.average is not None:
            self.average.swap()
        try:
            if keras.distribution.distribution() is None:
                yield self.model
                return
            weights = [np.asarray(v.value) for v in self.model.weights]
            with undistributed():
                if self._judge is None:
                    self._judge = build_model(self.run.recipe)
                self._judge.set_weights(weights)
                yield self._judge
        finally:
            if self.average is not None:
                self.average.swap()

    def _write(self, write, name, content):
        """Write a file of the run, in the process that does so."""
        if self.cluster.writes:
            path = self.run.path / name
            with told_in_words(path, self.run.checkpoints):
                write(path, content)

    def _checkpoint(self):
        """Write a checkpoint of this very moment, if all its numbers are finite."""
        self._saved = time.monotonic()
        arrays = snapshot(self.model, self.average)
        for name, values in arrays.items():
            self._require_finite(f"{name.split('/')[0]}'s state", values)
        self._tick()
        if self.cluster.writes:
            self._good = save_checkpoint(self.run.checkpoints, arrays, self.state)
        self._deadline.note("saving", self._saved)

    def _restore(self, saved):
        """Go back to a checkpoint, in which batches may have been cut into other parts."""
        restore(saved, self.model, self.average)
        recount(self.model.optimizer, saved.state["parts"], self.parts)
        self.state = saved.state | {"parts": self.parts}
        self._good = saved.path
        # A kill between these weights and their checkpoint: they may be judged otherwise this time.
        kept, best = weights_facts(self.run.path / "best.weights.h5"), self.state["best"]
        if kept and (best is None or kept["merit"] > best["merit"]):
            self.state["best"] = kept

    def _cut_batches(self, error):
        """After running out of memory, go on from the newest checkpoint with smaller parts."""
        parts = fewer_images(self.run.recipe, self.batch_size, self.parts, self.cluster, error)
        saved = read_newest_checkpoint(self.run)
        # First the old optimiser: JAX has given away the weights with which the step began.
        restore(saved, self.model, self.average)
        self._compile(parts)
        self._restore(saved)
        if self.cluster.writes:
            tqdm.write(
                f"out of memory; each batch of {self.batch_size} images now goes through in "
                f"{parts} parts of {self.batch_size // parts}, with the same step. Batch "
                "normalisation sees the parts; all else stays"
            )

    def _compile(self, parts):
        """Give the model its optimiser and losses, for batches cut into parts."""
        total_steps = self.run.recipe.epochs * self.steps_per_epoch
        self.parts, self._is_compiled = parts, False
        self.trained = compile_model(
            self.model, self.run.recipe, total_steps, self.objective, parts
        )

    def _tick(self):
        """Add the time since the last call to the run's seconds."""
        former, self._clock = self._clock, time.monotonic()
        self.state["seconds"] += self._clock - former
