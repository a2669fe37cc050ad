"""ChestMNIST's joint label distribution, and label vectors drawn from it.

The table counts how many images of each split carry each distinct label vector: facts about
ChestMNIST (``yang2023``), made by ``tools/make_label_table.py``.
"""

import csv
import operator
from functools import cache
from importlib import resources

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.phantom.draws import uniform
from xraylab.phantom.knobs import check_prevalence, in_order

MOST_SEED = 2**63 - 1
"""The largest seed."""

SPLIT_SIZES = {"train": 78_468, "val": 11_219, "test": 22_433}
"""Number of images in each split of ChestMNIST; the splits stand in the order of the table."""


@cache
def label_counts():
    """Return every distinct label vector of ChestMNIST and the number of its images.

    Returns:
        vectors (k, 14) uint8 in the order of :data:`xraylab.findings.FINDINGS`, and counts (k, 3)
        int64 for the training, validation and test images. Both are read-only.
    """
    table = resources.files("xraylab.phantom") / "label_vectors.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    vectors = np.array([[int(digit) for digit in row["labels"]] for row in rows], dtype=np.uint8)
    counts = np.array([[int(row[name]) for name in SPLIT_SIZES] for row in rows])
    vectors.flags.writeable = counts.flags.writeable = False
    return vectors, counts


def draw_labels(indices, seed=0, *, split=None, prevalence=None):
    """Return the label vectors of phantom images, drawn from ChestMNIST's joint distribution.

    With a prevalence every finding is drawn independently of the others instead. A mapping changes
    only the findings it names; the others keep the prevalence that they have in ``split``.

    Shapes:
        indices: (n,) whole numbers of at least 0.
        returns: (n, 14) uint8, 0 or 1.

    Args:
        seed: whole number of at least 0; another seed gives another population.
        split: ``"train"``, ``"val"`` or ``"test"`` for the images of that split of ChestMNIST; None
            for all its images. A prevalence that covers every finding leaves nothing of it.
        prevalence: None, a number from 0 to 1 for every finding, or a mapping from finding to
            number.

    Raises:
        ValueError: if an index is no whole number of at least 0, or another argument is not one of
            the above.
    """
    indices, seed = check_indices(indices), check_whole("seed", seed, 0, MOST_SEED)
    counts = _counts_of(split)
    vectors, _ = label_counts()
    prevalence = check_prevalence(prevalence)
    if prevalence is not None:
        wanted = in_order(prevalence, counts @ vectors / counts.sum())
        return (uniform(seed, indices, "prevalence", len(FINDINGS)) < wanted).astype(np.uint8)
    edges = np.cumsum(counts)
    drawn = uniform(seed, indices, "labels", 1)[:, 0] * edges[-1]
    return vectors[np.searchsorted(edges, drawn, side="right")]


def _counts_of(split):
    """Return (k,) numbers of images that carry each label vector in a split, or in all of them."""
    _, counts = label_counts()
    if split is None:
        return counts.sum(axis=1)
    if not isinstance(split, str) or split not in SPLIT_SIZES:
        raise ValueError(f"split must be one of {', '.join(SPLIT_SIZES)}, or None; {split!r} came")
    return counts[:, list(SPLIT_SIZES).index(split)]


def check_indices(indices):
    """Return the numbers of the images as (n,) int64, or say what is wrong with them.

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
        whole = array.size and array.dtype.kind in "iu"
        bounds = f", from {array.min()} to {array.max()}," if whole else ""
        raise ValueError(
            "indices must be one or more whole numbers from 0 to 2**63 - 1, in one row; "
            f"{array.shape} {array.dtype}{bounds} came"
        )
    return array.astype(np.int64)


def check_labels(labels, num_images):
    """Return given label vectors as an array, or say what is wrong with them.

    Raises:
        ValueError: if they are not (num_images, 14) zeros and ones.
    """
    expected = (num_images, len(FINDINGS))
    wanted = f"labels must be {expected} zeros and ones, a column a finding"
    try:
        labels = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"{wanted}; rows of different lengths came") from error
    if labels.shape != expected:
        raise ValueError(f"{wanted}; {labels.shape} {labels.dtype} came")
    wrong = labels[~np.isin(labels, (0, 1))]
    if len(wrong):
        raise ValueError(f"{wanted}; {wrong[0]!r} came among them")
    return labels.astype(np.uint8)


def check_whole(name, value, least, most):
    """Return a whole number, or say why it is none."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}; {value!r} came")
    return number
