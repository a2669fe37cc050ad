"""A run: the folder in which a training leaves all that tells what it was and what came of it.

======================  ==================================================================
``run.json``            recipe, data fingerprints, when it began
``history.json``        one row an epoch
``checkpoints/``        the last two checkpoints
``best.weights.h5``     weights of the epoch with the best validation macro AUC
``last.weights.h5``     weights after the last epoch
``report.json``         written when the run has finished
``scores-SPLIT.json``   written by ``xraylab evaluate``
======================  ==================================================================
"""

import json
import shutil
import tempfile
from pathlib import Path

from xraylab import models
from xraylab.data.files import write_whole
from xraylab.training.recipe import Recipe


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

    def load_model(self, weights="best"):
        """Return the run's model with its ``"best"`` or ``"last"`` weights.

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
        model = build_model(self.recipe)
        model.load_weights(path)
        return model

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
    """Build the untrained model of a recipe."""
    return models.build(recipe.model, image_size=recipe.size, num_labels=len(recipe.label_names))


def write_json(path, value):
    """Write JSON that appears whole or not at all."""
    with write_whole(Path(path)) as stream:
        stream.write((json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def write_weights(path, model):
    """Write a model's weights (HDF5) so that they appear whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        # Keras writes to a path of its own choosing of name only.
        written = Path(folder) / "model.weights.h5"
        model.save_weights(written)
        with write_whole(Path(path)) as stream, written.open("rb") as content:
            shutil.copyfileobj(content, stream)
