"""The table of label vectors, and labels sampled from it."""

import numpy as np
import pytest

from xraylab import phantom
from xraylab.findings import FINDINGS
from xraylab.phantom import SPLIT_SIZES

POSITIVES = {
    "train": "7996 1950 9261 13914 3988 4375 978 3705 3263 1690 1799 1158 2279 144",
    "val": "1119 240 1292 2018 625 613 133 504 447 200 208 166 372 41",
    "test": "2420 582 2754 3938 1133 1335 242 1089 957 413 509 362 734 42",
}


def test_table_has_the_published_totals():
    vectors, counts = phantom.label_counts()
    assert dict(zip(SPLIT_SIZES, counts.sum(axis=0).tolist(), strict=True)) == SPLIT_SIZES
    assert list(SPLIT_SIZES.values()) == [78_468, 11_219, 22_433]
    assert len(np.unique(vectors, axis=0)) == len(vectors)
    for column, expected in enumerate(POSITIVES.values()):
        assert (vectors.T @ counts[:, column]).tolist() == list(map(int, expected.split()))
    assert (counts[:, 0] > 0).sum() == 682


def test_table_matches_the_real_labels(real_images):
    from make_label_table import count_vectors

    vectors, counts = phantom.label_counts()
    rows = count_vectors(real_images / "chestmnist_all_labels.npz")
    assert ["".join(map(str, vector)) for vector in vectors] == [row[0] for row in rows]
    np.testing.assert_array_equal(counts, [row[1:] for row in rows])


def test_table_is_read_only():
    vectors, _ = phantom.label_counts()
    with pytest.raises(ValueError, match="read-only"):
        vectors[0, 0] = 1


def deviates(rate, expected, count):
    """Return whether a rate is more than 4.5 standard errors away from its expectation."""
    return np.abs(rate - expected) > 4.5 * np.sqrt(expected * (1 - expected) / count)


@pytest.mark.parametrize("split", [None, "train", "val", "test"])
def test_sampled_labels_follow_the_table(split):
    vectors, counts = phantom.label_counts()
    column = counts.sum(axis=1) if split is None else counts[:, list(SPLIT_SIZES).index(split)]
    weights = column / column.sum()
    labels = phantom.sample_labels(np.arange(40_000), split=split)
    expected = np.append(weights @ vectors, weights[vectors.sum(axis=1) == 0].sum())
    rates = np.append(labels.mean(axis=0), (labels.sum(axis=1) == 0).mean())
    assert not deviates(rates, expected, len(labels)).any()
    # Findings are correlated: effusion is more frequent with edema than without.
    edema, effusion = (labels[:, FINDINGS.index(name)] == 1 for name in ("edema", "effusion"))
    assert effusion[edema].mean() > 1.5 * effusion.mean()


def test_labels_of_a_split_occur_in_that_split():
    vectors, counts = phantom.label_counts()
    sampled = np.unique(phantom.sample_labels(np.arange(40_000), split="val"), axis=0)
    known = {vector.tobytes() for vector in vectors[counts[:, 1] > 0]}
    assert {vector.tobytes() for vector in sampled} <= known


def test_number_is_the_prevalence_of_each_finding_independently():
    labels = phantom.sample_labels(np.arange(40_000), prevalence=0.3)
    assert not deviates(labels.mean(axis=0), 0.3, len(labels)).any()
    correlation = np.corrcoef(labels.T) - np.eye(14)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(len(labels))
    for prevalence in (0, 1):
        labels = phantom.sample_labels(np.arange(99), prevalence=prevalence)
        assert (labels == prevalence).all()


def test_mapping_changes_the_prevalence_of_the_findings_it_names():
    labels = phantom.sample_labels(np.arange(40_000), split="test", prevalence={"hernia": 0.5})
    expected = np.array(list(map(int, POSITIVES["test"].split()))) / SPLIT_SIZES["test"]
    expected[FINDINGS.index("hernia")] = 0.5
    assert not deviates(labels.mean(axis=0), expected, len(labels)).any()


def test_labels_depend_on_index_and_seed_only():
    labels = phantom.sample_labels(np.arange(100))
    np.testing.assert_array_equal(phantom.sample_labels(np.arange(50, 100)), labels[50:])
    assert (phantom.sample_labels(np.arange(100), seed=1) != labels).any()


@pytest.mark.parametrize("split", ["validation", 1, ["train"]])
def test_invalid_split(split):
    with pytest.raises(ValueError, match=r"split\. Expected: one of 'train', 'val', 'test'"):
        phantom.sample_labels([0], split=split)


@pytest.mark.parametrize("indices", [[-1], [0.5], [], [2**63]])
def test_invalid_indices(indices):
    with pytest.raises(ValueError, match=r"indices\. Expected: one or more integers"):
        phantom.sample_labels(indices)
