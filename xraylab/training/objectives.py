"""What a run trains for: the model, what a batch asks of it, its losses, and how it is judged.

The training loop is the same for all objectives. Each says what the loop must know:

* ``losses(model, parts)`` returns for each output that is trained a loss and its weight;
* ``batch(images, labels, rows, seed)`` returns what the model is given and asked for;
* ``shared(targets, scale)`` adds to the targets of a batch that goes through in parts what each
  answer counts, where a loss divides by something that only the whole batch knows;
* ``judge(model, split)`` returns the scores of an epoch, and one number that is higher the better.
"""

import math

import keras
import numpy as np
from keras import ops

from xraylab import losses, metrics
from xraylab.io import atomic_write
from xraylab.models import predict_logits, sigmoid
from xraylab.training import augmentation
from xraylab.training.corruption import corrupt
from xraylab.training.distribute import undistributed
from xraylab.training.teachers import load_teacher


class Classification:
    """Findings from labels; and the image again, where a model rebuilds it.

    Args:
        recipe: a :class:`xraylab.training.Recipe`.
        images: its splits, by name.
        folder: the run's folder, for what is worth keeping.
    """

    def __init__(self, recipe, images, folder=None):
        self.recipe, self.images = recipe, images
        self.augment = None
        if recipe.augmentation:
            self.augment = augmentation.make(**recipe.augmentation)

    def losses(self, model, parts=1):
        """Return ``{output: (loss, weight)}``."""
        outputs = _outputs(model)
        require_logits(model)
        if "distillation_logits" in outputs:
            raise ValueError(
                f"{model.name} was built with a distillation head, which this objective has no "
                "loss for: its untrained answers would count in the mean. Build it with "
                'distillation=False, or train with objective="distillation"'
            )
        return {"logits": (self.label_loss(parts), 1.0)}

    def label_loss(self, parts=1):
        """Return the recipe's loss of the labels with its arguments."""
        options = dict(self.recipe.loss_options)
        if self.recipe.loss == "weighted_binary_crossentropy":
            options.setdefault("prevalence", prevalence(self.images["train"]))
        if parts > 1 and self._divides:
            return _with_shares(losses.get(self.recipe.loss, **options, reduction="sum"))
        return losses.get(self.recipe.loss, **options)

    @property
    def _divides(self):
        """Whether the loss of the labels is a mean over those known, not over the images."""
        return not losses.LOSSES[self.recipe.loss].sums_over_labels

    def shared(self, targets, scale):
        """Return the targets of a whole batch with what each answer counts, times ``scale``."""
        if not self._divides:
            return targets
        labels = targets["logits"]
        return targets | {"logits": np.stack([labels, scale * _shares(labels)], axis=-1)}

    def batch(self, images, labels, rows, seed):
        """Return ``(inputs, targets)`` of one step.

        Shapes:
            images: (batch, size, size, 1) float32 in [0, 1]; labels: (batch, num_labels) float32;
            rows: (batch,), the images' places in the training split.

        Args:
            seed: decides all random changes of this batch.
        """
        if self.augment is not None:
            images, labels = self.augment(images, labels, seed)
        return images, {"logits": labels}

    def judge(self, model, split):
        """Return ``(scores, merit)`` of a model on the validation images."""
        logits = predict_logits(model, split).astype(np.float64)
        truth = split.labels
        val_loss = float(np.nanmean(np.logaddexp(0.0, logits) - logits * truth))
        score = metrics.score(truth, sigmoid(logits), label_names=split.label_names)
        defined = not math.isnan(score.macro_auc)
        row = {
            "val_binary_crossentropy": val_loss,
            "val_macro_auc": score.macro_auc if defined else None,
        }
        # Where the validation images define no AUC at all, the loss has to decide.
        return row, score.macro_auc if defined else -val_loss


class Distillation(Classification):
    """Findings from labels and from a frozen teacher: (1 - α) · label loss + α · distillation.

    A student with a distillation head learns from the labels with one head and from the teacher
    with the other (``touvron2021``); any other student learns from both with its only head.
    """

    def __init__(self, recipe, images, folder=None):
        super().__init__(recipe, images, folder)
        self._teacher, self._said = None, None
        if self.augment is None:
            # What the teacher says of an image never changes unless the image does: ask it once.
            self._said = _remembered(folder / "teacher.npy", lambda: self.teacher, images["train"])

    @property
    def teacher(self):
        """The frozen :class:`xraylab.training.teachers.Teacher`, loaded when it is needed."""
        if self._teacher is None:
            recipe = self.recipe
            with undistributed():
                self._teacher = load_teacher(
                    recipe.teacher, recipe.label_names, recipe.size, **recipe.teacher_options
                )
        return self._teacher

    def losses(self, model, parts=1):
        """Return ``{output: (loss, weight)}``."""
        outputs, share = _outputs(model), self.recipe.distillation_weight
        label_loss = self.label_loss(parts)
        from_teacher = losses.Distillation(self.recipe.temperature)
        if parts > 1:
            from_teacher = _with_shares(
                losses.Distillation(self.recipe.temperature, weight_labels=False, reduction="sum")
            )
        if "distillation_logits" in outputs:
            return {
                "logits": (label_loss, 1 - share),
                "distillation_logits": (from_teacher, share),
            }

        def both(targets, logits):
            # Of the last axis one half is from the labels, one from the teacher.
            labels, probabilities = ops.split(targets, 2, axis=-1)
            if targets.shape[-1] == 2:
                labels, probabilities = labels[..., 0], probabilities[..., 0]
            elif not self._divides:
                labels = labels[..., 0]
            return (1 - share) * label_loss(labels, logits) + share * from_teacher(
                probabilities, logits
            )

        return {"logits": (both, 1.0)}

    def batch(self, images, labels, rows, seed):
        """Return ``(inputs, targets)`` of one step."""
        images, targets = super().batch(images, labels, rows, seed)
        said = self.teacher(images) if self._said is None else self._said[rows]
        labels = np.asarray(targets["logits"])
        if self.recipe.model_options.get("distillation"):
            return images, targets | {"distillation_logits": said}
        return images, targets | {"logits": np.stack([labels, said], axis=-1)}

    def shared(self, targets, scale):
        """Return the targets of a whole batch with what each answer counts, times ``scale``."""
        if "distillation_logits" in targets:
            targets, said = super().shared(targets, scale), targets["distillation_logits"]
            shares = scale * _shares(said, weighted=True)
            return targets | {"distillation_logits": np.stack([said, shares], axis=-1)}
        labels, said = np.moveaxis(targets["logits"], -1, 0)
        columns = [labels, scale * _shares(labels), said, scale * _shares(said, weighted=True)]
        return targets | {"logits": np.stack(columns, axis=-1)}


class MaskedReconstruction:
    """The image from what is left of it when large parts are painted over; no label is read."""

    def __init__(self, recipe, images, folder=None):
        self.recipe, self.images = recipe, images

    def losses(self, model, parts=1):
        """Return ``{output: (loss, weight)}``."""

        def masked(targets, reconstruction):
            images, mask = targets[..., :1], targets[..., 1:2]
            errors = losses.masked_reconstruction_error(images, reconstruction, mask)
            if parts > 1:
                return ops.sum(errors * targets[..., 2:])
            return ops.sum(errors) / ops.maximum(ops.sum(mask), 1.0)

        return {"reconstruction": (masked, 1.0)}

    def shared(self, targets, scale):
        """Return the targets of a whole batch with what each pixel counts, times ``scale``."""
        mask = targets["reconstruction"][..., 1:]
        shares = scale * mask / max(mask.sum(dtype=np.float64), 1.0)
        columns = [targets["reconstruction"], shares.astype(mask.dtype)]
        return targets | {"reconstruction": np.concatenate(columns, axis=-1)}

    def batch(self, images, labels, rows, seed):
        """Return corrupted images, and the images and masks."""
        corrupted, mask = corrupt(images, seed)
        target = np.concatenate([images, mask.astype(images.dtype)], axis=-1)
        return corrupted, {"reconstruction": target}

    def judge(self, model, split):
        """Return the error on the corrupted pixels of validation images, corrupted alike each time.

        At most 1,024 images are taken.
        """
        total, count = 0.0, 0.0
        for seed, (images, _) in enumerate(split.to_dataset(min(64, len(split)))):
            if seed == 16:
                break
            corrupted, mask = corrupt(images, seed)
            painted = ops.convert_to_numpy(model.predict_on_batch(corrupted))
            total += float(np.abs(painted - images)[mask].sum(dtype=np.float64))
            count += float(mask.sum())
        error = total / max(count, 1.0)
        return {"val_masked_error": error}, -error


OBJECTIVES = {
    "classification": Classification,
    "distillation": Distillation,
    "masked_reconstruction": MaskedReconstruction,
}


def require_logits(model):
    """Refuse a model whose answers come out of a sigmoid: the losses apply one themselves.

    Args:
        model: a model of :func:`xraylab.models.build`, or a built Keras model that answers with
            logits.

    Raises:
        ValueError: if no answer to images of noise leaves [0, 1], whatever its weights.
    """
    if hasattr(model, "image_size"):
        shape = (model.image_size, model.image_size, 1)
    else:
        shape = model.input_shape[1:]
    images = np.random.default_rng(0).random((2, *shape), dtype=np.float32)

    def is_bounded():
        answer = ops.convert_to_numpy(model(images, training=False))
        return bool(((answer >= 0) & (answer <= 1)).all())

    if not is_bounded():
        return
    # Chance can put a few logits there, but not with other weights in the last layer as well.
    for layer in reversed(model.layers):
        former = [np.array(v) for v in layer.trainable_variables]
        try:
            for variable, value in zip(layer.trainable_variables, former, strict=True):
                variable.assign(value - 10.0)
            if not is_bounded():
                return
        finally:
            for variable, value in zip(layer.trainable_variables, former, strict=True):
                variable.assign(value)
    raise ValueError(
        f"{model.name} ends in a sigmoid: all its answers lie in [0, 1], whatever its weights. The "
        "losses expect logits and apply the sigmoid themselves; applied twice, it leaves hardly "
        "any gradient. Remove the last activation. To see what the mistake does, train with "
        'loss="double_sigmoid_crossentropy"'
    )


def _shares(answers, weighted=False):
    """Return what each known answer counts in the mean of a batch, 0 for one that is unknown.

    Args:
        answers: (batch, num_labels), nan where unknown.
        weighted: whether each label counts by one minus its mean, as in distillation.
    """
    known = ~np.isnan(answers)
    shares = known / max(known.sum(), 1)
    if weighted:
        total = np.where(known, answers, 0.0).sum(axis=0, dtype=np.float64)
        shares = shares * (1 - total / np.maximum(known.sum(axis=0), 1))
    return shares.astype(np.float32)


def _with_shares(loss):
    """Return a loss whose targets hold, last, the answers and what each of them counts."""

    def shared(targets, outputs):
        return loss(targets[..., 0], outputs, targets[..., 1])

    return shared


def _remembered(path, teacher, split):
    """Return a teacher's probabilities for a split, from a file if they were asked for before."""
    if path.exists():
        said = np.load(path, allow_pickle=False)
        if len(said) == len(split):
            return said
    with undistributed():
        said = teacher().remembered(split)
    with atomic_write(path) as stream:
        np.save(stream, said)
    return said


def _outputs(model):
    """Return what a model answers, as names with shapes."""
    images = keras.KerasTensor((1, model.image_size, model.image_size, 1))
    return model.compute_output_spec(images, return_intermediates=True)


def prevalence(split):
    """Return the share of the images with each label, of those images where it is known."""
    return np.nanmean(np.asarray(split.labels, dtype=np.float64), axis=0).tolist()
