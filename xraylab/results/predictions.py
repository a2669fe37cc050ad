"""Predictions of a recorded run, stored so that its scores can be recomputed.

Labels and patients are stored beside the logits unless they must not be redistributed. Then scores
are recomputed where the images are at hand.
"""

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from xraylab import data, io

SPLITS = ("val", "test")

UNKNOWN = 255
"""Code of an unknown label in the file."""

UNREADABLE = (OSError, EOFError, LookupError, ValueError, zipfile.BadZipFile, zlib.error)
"""Errors of reading a file that :func:`save` did not write."""


@dataclass(frozen=True)
class Predictions:
    """Labels and predictions of one split.

    Attributes:
        labels: (num_images, num_labels) uint8: 0, 1, or :data:`UNKNOWN`.
        logits: (num_images, num_labels) float32.
        patients: (num_images,) patient of each image, integers or text; None if unknown.
    """

    labels: np.ndarray
    logits: np.ndarray
    patients: np.ndarray | None

    @classmethod
    def of(cls, split: data.Split, logits: np.ndarray, patients: ArrayLike | None) -> Self:
        """Collect the labels of a split and the logits of a model.

        Shapes:
            logits: (num_images, num_labels); patients: (num_images,), integers or text.
        """
        labels = np.where(np.isnan(split.labels), UNKNOWN, split.labels).astype(np.uint8)
        if patients is not None:
            patients = np.asarray(patients)
            if patients.dtype.kind not in "iu":
                patients = patients.astype(str)  # objects would be pickled
        return cls(labels, np.asarray(logits, dtype=np.float32), patients)

    @property
    def y_true(self) -> np.ndarray:
        """(num_images, num_labels) float32 labels, NaN where unknown."""
        return np.where(self.labels == UNKNOWN, np.nan, self.labels).astype(np.float32)

    @property
    def probabilities(self) -> np.ndarray:
        """(num_images, num_labels) float64 probabilities: different logits stay different."""
        return expit(self.logits.astype(np.float64))

    @property
    def unit(self) -> Literal["images", "patients"]:
        """What the bootstrap resamples."""
        return "images" if self.patients is None else "patients"

    @property
    def labels_sha256(self) -> str:
        """Checksum of the labels; the same images at another size have the same."""
        shape = ",".join(map(str, self.labels.shape))
        return hashlib.sha256(shape.encode() + b";" + self.labels.tobytes()).hexdigest()


def save(path: Path, predictions: dict[str, Predictions], labels: bool) -> None:
    """Write the predictions of all splits to an ``.npz`` file, whole or not at all.

    Args:
        path: the file.
        predictions: the predictions by split.
        labels: whether to write labels and patients beside the logits.
    """
    arrays = {}
    for split, values in predictions.items():
        for name, array in vars(values).items():
            if array is not None and (labels or name == "logits"):
                arrays[f"{split}_{name}"] = array
    with io.atomic_write(path) as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def load(path: Path, images: dict[str, data.Split]) -> dict[str, Predictions] | None:
    """Read the :class:`Predictions` of each split.

    Args:
        path: the file.
        images: the images that were predicted, by split, as far as they are at hand: their labels
            and patients are used if the file has none.

    Returns:
        The predictions by split; None without labels.

    Raises:
        ValueError: naming the file, if it is missing or has other content.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            predictions = {}
            for split in SPLITS:
                logits, labels = stored[f"{split}_logits"], stored.get(f"{split}_labels")
                if labels is not None:
                    patients = stored.get(f"{split}_patients")
                    predictions[split] = Predictions(labels, logits, patients)
                elif split in images:
                    patients = images[split].column("patient")
                    predictions[split] = Predictions.of(images[split], logits, patients)
            return predictions if len(predictions) == len(SPLITS) else None
    except UNREADABLE as error:
        raise ValueError(
            f"{path}: Expected: predictions written by xraylab. Received: {error}. Restore the file"
        ) from error
