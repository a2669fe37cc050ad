"""A run: the folder with everything about one training.

======================  ===============================================================
``run.json``            recipe, data fingerprints, commit of xraylab, start time
``history.json``        one row per epoch
``checkpoints/``        the last two checkpoints
``best.weights.h5``     weights of the epoch with the best validation score
``last.weights.h5``     weights after the last epoch
``report.json``         written when the run has finished
``scores-SPLIT.json``   written by ``xraylab evaluate``
``calibration.json``    written by ``xraylab calibrate``
======================  ===============================================================
"""

import contextlib
import io as memory
import os
import shlex
import warnings
from pathlib import Path
from typing import Any

import keras

from xraylab import data, io, models
from xraylab.arguments import did_you_mean, invalid_argument, require_choice
from xraylab.findings import FINDINGS
from xraylab.models.gmml import load_encoder
from xraylab.models.weights import PRETRAINED, load_for_model, pretrained_path
from xraylab.training.recipe import Recipe


class RunLocked(RuntimeError):
    """Another process is training in the folder."""


class Run:
    """A run's folder, opened for reading; a path-like object, which stands for the folder.

    Args:
        path: the folder given as ``out`` to :func:`xraylab.training.fit`.

    Raises:
        FileNotFoundError: if the folder holds no run.
        ValueError: if its files cannot be read.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if not (self.path / "run.json").exists():
            raise FileNotFoundError(
                f"{self.path} is not a run. Expected: a folder with run.json. Received: a "
                f"{'folder without it' if self.path.is_dir() else 'path that does not exist'}. "
                f"Train one with: xraylab train rr_vit --out {shlex.quote(str(self.path))}"
            )
        self.facts: dict[str, Any] = io.read_json(self.path / "run.json")
        if not (isinstance(self.facts, dict) and isinstance(self.facts.get("recipe"), dict)):
            raise ValueError(
                f"{self.path / 'run.json'} is damaged. Expected: a run with its recipe. Received: "
                "other JSON."
            )
        self.recipe = Recipe(**self.facts["recipe"])

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def history(self) -> list[dict[str, Any]]:
        """One dict per epoch: loss, validation scores, steps and seconds."""
        return self._read("history.json") or []

    @property
    def report(self) -> dict[str, Any] | None:
        """The report of a finished run, or None."""
        return self._read("report.json")

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.path / "checkpoints"

    def require_classifier(self) -> None:
        """Raise a ValueError for a run of masked pre-training, which predicts no labels."""
        if not self.recipe.predicts_labels:
            raise ValueError(
                f"{self.path} is a run of masked pre-training and predicts no labels. Expected: a "
                f"run of a classifier. Fine-tune it first, with start_from={self.path}"
            )

    def load_model(self, weights: str = "best") -> keras.Model:
        """Return the run's model with its ``"best"`` or ``"last"`` weights.

        Raises:
            FileNotFoundError: if these weights have not been written yet.
            ValueError: for other values of ``weights``.
        """
        path = self.weights_file(weights)
        model = build_model(self.recipe)
        model.load_weights(path)
        return model

    def weights_file(self, weights: str = "best") -> Path:
        """Return the path of the run's ``"best"`` or ``"last"`` weights; raises as above."""
        require_choice("weights", weights, ("best", "last"))
        path = self.path / f"{weights}.weights.h5"
        if not path.exists():
            raise FileNotFoundError(
                f"{path} does not exist yet: the run has finished {len(self.history)} of "
                f"{self.recipe.epochs} epochs. Continue it with --resume (resume=True)."
            )
        return path

    def _read(self, name: str) -> Any:
        path = self.path / name
        return io.read_json(path) if path.exists() else None


def lock_run(path: Path) -> contextlib.AbstractContextManager[None]:
    """Return the lock of a run's folder, which one training process at a time can hold.

    Entering it raises a :class:`RunLocked` if another process is training there.
    """
    message = f"Another process is training in {path}. Wait for it or stop it, or choose another "
    return io.lock(path / ".lock", message + "--out.", RunLocked)


def build_model(recipe: Recipe) -> keras.Model:
    """Build the untrained model of a recipe: a classifier, or an encoder with its decoder."""
    options = dict(recipe.model_options)
    if recipe.precision != "float32":
        options["dtype"] = recipe.precision
    if not recipe.predicts_labels:
        return models.build_gmml(recipe.model, image_size=recipe.size, **options)
    if recipe.reconstruction_weight != 1.0:
        options["reconstruction_weight"] = recipe.reconstruction_weight
    options |= {"image_size": recipe.size, "num_labels": len(recipe.labels)}
    model = models.build(recipe.model, **options)
    model.label_names = recipe.labels
    return model


def load_images(recipe: Recipe, split: str, progress: bool = True, **changes: Any) -> data.Split:
    """Load the images of a recipe.

    Args:
        recipe: the recipe.
        split: ``"train"``, ``"val"`` or ``"test"``.
        progress: whether to show progress bars.
        changes: arguments of :func:`xraylab.data.load` that differ from the recipe's.
    """
    options = {"size": recipe.size, **recipe.data_options}
    if split == "train" and recipe.num_images is not None:
        options["num_images"] = recipe.num_images
    options |= {"label_names": recipe.label_names, "progress": progress, **changes}
    return data.load(recipe.data, split=split, **options)


def initial_weights(recipe: Recipe) -> Path | None:
    """Return the file of the weights that a recipe starts from; None for random weights.

    Raises:
        FileNotFoundError: if the run has no weights yet.
        ValueError: if there is no such run, or no weights are shipped for the model.
    """
    if recipe.start_from is None:
        return None
    if recipe.start_from == PRETRAINED:
        return pretrained_path(recipe.model, recipe.size)
    try:
        run = Run(recipe.start_from)
    except FileNotFoundError as error:
        expected = f"{PRETRAINED!r}, or the folder of a run"
        hint = did_you_mean(Path(recipe.start_from).name, [PRETRAINED])
        raise invalid_argument("start_from", expected, recipe.start_from, hint) from error
    return run.weights_file("best")


def load_initial_weights(recipe: Recipe, model: keras.Model) -> None:
    """Assign the weights that a recipe starts from, if it names a run or the shipped weights.

    From masked pre-training only the encoder is loaded. From weights for other labels, all are
    loaded except those that belong to the labels, which stay random; a warning says so.

    Raises:
        FileNotFoundError: if the run has no weights yet.
        ValueError: if there is no such run, the weights do not fit, or none are shipped for the
            model.
    """
    path, names, classifies = initial_weights(recipe), FINDINGS, True
    if path is None:
        return
    if recipe.start_from != PRETRAINED:
        former = Run(path.parent).recipe
        names, classifies = former.labels, former.predicts_labels
    if not classifies:
        load_encoder(model, path)
        return
    load_for_model(model, path, new_head=names != recipe.labels)
    if names != recipe.labels:
        warnings.warn(
            f"{path} holds weights for other labels ({', '.join(names)}). They are loaded, except "
            f"the classifier, which starts at random for {', '.join(recipe.labels)}.",
            stacklevel=2,
        )


def write_weights(path: Path, model: keras.Model) -> None:
    """Write a model's weights (HDF5) atomically, without its optimizer."""
    content = _FileInMemory()
    # Not the optimizer, which is three quarters of the size and part of the checkpoint.
    keras.saving.save_weights(model, content, objects_to_skip=[getattr(model, "optimizer", None)])
    with io.atomic_write(path) as stream:
        stream.write(content.getbuffer())


class _FileInMemory(memory.BytesIO):
    """A file in memory whose name tells Keras its format.

    On a full disk, HDF5 would end the whole process.
    """

    def __str__(self):
        return "model.weights.h5"
