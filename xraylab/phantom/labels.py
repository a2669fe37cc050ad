"""ChestMNIST's joint label distribution, and label vectors drawn from it.

The table counts how many films of each split carry each distinct label vector: facts about
ChestMNIST (``yang2023``), made by ``tools/make_label_table.py``.
"""

import csv
from functools import cache
from importlib import resources

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.phantom.draws import uniform


@cache
def label_counts():
    """Return every distinct label vector of ChestMNIST and the number of its films.

    Returns:
        vectors (k, 14) uint8 in the order of :data:`xraylab.findings.FINDINGS`, and counts (k, 3)
        int64 for the training, validation and test films. Both are read-only.
    """
    table = resources.files("xraylab.phantom") / "label_vectors.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    vectors = np.array([[int(digit) for digit in row["labels"]] for row in rows], dtype=np.uint8)
    counts = np.array([[int(row[name]) for name in ("train", "val", "test")] for row in rows])
    vectors.flags.writeable = counts.flags.writeable = False
    return vectors, counts


def draw_labels(indices, seed=0):
    """Return the label vectors of phantom films, drawn from all films of ChestMNIST.

    Shapes:
        indices: (n,) whole numbers of at least 0.
        returns: (n, 14) uint8, 0 or 1.

    Raises:
        ValueError: if an index is no whole number of at least 0.
    """
    indices = check_indices(indices)
    vectors, counts = label_counts()
    edges = np.cumsum(counts.sum(axis=1))
    drawn = uniform(seed, indices, "labels", 1)[:, 0] * edges[-1]
    return vectors[np.searchsorted(edges, drawn, side="right")]


def check_indices(indices):
    """Return the numbers of the films as (n,) int64, or say what is wrong with them.

    Raises:
        ValueError: if they are not one or more whole numbers from 0 to 2**63 - 1, in one row.
    """
    array = np.atleast_1d(np.asarray(indices))
    if (
        array.ndim != 1
        or not len(array)
        or array.dtype.kind not in "iu"
        or array.min() < 0
        or array.max() > np.iinfo(np.int64).max
    ):
        raise ValueError(
            "indices must be one or more whole numbers from 0 to 2**63 - 1, in one row; "
            f"{array.shape} {array.dtype} came"
        )
    return array.astype(np.int64)


def check_labels(labels, num_films):
    """Return given label vectors as an array, or say what is wrong with them.

    Raises:
        ValueError: if they are not (num_films, 14) zeros and ones.
    """
    labels = np.asarray(labels)
    expected = (num_films, len(FINDINGS))
    if labels.shape != expected or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"labels must be {expected} zeros and ones, a column a finding; "
            f"{labels.shape} {labels.dtype} came"
        )
    return labels.astype(np.uint8)
