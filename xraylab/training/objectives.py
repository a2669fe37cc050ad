"""Training objectives: the trained model with its loss, the batches, and the validation.

``objective.trained_model(model)`` returns the Keras model to compile and its loss;
``objective.batch(images, labels, rows, seed)`` returns inputs, targets and sample weights;
``objective.validate(model, split)`` returns validation scores and the value to maximize.

Losses are reduced by a weighted sum. The sample weights contain the normalisation by the whole
batch, so that micro-batches add up to it exactly, also where labels are unknown.
"""

from typing import Any

import keras
import numpy as np
from scipy.special import expit

from xraylab import losses, metrics
from xraylab.data import Split
from xraylab.models import predict_logits
from xraylab.training import augmentation
from xraylab.training.corruption import corrupt
from xraylab.training.distillation import Distiller, load_teacher
from xraylab.training.distribution import undistributed
from xraylab.training.optimizers import make_optimizer
from xraylab.training.recipe import Recipe

Splits = dict[str, Split]


class Classification:
    """Labels are predicted from images; models that reconstruct the image add that loss themselves.

    Args:
        recipe: the recipe.
        splits: its images by split; ``"train"`` is needed for the prevalence-weighted loss.
        progress: whether to show progress bars.
    """

    def __init__(self, recipe: Recipe, splits: Splits | None = None, progress: bool = True):
        self.recipe = recipe
        options = dict(recipe.loss_options)
        if recipe.loss == "weighted_binary_crossentropy" and splits:
            options.setdefault("prevalence", prevalence(splits["train"]))
        self.loss = losses.get(recipe.loss, reduction="sum", **options)
        with undistributed():  # each process augments the whole batch, beside its training step
            self.augment = augmentation.make(**recipe.augmentation) if recipe.augmentation else None

    def trained_model(self, model: keras.Model) -> tuple[keras.Model, Any]:
        """Return the model to compile, and its loss."""
        if getattr(model, "distillation", False):
            raise ValueError(
                f"{model.name} has a distillation head, which this objective does not train. "
                'Expected: distillation=False in model_options, or objective="distillation".'
            )
        return model, self.loss

    def batch(self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray, seed: int) -> tuple:
        """Return ``(inputs, targets, sample_weights)`` of one step.

        Shapes:
            images: (batch, size, size, 1) float32 in [0, 1].
            labels: (batch, num_labels) float32, NaN where unknown.
            rows: (batch,), indices of the images in the training split.

        Args:
            seed: determines the augmentation of this batch.
        """
        if self.augment is not None:
            images, labels = self.augment(images, labels, seed)
        summed = self.recipe.sum_over_labels or self.loss.sums_over_labels
        return images, labels, label_weights(labels, summed)

    def validate(self, model: keras.Model, split: Split) -> tuple[dict[str, float], float]:
        """Return ``(scores, monitor_value)`` of a model on the validation images.

        The monitored value is the macro AUC; if no label has both classes, the negative loss.
        """
        # Images that fit into memory in a training step fit here as well.
        batch_size = max(1, self.recipe.batch_size // self.recipe.accumulation)
        logits = predict_logits(model, split, batch_size).astype(np.float64)
        bce = float(np.nanmean(np.logaddexp(0.0, logits) - logits * split.labels))
        found = metrics.score(split.labels, expit(logits), label_names=split.label_names)
        names = ("macro_auc", "micro_auc", "macro_f1")
        scores = {f"val_{name}": getattr(found, name) for name in names}
        auc = found.macro_auc
        return scores | {"val_binary_crossentropy": bce}, -bce if np.isnan(auc) else auc


class Distillation(Classification):
    """Labels are predicted from images, labels and a frozen teacher; see :class:`Distiller`."""

    def __init__(self, recipe: Recipe, splits: Splits, progress: bool = True):
        super().__init__(recipe, splits)
        with undistributed():
            self.teacher = load_teacher(recipe.teachers, recipe.labels, **recipe.teacher_options)
            # Without augmentation the teacher predicts the same in every epoch.
            self._predictions = None
            if self.augment is None:
                self._predictions = self.teacher.predict(splits["train"], progress=progress)

    def trained_model(self, model: keras.Model) -> tuple[keras.Model, Any]:
        """Return the model to compile, and its loss."""
        teacher_loss = losses.Distillation(
            self.recipe.temperature, weight_labels=False, reduction="sum"
        )
        return Distiller(model, self.loss, teacher_loss, self.recipe.distillation_weight), None

    def batch(self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray, seed: int) -> tuple:
        """Return ``(inputs, targets, sample_weights)`` of one step."""
        images, labels, weights = super().batch(images, labels, rows, seed)
        stored = self._predictions
        predictions = self.teacher(images) if stored is None else stored[rows]
        known = ~np.isnan(predictions)
        total = np.where(known, predictions, 0.0).sum(axis=0, dtype=np.float64)
        rarity = (1 - total / np.maximum(known.sum(axis=0), 1)).astype(np.float32)
        if self.recipe.sum_over_labels:  # Apps. C and H of rand2025: Σ over labels, KD · 1/14
            rarity /= predictions.shape[1]
        known_weights = label_weights(predictions, self.recipe.sum_over_labels)
        weights = {"labels": weights, "teacher": known_weights * rarity}
        return images, {"labels": labels, "teacher": predictions}, weights


class MaskedReconstruction:
    """Masked pre-training: the image is reconstructed from a corrupted version; no labels."""

    def __init__(self, recipe: Recipe, splits: Splits | None = None, progress: bool = True):
        self.recipe = recipe

    def trained_model(self, model: keras.Model) -> tuple[keras.Model, Any]:
        """Return the model to compile, and its loss: the absolute error where corrupted."""
        return model, keras.losses.MeanAbsoluteError(reduction="sum")

    def batch(self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray, seed: int) -> tuple:
        """Return corrupted images, original images, and the mask divided by its sum."""
        corrupted, mask = corrupt(images, seed)
        weights = mask[..., 0] / max(mask.sum(dtype=np.float64), 1.0)
        return corrupted, images, weights.astype(np.float32)

    def validate(self, model: keras.Model, split: Split) -> tuple[dict[str, float], float]:
        """Return ``(scores, monitor_value)``: the mean absolute error on corrupted pixels.

        The images are corrupted the same way in every epoch.
        """
        total, count = 0.0, 0
        for seed, (images, _) in enumerate(split.to_dataset(64)):
            corrupted, mask = corrupt(images, seed)
            reconstruction = keras.ops.convert_to_numpy(model.predict_on_batch(corrupted))
            total += float(np.abs(reconstruction - images)[mask].sum(dtype=np.float64))
            count += int(mask.sum())
        error = total / max(count, 1)
        return {"val_masked_error": error}, -error


OBJECTIVES = {
    "classification": Classification,
    "distillation": Distillation,
    "masked_reconstruction": MaskedReconstruction,
}


def compile_for_training(
    model: keras.Model,
    recipe: Recipe,
    total_steps: int,
    objective: Any,
    micro_batches: int = 1,
) -> keras.Model:
    """Compile a model with a recipe's loss and optimizer, and return the model to fit.

    Args:
        model: a built model.
        recipe: the recipe.
        total_steps: optimizer steps of the whole run.
        objective: an object of this module.
        micro_batches: micro-batches per step.
    """
    trained, loss = objective.trained_model(model)
    trained.compile(
        optimizer=make_optimizer(recipe, trained, total_steps, micro_batches),
        loss=loss,
        jit_compile="auto" if recipe.xla is None else recipe.xla,
    )
    trained.optimizer.build(trained.trainable_variables)
    return trained


def label_weights(targets: np.ndarray, sums_over_labels: bool = False) -> np.ndarray:
    """Return the weight of each target in the loss of a batch, 0 where it is NaN.

    Args:
        targets: (batch, num_labels).
        sums_over_labels: whether the loss is the mean over images, instead of over known labels.
    """
    known = ~np.isnan(targets)
    count = len(targets) if sums_over_labels else max(known.sum(), 1)
    return (known / count).astype(np.float32)


def prevalence(split: Split) -> list[float]:
    """Return the fraction of images with each label, among those where it is known."""
    return np.nanmean(np.asarray(split.labels, dtype=np.float64), axis=0).tolist()
