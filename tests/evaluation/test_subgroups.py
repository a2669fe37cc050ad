"""Scores by subgroup, compared with those of the subgroup alone."""

import numpy as np
import pandas as pd
import pytest

from xraylab import evaluation


def make_images(num_images=200):
    rng = np.random.default_rng(0)
    y_true = (rng.random((num_images, 2)) < 0.4).astype(int)
    groups = rng.choice(["AP", "PA", ""], num_images)
    noise = np.where(groups == "AP", 0.6, 0.1)[:, np.newaxis]
    return y_true, np.clip(0.3 + 0.4 * y_true + noise * rng.normal(size=y_true.shape), 0, 1), groups


def test_group_scores_match_the_group_alone_in_ascending_order():
    y_true, probabilities, groups = make_images()
    found = evaluation.by_group(y_true, probabilities, groups, replicates=50)
    assert [group.name for group in found] == ["AP", "PA"]
    for group in found:
        rows = groups == group.name
        assert group.num_images == rows.sum()
        alone = evaluation.bootstrap(y_true[rows], probabilities[rows], 50)["macro_auc"]
        assert group.score == alone
        assert group.labels == ("label_0", "label_1")


def test_patients_are_restricted_to_the_group():
    y_true, probabilities, groups = make_images()
    patients = np.arange(200) // 2
    found = evaluation.by_group(
        y_true, probabilities, groups, "accuracy", replicates=20, patients=patients
    )
    rows = groups == found[0].name
    alone = evaluation.bootstrap(
        y_true[rows], probabilities[rows], 20, scores=["accuracy"], patients=patients[rows]
    )
    assert found[0].score == alone["accuracy"]


def test_macro_average_uses_the_same_labels_in_all_groups():
    """A group that lacks an easy finding must not score lower for it."""
    y_true, probabilities, groups = make_images()
    y_true[groups == "AP", 1] = 0
    found = evaluation.by_group(y_true, probabilities, groups, replicates=10, label_names="ab")
    assert {group.labels for group in found} == {("a",)}
    for group in found:
        rows = groups == group.name
        alone = evaluation.bootstrap(y_true[rows], probabilities[rows], 1)["label_0"]
        assert group.score.value == alone.value
    y_true[groups == "AP", 0] = 0
    with pytest.raises(ValueError, match="a label with both classes"):
        evaluation.by_group(y_true, probabilities, groups, replicates=10)


def test_missing_values_name_no_group():
    y_true, probabilities, _ = make_images()
    groups = ["AP", "PA", float("nan"), None] * 50
    found = evaluation.by_group(y_true, probabilities, groups, replicates=5)
    assert {group.name for group in found} == {"AP", "PA"}
    groups = pd.Series(groups, dtype="string")
    assert evaluation.by_group(y_true, probabilities, groups, replicates=5) == found


def test_undefined_scores_come_last():
    y_true = np.array([[1], [0], [0], [0]])
    found = evaluation.by_group(
        y_true, [[0.9], [0.1], [0.2], [0.3]], [1, 1, 2, 2], "label_0", replicates=5
    )
    assert [group.name for group in found] == ["1", "2"]
    assert np.isnan(found[1].score.value)


@pytest.mark.parametrize(
    ("groups", "options", "message"),
    [
        (["a"], {}, r"groups\. Expected: 3 values"),
        (["", None, ""], {}, "at least one group"),
        (["a", "a", "b"], {"score": "auc"}, r"scores\. Expected"),
        (["a", "a", "b"], {"patients": [1, 2]}, r"patients\. Expected: 3 values"),
    ],
)
def test_invalid_arguments_are_refused(groups, options, message):
    with pytest.raises(ValueError, match=message):
        evaluation.by_group([[0], [1], [1]], [[0.1], [0.2], [0.3]], groups, **options)
