"""Knowledge distillation: a student trained on labels and on a frozen teacher's predictions."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.special import expit

from xraylab import findings
from xraylab.arguments import did_you_mean, invalid_argument, require
from xraylab.data import Split
from xraylab.io import progress_bar
from xraylab.metrics.ranking import mean_of_defined
from xraylab.models.convert.torchxrayvision import load_xrv
from xraylab.models.registry import SPECS, build_shipped
from xraylab.models.weights import largest_shipped, recorded_architecture
from xraylab.models.xrv_densenet import OUTPUTS, XRVDenseNet121
from xraylab.training.run import Run

TRAINED = {
    "all": tuple(range(18)),
    "chex": (0, 1, 3, 4, 7, 8, 10, 14, 15, 16, 17),
    "nih": tuple(range(14)),
}
"""Indices of the outputs that were trained in each public DenseNet-121 of TorchXRayVision."""

NO_FINDING = "no_finding"


class Distiller(keras.Model):
    """A student model with the loss (1 - α) · label loss + α · teacher loss.

    A student with a distillation head learns from the labels with one head and from the teacher
    with the other (``touvron2021``); any other student learns from both with its only head. Losses
    that the student adds itself (reconstruction) are included.

    Compile it with an optimizer only, and fit it with targets ``{"labels", "teacher"}`` and sample
    weights of the same names, each of shape (batch, num_labels).

    Args:
        student: a built model of :func:`xraylab.models.build`.
        label_loss, teacher_loss: Keras losses, called with targets, logits and sample weights.
        weight: α in [0, 1].

    References: Hinton et al. 2015 (``hinton2015``); Rand et al. 2025 (``rand2025``).
    """

    def __init__(
        self,
        student: keras.Model,
        label_loss: keras.losses.Loss,
        teacher_loss: keras.losses.Loss,
        weight: float,
        **kwargs: Any,
    ):
        super().__init__(dtype=student.dtype_policy, **kwargs)
        self.student = student
        self.label_loss, self.teacher_loss, self.weight = label_loss, teacher_loss, weight
        self.built = True

    def call(self, images: Any, training: bool | None = None) -> dict:
        """Compute the logits that the labels and the teacher are compared with."""
        outputs = self.student(images, training=training, return_intermediates=True)
        logits = outputs["logits"]
        return {
            "labels": outputs.get("label_logits", logits),
            "teacher": outputs.get("distillation_logits", logits),
        }

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool = True
    ) -> Any:
        """Compute the total loss of a batch."""
        label = self.label_loss(y["labels"], y_pred["labels"], sample_weight["labels"])
        teacher = self.teacher_loss(y["teacher"], y_pred["teacher"], sample_weight["teacher"])
        total = (1 - self.weight) * label + self.weight * teacher
        return total + sum(ops.sum(loss) for loss in self.losses)


@dataclass(frozen=True)
class Teacher:
    """A frozen model that predicts the probabilities of a student's labels.

    Args:
        model: a ``xraylab.models.base.ImageModel``.
        indices: for each label of the student, the index of the teacher's output; None if there is
            none; :data:`NO_FINDING` for the product of 1 - p over the trained outputs.
        trained: indices of the teacher's trained outputs; the others are ignored.
    """

    model: keras.Model
    indices: Sequence[int | str | None]
    trained: Sequence[int]

    def __post_init__(self):
        self.model.trainable = False

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Predict the probabilities of the student's labels.

        Shapes:
            images: (batch, size, size, 1) float32 in [0, 1]; resized to the teacher's size.
            returns: (batch, num_labels) float32 in [0, 1]; NaN where the teacher has no output.
        """
        side = self.model.image_size
        if images.shape[1] != side:
            images = ops.convert_to_numpy(ops.image.resize(images, (side, side), antialias=True))
            images = np.clip(images, 0.0, 1.0)
        logits = ops.convert_to_numpy(self.model.predict_on_batch(images))
        return select_outputs(logits, self.indices, self.trained)


@dataclass(frozen=True)
class TeacherEnsemble:
    """One teacher or several; the mean of the probabilities of those that predict a label.

    Args:
        teachers: each a :class:`Teacher` of the same labels.
        hard: whether it predicts decisions, 1 where the mean is at least 0.5 and 0 elsewhere,
            instead of probabilities.

    References: decisions as targets Touvron et al. 2021 (``touvron2021``), Eq. 3, there the class
        with the highest score.
    """

    teachers: Sequence[Teacher]
    hard: bool = False

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Predict the mean probabilities of the student's labels, or the decisions.

        Shapes: as for :meth:`Teacher.__call__`; NaN where no teacher has an output.
        """
        found = mean_of_defined([teacher(images) for teacher in self.teachers], axis=0)
        if self.hard:
            found = np.where(np.isnan(found), np.nan, found >= 0.5)
        return found.astype(np.float32)

    def predict(self, split: Split, batch_size: int = 64, progress: bool = True) -> np.ndarray:
        """Predict the probabilities for every image of a split, (num_images, num_labels)."""
        batches = split.to_dataset(batch_size)
        bar = progress_bar(progress, iterable=batches, desc="teacher predictions")
        return np.concatenate([self(images) for images, _ in bar])


def select_outputs(
    logits: np.ndarray, indices: Sequence[int | str | None], trained: Sequence[int]
) -> np.ndarray:
    """Convert a teacher's logits to probabilities of the student's labels.

    Shapes:
        logits: (batch, num_outputs).
        returns: (batch, num_labels) float32, NaN where the teacher has no trained output.

    Args:
        indices, trained: as for :class:`Teacher`.
    """
    logits = np.asarray(logits, dtype=np.float64)
    columns = np.full((len(logits), len(indices)), np.nan, dtype=np.float32)
    for column, index in zip(columns.T, indices, strict=True):
        if index == NO_FINDING:
            # The sum of log(1 - p) keeps digits that a product of eighteen factors would lose.
            column[:] = np.exp(-np.logaddexp(0, logits[:, list(trained)]).sum(axis=1))
        elif isinstance(index, int) and index in trained:
            column[:] = expit(logits[:, index])
    return columns


def match_labels(
    label_names: Sequence[str], output_names: Sequence[str]
) -> tuple[int | str | None, ...]:
    """Return the index of a teacher's output for each label of a student, for :class:`Teacher`.

    Labels are matched by name, as by :func:`xraylab.findings.match_labels`.
    """
    indices = findings.match_labels(label_names, output_names)
    return tuple(
        NO_FINDING if name == NO_FINDING and index is None else index
        for name, index in zip(label_names, indices, strict=True)
    )


def load_teacher(
    source: str | os.PathLike | Sequence[str | os.PathLike],
    label_names: Sequence[str],
    *,
    trained: str = "",
    weights: str = "best",
    hard: bool = False,
) -> TeacherEnsemble:
    """Load a frozen teacher from a run, shipped, saved or public weights; or several.

    Args:
        source: a run or its folder; the name of a model with shipped weights, of several sizes the
            largest; the ``.keras`` file of a model of :func:`xraylab.models.build` whose
            ``label_names`` were set; or a state dict of TorchXRayVision's DenseNet-121, as read by
            :func:`xraylab.models.convert.torchxrayvision.load_xrv`; or several of them.
        label_names: the student's labels.
        trained: which outputs the public weights trained, a name of :data:`TRAINED`. The file does
            not contain this.
        weights: ``"best"`` or ``"last"`` of a run.
        hard: whether it predicts decisions, as for :class:`TeacherEnsemble`.

    Raises:
        FileNotFoundError: if a run has no weights yet.
        ValueError: if there is no such teacher, it predicts none of the labels or its labels have
            no names, or ``trained`` is missing for public weights.
    """
    sources = [source] if isinstance(source, str | os.PathLike) else source
    teachers = [_load_one(each, label_names, trained, weights) for each in sources]
    return TeacherEnsemble(teachers, hard)


def teacher_file(source: str | os.PathLike, weights: str = "best") -> Path:
    """Return the file with the weights of one teacher; arguments as for :func:`load_teacher`.

    Raises:
        FileNotFoundError: if a run has no weights yet.
        ValueError: if there is no such teacher.
    """
    path, shipped = Path(source), largest_shipped()
    if _is_name(source) and source in shipped:
        return shipped[str(source)]
    if path.is_dir() and not _is_name(source):
        run = Run(path)
        run.require_classifier()
        return run.weights_file(weights)
    if not path.exists() or path.suffix not in (".keras", ".safetensors", ".npz"):
        expected = "the folder of a run, a .keras file, public weights (.safetensors or .npz), or "
        expected += f"a model with shipped weights: {', '.join(shipped)}"
        hint = did_you_mean(path.name, shipped)
        if _is_name(source):
            hint = "xraylab.book.folder() downloads the weights of more models."
        raise invalid_argument("teacher", expected, repr(str(source)), hint)
    return path


def _is_name(source):
    """Return whether a teacher is given by the name of a model; a folder of that name is ./name."""
    return isinstance(source, str) and source in SPECS


def _load_one(source, label_names, trained, weights):
    """Load one teacher."""
    path = teacher_file(source, weights)
    outputs = None
    if _is_name(source):
        names, model = findings.FINDINGS, build_shipped(source)
    elif Path(source).is_dir():
        run = Run(source)
        names, model = run.recipe.labels, run.load_model(weights)
    elif path.suffix == ".keras":
        try:
            recorded_architecture(path)  # refuses models of others, and links to other files
        except ValueError as error:
            expected = "a saved model of models.build"
            hint = "Predict with other models yourself, and fit the student to the probabilities."
            raise invalid_argument("teacher", expected, path, hint) from error
        model = keras.saving.load_model(path, compile=False)
        model.classifier_activation = None  # the outputs are taken as logits
        names = model.label_names
        hint = "Set model.label_names before you save the teacher: labels are matched by name."
        require(names, "teacher", "a model with label_names", f"{path} without them", hint)
    else:
        # As in the name of the weights: the file does not say which outputs were trained.
        expected = f"one of {', '.join(map(repr, TRAINED))}"
        hint = 'Set teacher_options={"trained": "nih"}, or as in the name of the public weights.'
        require(trained in TRAINED, "trained", expected, repr(trained), hint)
        names, outputs = OUTPUTS, TRAINED[trained]
        model = XRVDenseNet121(224)
        model.build()
        load_xrv(model, path)
    outputs = outputs or tuple(range(len(names)))
    indices = match_labels(label_names, names)
    if not any(isinstance(index, int) and index in outputs for index in indices):
        raise ValueError(
            f"The teacher in {path} predicts none of the student's labels. "
            f"Expected: some of {', '.join(names)}. Received: {', '.join(label_names)}. Labels are "
            "matched by name: train a teacher on these first, as from its weights (start_from)."
        )
    return Teacher(model, indices, outputs)
