"""What a model said of its images, kept so that anybody can score it again."""

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

from xraylab.io import atomic_write, sha256
from xraylab.models import sigmoid
from xraylab.results.errors import ResultError

SPLITS = ("val", "test")
BROKEN = (EOFError, zipfile.BadZipFile, zlib.error)
"""What else a file that is no npz may raise."""

UNKNOWN = 255
"""Stands for a label that is unknown in the file."""


@dataclass(frozen=True)
class Answers:
    """The labels of one split, and a model's answers.

    Attributes:
        labels: (num_images, num_labels) uint8: 0, 1, or :data:`UNKNOWN`.
        logits: (num_images, num_labels) float32.
        patients: (num_images,) whose image each is, numbers or text; None where nobody knows.
    """

    labels: np.ndarray
    logits: np.ndarray
    patients: np.ndarray | None

    @property
    def truth(self):
        """Labels with nan where they are unknown, (num_images, num_labels) float32."""
        return np.where(self.labels == UNKNOWN, np.nan, self.labels).astype(np.float32)

    @property
    def probabilities(self):
        """Probabilities in [0, 1], (num_images, num_labels) float32."""
        return sigmoid(self.logits)

    @property
    def labels_sha256(self):
        """Hash of the labels: images at another size have the same, in the same order."""
        shape = ",".join(map(str, self.labels.shape))
        return hashlib.sha256(shape.encode() + b";" + self.labels.tobytes()).hexdigest()


def answers_of(split, logits, patients):
    """Return the :class:`Answers` for a :class:`xraylab.data.Split`."""
    truth = np.asarray(split.truth, dtype=np.float32)
    labels = np.where(np.isnan(truth), UNKNOWN, truth).astype(np.uint8)
    logits = np.asarray(logits, dtype=np.float32)
    return Answers(labels, logits, None if patients is None else _plain_names(patients))


def write_predictions(folder, name, answers):
    """Write the answers of all splits to ``NAME-HASH.npz`` and return file name and SHA-256.

    The hash in the name lets a new file lie beside the old one until the record points to it.
    """
    arrays = {}
    for split in SPLITS:
        arrays[f"{split}_labels"] = answers[split].labels
        arrays[f"{split}_logits"] = answers[split].logits
        if answers[split].patients is not None:
            arrays[f"{split}_patients"] = answers[split].patients
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    total = hashlib.sha256(content.getbuffer()).hexdigest()
    file = file_name(name, total)
    with atomic_write(folder / file) as stream:
        stream.write(content.getbuffer())
    return {"file": file, "sha256": total}


def file_name(name, total):
    """Return the name of the file of predictions with this SHA-256, for a record of this name."""
    return f"{name}-{total[:12]}.npz"


def read_predictions(path, total):
    """Return the :class:`Answers` of each split from a file with this SHA-256.

    Raises:
        ResultError: naming the file, if it is missing, another, or not what xraylab writes.
    """
    if not path.exists():
        raise ResultError(f"{path}: these predictions are missing. Restore the file")
    if sha256(path) != total:
        raise ResultError(
            f"{path}: not the predictions that were recorded; their SHA-256 is {total}. Restore "
            "the file"
        )
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        answers = {split: _answers(arrays, split) for split in SPLITS}
    except (OSError, LookupError, ValueError, TypeError, AttributeError, *BROKEN) as error:
        raise ResultError(f"{path}: expected predictions written by xraylab; {error}") from error
    return answers


def _answers(arrays, split):
    """Return the checked :class:`Answers` of one split."""
    labels, logits = arrays[f"{split}_labels"], arrays[f"{split}_logits"]
    patients = arrays.get(f"{split}_patients")
    good = labels.dtype == np.uint8 and logits.dtype == np.float32
    good &= labels.ndim == 2 and labels.shape == logits.shape and labels.size > 0
    good &= patients is None or patients.shape == labels.shape[:1]
    if not good or not np.isfinite(logits).all() or not np.isin(labels, (0, 1, UNKNOWN)).all():
        raise ValueError(
            f"its {split} arrays are not labels (uint8; 0, 1 or {UNKNOWN}) and finite logits "
            "(float32) of one shape"
        )
    return Answers(labels, logits, patients)


def _plain_names(patients):
    """Return patients as numbers or as text, never as Python objects, which would be pickled."""
    patients = np.asarray(patients)
    if patients.dtype.kind in "iu":
        return patients.astype(np.int64)
    return np.array([who.decode() if isinstance(who, bytes) else str(who) for who in patients])
