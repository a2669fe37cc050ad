"""ChestMNIST's joint label distribution, label vectors sampled from it, and label noise.

The table counts how many images of each split carry each distinct label vector: facts about
ChestMNIST (``yang2023``), written by ``tools/make_label_table.py``.
"""

import csv
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument, require_choice, require_int
from xraylab.findings import FINDINGS
from xraylab.phantom.config import PhantomConfig, Rates, per_finding
from xraylab.phantom.rng import MAX_SEED, uniform

SPLIT_SIZES = {"train": 78_468, "val": 11_219, "test": 22_433}
"""Number of images in each split of ChestMNIST, in the order of the table's columns."""


@cache
def label_counts() -> tuple[np.ndarray, np.ndarray]:
    """Return every distinct label vector of ChestMNIST and the number of its images.

    Returns:
        vectors (k, 14) uint8 in the order of :data:`xraylab.findings.FINDINGS`, and counts (k, 3)
        int64 for the training, validation and test images. Both are read-only.
    """
    table = resources.files("xraylab.phantom") / "label_vectors.csv"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    vectors = np.array([[int(digit) for digit in row["labels"]] for row in rows], dtype=np.uint8)
    counts = np.array([[int(row[name]) for name in SPLIT_SIZES] for row in rows])
    vectors.flags.writeable = counts.flags.writeable = False
    return vectors, counts


def sample_labels(
    indices: ArrayLike, seed: int = 0, *, split: str | None = None, prevalence: Rates | None = None
) -> np.ndarray:
    """Sample the label vectors of simulated images from ChestMNIST's joint distribution.

    With a prevalence, every finding is sampled independently of the others instead. A mapping
    changes only the findings it names; the others keep the prevalence that they have in ``split``.

    Shapes:
        indices: (n,) integers, at least 0.
        returns: (n, 14) uint8, 0 or 1.

    Args:
        indices: indices of the images.
        seed: integer, at least 0; another seed gives another population.
        split: ``"train"``, ``"val"`` or ``"test"`` for the distribution in that split of
            ChestMNIST; None for all splits. It has no effect if ``prevalence`` covers all findings.
        prevalence: None, a number from 0 to 1 for every finding, or a mapping from finding to
            number.

    Raises:
        ValueError: for any other value.
    """
    indices, seed = check_indices(indices), require_int("seed", seed, 0, MAX_SEED)
    vectors, by_split = label_counts()
    if split is None:
        counts = by_split.sum(axis=1)
    else:
        counts = by_split[:, [*SPLIT_SIZES].index(require_choice("split", split, SPLIT_SIZES))]
    prevalence = PhantomConfig(prevalence=prevalence).prevalence
    if prevalence is not None:
        probability = per_finding(prevalence, counts @ vectors / counts.sum())
        return (uniform(seed, indices, "prevalence", len(FINDINGS)) < probability).astype(np.uint8)
    cumulative = np.cumsum(counts)
    position = uniform(seed, indices, "labels", 1)[:, 0] * cumulative[-1]
    return vectors[np.searchsorted(cumulative, position, side="right")]


def apply_label_noise(
    findings: ArrayLike, indices: ArrayLike, seed: int, config: PhantomConfig
) -> np.ndarray:
    """Sample the labels of simulated reports with the sensitivity and specificity of ``config``.

    Shapes:
        findings: (n, 14) uint8, 0 or 1, the findings on the images.
        indices: (n,) indices of the images.
        returns: (n, 14) uint8, 0 or 1; ``findings`` where sensitivity and specificity are 1.
    """
    u = uniform(seed, indices, "reader", len(FINDINGS))
    labels = np.where(
        np.asarray(findings) == 1,
        u < per_finding(config.sensitivity, 1.0),
        u >= per_finding(config.specificity, 1.0),
    )
    return labels.astype(np.uint8)


def check_indices(indices: ArrayLike) -> np.ndarray:
    """Return indices of images as (n,) int64; raise a ValueError unless they are valid."""
    array = np.atleast_1d(np.asarray(indices))
    integers = array.ndim == 1 and array.size > 0 and array.dtype.kind in "iu"
    if not integers or array.min() < 0 or array.max() > MAX_SEED:
        expected = "one or more integers from 0 to 2**63 - 1, in one dimension"
        raise invalid_argument("indices", expected, f"{array} of {array.dtype}")
    return array.astype(np.int64)


def check_labels(labels: ArrayLike, num_images: int) -> np.ndarray:
    """Return label vectors as (num_images, 14) uint8; raise a ValueError unless they are valid."""
    labels, shape = np.asarray(labels), (num_images, len(FINDINGS))
    others = labels[~np.isin(labels, (0, 1))]
    if labels.shape != shape or others.size:
        received = f"shape {labels.shape}{f' with {others[0]!r}' if others.size else ''}"
        raise invalid_argument("labels", f"{shape} zeros and ones", received)
    return labels.astype(np.uint8)
