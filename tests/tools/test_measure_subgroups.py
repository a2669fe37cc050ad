"""Scores by group agree with scikit-learn's, and a planted shift of one projection is found."""

from types import SimpleNamespace

import measure_subgroups as tool
import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import recall_score, roc_auc_score

from xraylab.findings import FINDINGS

NUM_IMAGES, NUM_PATIENTS = 1200, 400
AP_ONLY, RARE = FINDINGS.index("edema"), FINDINGS.index("hernia")


@pytest.fixture(scope="module")
def images():
    """Return a split of 14 findings; edema depends on the projection, hernia is rare."""
    rng = np.random.default_rng(0)
    columns = [("patient", int), ("sex", "U1"), ("age", float), ("view", "U2")]
    table = np.zeros(NUM_IMAGES, columns)
    table["patient"] = rng.integers(0, NUM_PATIENTS, NUM_IMAGES)
    table["sex"] = np.where(table["patient"] % 2, "M", "F")
    table["age"] = rng.integers(10, 90, NUM_IMAGES)
    table["view"] = rng.choice(["PA", "AP"], NUM_IMAGES)
    labels = (rng.random((NUM_IMAGES, 14)) < 0.2).astype(float)
    labels[:, AP_ONLY] = rng.random(NUM_IMAGES) < np.where(table["view"] == "AP", 0.4, 0.1)
    labels[:, RARE] = table["patient"] < tool.MIN_PATIENTS - 1

    class Images(SimpleNamespace):
        def __len__(self):
            return NUM_IMAGES

    return Images(labels=labels, table=table)


@pytest.fixture(scope="module")
def model(images):
    """Return a record whose logits are higher on AP images, and know edema by that alone."""
    rng = np.random.default_rng(1)
    ap = images.table["view"] == "AP"
    logits = images.labels + ap[:, np.newaxis] + rng.normal(size=images.labels.shape)
    logits[:, AP_ONLY] = ap
    point = SimpleNamespace(threshold=float(expit(1.0)))
    return SimpleNamespace(
        recipe={"model": "toy"},
        predictions={"test": SimpleNamespace(probabilities=expit(logits))},
        operating_points=dict.fromkeys(tool.RULES, [point] * 14),
    )


@pytest.fixture(scope="module")
def measured(images, model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tool, "REPLICATES", 300)
        return tool.measure(images, images, [model])


def expected(labels, probabilities, finding):
    """Compute the AUC, sensitivity and specificity of some images by scikit-learn."""
    truth, predicted = labels[:, finding], probabilities[:, finding]
    called = predicted > expit(1.0)
    recalls = [recall_score(truth, called, pos_label=label) for label in (1, 0)]
    return [roc_auc_score(truth, predicted), *recalls]


def test_weighted_scores_are_those_of_repeated_images(images, model):
    probabilities = model.predictions["test"].probabilities
    masks = [images.table["sex"] == "F", images.table["view"] == "AP"]
    thresholds = dict.fromkeys(tool.RULES, np.full(14, expit(1.0)))
    scores = tool.GroupScores(images.labels, probabilities, thresholds, masks)
    weights = np.random.default_rng(2).integers(0, 3, (2, NUM_IMAGES))
    found = scores.score(weights)
    assert found.shape == (2, 2, len(tool.SCORES) + 1, 14)
    for row, weight in enumerate(weights):
        for group, mask in enumerate(masks):
            rows = np.repeat(np.flatnonzero(mask), weight[mask])
            for finding in (0, AP_ONLY):
                auc, *at_point = expected(images.labels[rows], probabilities[rows], finding)
                wanted = [auc, *at_point, *at_point]
                np.testing.assert_allclose(found[row, group, :-1, finding], wanted)


def test_pairs_within_groups_are_counted_one_by_one():
    rng = np.random.default_rng(3)
    truth, group = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    scores = rng.integers(0, 6, 60)  # with ties
    won = [
        (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])
        for i in np.flatnonzero(truth)
        for j in np.flatnonzero(truth == 0)
        if group[i] == group[j]
    ]
    areas = [roc_auc_score(truth[group == g], scores[group == g]) for g in (0, 1)]
    pairs = [truth[group == g].sum() * (1 - truth[group == g]).sum() for g in (0, 1)]
    found = tool.within(np.array(areas), np.array(pairs))
    assert found == pytest.approx(np.mean(won))


def test_macro_averages_use_findings_with_enough_patients(images, model, measured):
    probabilities, labels = model.predictions["test"].probabilities, images.labels
    findings = [FINDINGS.index(name) for name in measured["groups"]["projection"]["findings"]]
    assert RARE not in findings
    assert len(findings) == 13
    rows = {row["score"]: row for row in measured["mean"] if row["kind"] == "projection"}
    wanted = [
        np.mean([expected(labels[mask], probabilities[mask], k) for k in findings], axis=0)
        for mask in (images.table["view"] == name for name in ("PA", "AP"))
    ]
    for index, score in enumerate(tool.SCORES[:3]):
        pa, ap = wanted[0][index], wanted[1][index]
        assert [group.value for group in rows[score]["groups"]] == pytest.approx([pa, ap])
        assert rows[score]["difference"]["value"] == pytest.approx(ap - pa)
    # by_group draws its own resamples of the one model that there is.
    [row] = [
        row
        for row in measured["by_model"]
        if row["score"] == "roc_auc" and row["kind"] == "projection"
    ]
    for alone, group in zip(row["groups"], rows["roc_auc"]["groups"], strict=True):
        assert alone.value == pytest.approx(group.value)
        assert alone.low == pytest.approx(group.low, abs=0.01)


def test_intervals_of_differences_resample_patients(images, model, measured):
    """A plain bootstrap of patients, by scikit-learn, has the same width."""
    table, probabilities = images.table, model.predictions["test"].probabilities
    rng, drawn = np.random.default_rng(4), []
    of_patient = [np.flatnonzero(table["patient"] == p) for p in np.unique(table["patient"])]
    for _ in range(300):
        chosen = rng.integers(0, len(of_patient), len(of_patient))
        rows = np.concatenate([of_patient[i] for i in chosen])
        women = table["sex"][rows] == "F"
        men, women = (
            roc_auc_score(images.labels[rows[m], 0], probabilities[rows[m], 0])
            for m in (~women, women)
        )
        drawn.append(women - men)
    low, high = np.percentile(drawn, [2.5, 97.5])
    [row] = [
        row["difference"]
        for row in measured["by_finding"]
        if (row["kind"], row["score"], row["finding"]) == ("sex", "roc_auc", FINDINGS[0])
    ]
    assert row["high"] - row["low"] == pytest.approx(high - low, rel=0.2)


def test_a_planted_shift_is_found_and_no_other(measured):
    holm = {(r["kind"], r["score"]): r["difference"]["holm"] for r in measured["mean"]}
    assert holm["projection", "specificity_f1"] < 0.11, "the least that 300 replicates allow"
    assert holm["projection", "sensitivity_f1"] < 0.11
    assert all(value > 0.11 for (kind, _), value in holm.items() if kind != "projection")


def test_a_model_of_the_projection_has_no_auc_within_projections(images, measured):
    by_finding = {row["finding"]: row for row in measured["projection"]["by_finding"]}
    row = by_finding["edema"]
    ap = images.table["view"] == "AP"
    assert row["within"].value == 0.5
    assert row["pooled"].value == pytest.approx(roc_auc_score(images.labels[:, AP_ONLY], ap))
    assert row["pooled"] == measured["projection"]["alone"]["edema"]
