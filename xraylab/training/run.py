"""A run: the folder in which a training leaves all that tells what it was and what came of it.

======================  ==================================================================
``run.json``            recipe, data fingerprints, commit of xraylab, when it began
``history.json``        one row an epoch
``checkpoints/``        the last two checkpoints
``best.weights.h5``     weights of the epoch with the best validation score
``last.weights.h5``     weights after the last epoch
``report.json``         written when the run has finished
``teacher.npy``         what a teacher says of the training images, if it is asked once
``scores-SPLIT.json``   written by ``xraylab evaluate``
``calibration.json``    written by ``xraylab calibrate``
======================  ==================================================================
"""

import io
import json
from pathlib import Path

import h5py
import keras

from xraylab import data, models
from xraylab.io import atomic_write
from xraylab.models.gmml import load_encoder
from xraylab.training.recipe import Recipe

FILES = (
    "checkpoints",
    "history.json",
    "best.weights.h5",
    "last.weights.h5",
    "report.json",
    "teacher.npy",
)
"""What belongs to a run beside ``run.json``, so that none of it may be there before."""


class Run:
    """A run's folder, opened for reading.

    Args:
        path: the folder given as ``out`` to :func:`xraylab.training.fit`.

    Raises:
        FileNotFoundError: if no run was begun there.
        ValueError: if its files cannot be read.
    """

    def __init__(self, path):
        self.path = Path(path)
        if not (self.path / "run.json").exists():
            raise FileNotFoundError(
                f"{self.path}: expected the folder of a run (with run.json); "
                f"{'that file is missing' if self.path.is_dir() else 'there is no such folder'}. "
                "Train one with: xraylab train rr_vit --out " + str(self.path)
            )
        self.facts = self._read("run.json")
        self.recipe = Recipe.from_dict(self.facts["recipe"])

    @property
    def history(self):
        """One dict an epoch: losses, validation scores, seconds."""
        return self._read("history.json") if (self.path / "history.json").exists() else []

    @property
    def report(self):
        """The report of a finished run, or None."""
        return self._read("report.json") if (self.path / "report.json").exists() else None

    @property
    def checkpoints(self):
        """The folder of the run's checkpoints."""
        return self.path / "checkpoints"

    def require_classifier(self):
        """Refuse a run that has no scores, for it learnt to rebuild images."""
        if self.recipe.objective == "masked_reconstruction":
            raise ValueError(
                f"{self.path} learnt to rebuild images, not to find anything: it has no scores. "
                f"Fine-tune from it first: start_from={self.path}"
            )

    def load_model(self, weights="best"):
        """Return the run's model with its ``"best"`` or ``"last"`` weights.

        Raises:
            FileNotFoundError: if the run has not got so far.
            ValueError: for weights other than these two.
        """
        path = self.weights_file(weights)
        model = build_model(self.recipe)
        model.load_weights(path)
        return model

    def weights_file(self, weights="best"):
        """Return the path of the run's ``"best"`` or ``"last"`` weights.

        Raises:
            FileNotFoundError: if the run has not got so far.
            ValueError: for weights other than these two.
        """
        if weights not in ("best", "last"):
            raise ValueError(f"weights must be 'best' or 'last'; {weights!r} came")
        path = self.path / f"{weights}.weights.h5"
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: no {weights} weights yet; the run has finished {len(self.history)} of "
                f"{self.recipe.epochs} epochs. Continue it with --resume"
            )
        return path

    def _read(self, name):
        """Read one of the run's JSON files."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"{self.path / name}: expected JSON written by xraylab, but {error}. "
                "Restore the file or train again"
            ) from error


def build_model(recipe):
    """Build the untrained model of a recipe: a classifier, or an encoder with its decoder."""
    options = dict(recipe.model_options)
    if recipe.precision != "float32":
        options["dtype"] = recipe.precision
    if recipe.objective == "masked_reconstruction":
        return models.build_gmml(recipe.model, image_size=recipe.size, **options)
    num_labels = len(recipe.label_names)
    model = models.build(recipe.model, image_size=recipe.size, num_labels=num_labels, **options)
    if hasattr(model, "reconstruction_weight"):
        model.reconstruction_weight = recipe.reconstruction_weight
    return model


def load_images(recipe, split, progress=True):
    """Load one split of the images of a recipe, as it trains or is judged on them."""
    options = dict(recipe.data_options)
    if split == "train" and recipe.num_images is not None:
        options["num_images"] = recipe.num_images
    return data.load(
        recipe.data,
        size=recipe.size,
        split=split,
        label_names=recipe.label_names,
        progress=progress,
        **options,
    )


def start_weights(recipe, model):
    """Give a model the weights of the run that its recipe starts from, if it names one.

    From a run of masked pre-training only the encoder is taken; from any other, everything.

    Raises:
        FileNotFoundError: if there is no such run, or it has no weights yet.
        ValueError: if its weights do not fit.
    """
    if recipe.start_from is None:
        return
    former = Run(recipe.start_from)
    path = former.weights_file("best")
    if former.recipe.objective == "masked_reconstruction":
        load_encoder(model, path)
        return
    if former.recipe.label_names != recipe.label_names:
        raise ValueError(
            f"{former.path} was trained for other labels ({', '.join(former.recipe.label_names)}) "
            f"than these ({', '.join(recipe.label_names)}), so its last layer would answer other "
            "questions. Start from a run with the same label_names, or from masked pre-training"
        )
    model.load_weights(path)


def write_json(path, value):
    """Write JSON that appears whole or not at all."""
    with atomic_write(Path(path)) as stream:
        stream.write((json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def write_weights(path, model, facts=None):
    """Write a model's weights (HDF5) so that they appear whole or not at all.

    Args:
        path: the file.
        model: the model.
        facts: numbers by name to keep in the file, for :func:`weights_facts`.
    """
    content = _FileInMemory()
    # The optimiser is three quarters of what Keras would write; the checkpoint has it.
    keras.saving.save_weights(model, content, objects_to_skip=[getattr(model, "optimizer", None)])
    if facts is not None:
        with h5py.File(content, "r+") as file:
            file.attrs["xraylab_facts"] = json.dumps(facts)
    with atomic_write(Path(path)) as stream:
        stream.write(content.getbuffer())


def weights_facts(path):
    """Return the facts kept in a file of :func:`write_weights`, or None if it has none."""
    if not Path(path).exists():
        return None
    with h5py.File(path) as file:
        return json.loads(file.attrs.get("xraylab_facts", "null"))


class _FileInMemory(io.BytesIO):
    """A file in memory, with a name, which Keras judges by its end.

    HDF5 must not meet the disk itself: when that is full, it takes the whole process down.
    """

    def __str__(self):
        return "model.weights.h5"
