"""The training loop, and its place in the data, which is what a checkpoint stores."""

import math
import time

import keras
import numpy as np
from tqdm import tqdm

from xraylab import data, losses, metrics
from xraylab.data.files import progress_bar
from xraylab.models import predict_logits, sigmoid
from xraylab.training.checkpoint import load_newest_checkpoint, save_checkpoint
from xraylab.training.interrupt import StopRequest, TrainingInterrupted
from xraylab.training.run import write_json, write_weights


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number."""


class Loop:
    """Trains a model by the recipe of a run, from the run's newest checkpoint on."""

    def __init__(self, run, model, films, progress, checkpoint_seconds):
        self.run, self.model, self.films = run, model, films
        self.progress = progress
        self.checkpoint_seconds = checkpoint_seconds
        recipe = run.recipe
        # Only whole batches, except where the films do not fill one.
        self.batch_size = min(recipe.batch_size, len(films["train"]))
        self.steps_per_epoch = len(films["train"]) // self.batch_size
        self.rebuilds = compile_model(model, recipe, recipe.epochs * self.steps_per_epoch)
        self.state = load_newest_checkpoint(run.checkpoints, model) or {
            "step": 0,
            "seconds": 0.0,
            "loss_sums": {},
            "history": [],
            "best": None,
        }

    def go(self):
        """Take all the steps that are left and return the state at the end."""
        self._clock = self._saved = time.monotonic()
        with StopRequest() as stop:
            for epoch in range(len(self.state["history"]), self.run.recipe.epochs):
                row = self._epoch(epoch, stop)
                self._validate(epoch, row)
                self._checkpoint()
        return self.state

    def _epoch(self, epoch, stop):
        """Train over the rest of one epoch and return its mean losses."""
        recipe, first = self.run.recipe, self.state["step"] - epoch * self.steps_per_epoch
        remaining = data.batches(
            self.films["train"],
            self.batch_size,
            seed=recipe.seed,
            epoch=epoch,
            start=first,
            drop_remainder=True,
        )
        bar = progress_bar(
            self.progress,
            iterable=remaining,
            initial=first,
            total=self.steps_per_epoch,
            desc=f"epoch {epoch + 1}/{recipe.epochs}",
            unit="step",
        )
        for images, labels in bar:
            loss = self._step(images, labels)
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            if stop:
                self._checkpoint()
                bar.close()
                raise TrainingInterrupted(self.run.path, self.state["step"])
            if time.monotonic() - self._saved > self.checkpoint_seconds:
                self._checkpoint()
        sums, self.state["loss_sums"] = self.state["loss_sums"], {}
        return {name: value / self.steps_per_epoch for name, value in sums.items()}

    def _step(self, images, labels):
        """Take one step and return its loss."""
        targets = {"logits": labels}
        if self.rebuilds:
            targets["reconstruction"] = images
        # Keras versions differ in whether this call starts its means anew; so start them here.
        self.model.reset_metrics()
        logs = self.model.train_on_batch(images, targets, return_dict=True)
        self.state["step"] += 1
        sums = self.state["loss_sums"]
        for name, value in logs.items():
            sums[name] = sums.get(name, 0.0) + float(value)
        self._require_finite("loss", logs["loss"])
        return float(logs["loss"])

    def _require_finite(self, name, value):
        """Stop the run if a number is none any more."""
        if not np.isfinite(value).all():
            raise TrainingDiverged(
                f"the {name} of {self.run.path} is not finite after step {self.state['step']}. "
                f"Train again with a lower learning rate than {self.run.recipe.learning_rate}; "
                f"earlier weights, if any, lie in {self.run.checkpoints}"
            )

    def _validate(self, epoch, row):
        """Score the validation films, keep the weights if they are the best so far."""
        split = self.films["val"]
        logits = predict_logits(self.model, split).astype(np.float64)
        self._require_finite("answer on the validation films", logits)
        truth = np.asarray(split.labels)
        val_loss = float(np.mean(np.logaddexp(0.0, logits) - logits * truth))
        score = metrics.score(truth, sigmoid(logits), label_names=split.label_names)
        defined = not math.isnan(score.macro_auc)
        self._tick()
        self.state["history"].append(
            {
                "epoch": epoch + 1,
                "step": self.state["step"],
                **row,
                "val_binary_cross_entropy": val_loss,
                "val_macro_auc": score.macro_auc if defined else None,
                "seconds": self.state["seconds"],
            }
        )
        # Where the validation films define no AUC at all, the loss has to decide.
        merit = score.macro_auc if defined else -val_loss
        if self.state["best"] is None or merit > self.state["best"]["merit"]:
            self.state["best"] = {"epoch": epoch + 1, "merit": merit}
            write_weights(self.run.path / "best.weights.h5", self.model)
        write_json(self.run.path / "history.json", self.state["history"])
        if self.progress:
            auc = f"{score.macro_auc:.4f}" if defined else "undefined"
            tqdm.write(
                f"epoch {epoch + 1}/{self.run.recipe.epochs}  loss {row['loss']:.4f}  "
                f"validation: binary cross-entropy {val_loss:.4f}, macro AUC {auc}"
            )

    def _checkpoint(self):
        """Write a checkpoint of this very moment."""
        self._tick()
        save_checkpoint(self.run.checkpoints, self.model, self.state)
        self._saved = time.monotonic()

    def _tick(self):
        """Add the time since the last call to the run's seconds."""
        now_ = time.monotonic()
        self.state["seconds"] += now_ - self._clock
        self._clock = now_


def compile_model(model, recipe, total_steps):
    """Give a model its losses and optimiser; return whether it rebuilds its input."""
    images = keras.KerasTensor((1, recipe.size, recipe.size, 1))
    present = model.compute_output_spec(images)
    if "distillation_logits" in present:
        raise ValueError(
            f"{model.name} was built with a distillation head, which this training has no loss "
            "for: its untrained answers would count in the mean. Build it with distillation=False"
        )
    rebuilds = "reconstruction" in present
    warmup_steps = int(recipe.warmup * total_steps)
    learning_rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else recipe.learning_rate,
        decay_steps=total_steps - warmup_steps,
        warmup_target=recipe.learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    objectives = {"logits": (getattr(losses, recipe.loss), 1.0)}
    if rebuilds:
        objectives["reconstruction"] = (losses.reconstruction_error, recipe.reconstruction_weight)
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate, weight_decay=recipe.weight_decay),
        loss={name: loss for name, (loss, _) in objectives.items()},
        loss_weights={name: weight for name, (_, weight) in objectives.items()},
    )
    model.optimizer.build(model.trainable_variables)
    return rebuilds
