# ruff: noqa: F821
"""What chapter 17 concludes; runs at its end, with its variables."""

# Calibration, and the loss.
assert outside["highest"][0] > 7, "for most findings the highest predictions are too high"
assert outside["lowest"][1] == 7, "for half of them the lowest are too low"
assert real_curves["hernia"].mean_predicted.max() < 0.02, "all predictions are close to 0"
errors = {name: evaluation.calibration_error(truth, p) for name, p in methods.items()}
nulls = {name: evaluation.null_calibration_error(p, draws=5) for name, p in methods.items()}
assert 0.94 < 1 - errors["inverse map"] / errors["uncalibrated"] < 0.96, "nineteen twentieths"
assert (np.diff(inverse) >= 0).all(), "the curve is increasing"
assert np.interp(0.5, grid, inverse) < 0.2, "much lower"
by_model = {record.recipe["model"]: record for record in subset}
uncalibrated = {
    n: r.calibration["uncalibrated"].calibration_error.value for n, r in by_model.items()
}
ratios = np.array([uncalibrated["dbct"] / v for n, v in uncalibrated.items() if n != "dbct"])
assert (abs(ratios - 1 / 3) < 0.03).all(), "about a third of the others'"
of_subset_auc = {name: record.score("macro_auc") for name, record in by_model.items()}
assert min(of_subset_auc.values()) < of_subset_auc["dbct"] < max(of_subset_auc.values())

# The calibration error.
assert 1.8 < fall < 2.2, "the square root of the number of images"
measured_error = halves["calibration"]["uncalibrated"]["calibration_error"]
assert (
    2
    < measured_error["value"] / halves["calibration"]["uncalibrated"]["null_calibration_error"]
    < 2.5
)
assert measured_error["high"] < measured_error["value"] < percentile[0], "neither contains it"
assert max(contains[0.0][:2]) < 0.5, "neither interval contains the truth even half of the time"
assert min(contains[1.0]) > 0.85, "for a large error both do"
assert contains[0.25][0] < contains[0.25][1] / 2 or SCALE == "smoke", "much more often"
assert min(hits[2] for hits in contains.values()) > 0.88, "an ordinary interval for the Brier score"

# Recalibration.
assert errors["temperature"] > 5 * nulls["temperature"]
assert errors["Platt"] < 2 * nulls["Platt"]
assert 1.6 < errors["inverse map"] / errors["Platt"] < 2.2, "about half of what is left"
for record in subset:
    platt_scores = record.calibration["platt"]
    assert platt_scores.calibration_error.value < 1.4 * platt_scores.null_calibration_error
found = halves["calibration"]["platt"]
assert found["calibration_error"]["value"] < 1.4 * found["null_calibration_error"]
assert odd == "hernia" and slopes.max() > 1 and others.max() < 1, "all slopes but one are below 1"
assert (positives - scored)[slopes.argmax()] < 48, "a few dozen"
aucs_by_method = [metrics.score(truth, p).macro_auc for p in methods.values()]
assert np.ptp(aucs_by_method) < 1e-9

# Thresholds.
assert max(half) < 50 and sum(value < 10 for value in half) >= 5
assert PREDICTED["uncalibrated"].min() > 0.1, "every uncalibrated prediction exceeds 0.1"
predicted = [calibrated[:, EFFUSION] > x for x in (0.5, 0.2, 0.1, 0.05, 0.02)]
more_found = np.diff([(has & positive).sum() for positive in predicted])
more_false = np.diff([(~has & positive).sum() for positive in predicted])
assert (np.diff(more_found) < 0).all(), "fewer additional effusions"
assert (np.diff(more_false) > 0).all(), "more false positives"
for ratio in (1, 4, 9, 19):
    best = min(mean_cost(PREDICTED["Platt"], ratio, x) for x in THRESHOLDS)
    assert mean_cost(PREDICTED["Platt"], ratio, 1 / (1 + ratio)) < 1.06 * best
baselines = np.maximum(benefit["all positive"], 0)
assert (benefit["Platt"] > baselines)[at > 0.045].all()
assert np.abs(benefit["Platt"] - baselines)[at < 0.045].max() < 0.001, "hardly differs"
negative = at[benefit["uncalibrated"] < 0]
assert abs(negative.min() - before) < 0.02 and negative.max() == at[-1], "up to one half"
assert np.allclose((benefit["uncalibrated"] - benefit["all positive"])[at < 0.15], 0)
assert (model >= np.maximum(everyone, 0) - 1e-3).all()
assert 6 <= (reached >= 0.9).sum() <= 8, "about half of the findings"
assert abs(reached - 0.9).argmax() == scored.argmin(), "largest where positive images are few"
assert f1[order[:4], 0].mean() > 1.5 * f1[order[:4], 1].mean(), "too optimistic for the rare ones"
assert abs(np.subtract(*f1[order[-4:]].mean(axis=0))) < 0.02, "fair for the frequent findings"
measured_aucs = [row["roc_auc"] for row in measured["scores"]["per_finding"]]
assert per_true[-1] > 200 and np.argsort(measured_aucs)[-3:].tolist().count(13) == 1

# Subgroups.
bands = [group["value"] for name, group in rows if name.startswith("age")]
assert (np.diff(bands[:4]) < 0).all(), "decreases with age"
widths = [group["high"] - group["low"] for name, group in rows if name.startswith("age")]
assert np.argmax(widths) == 4, "the oldest group has a wide interval"
ap, pa = (group for name, group in rows if name.startswith("projection"))
assert pa["low"] < ap["high"] < pa["value"] and ap["value"] < pa["value"]
errors = [(group["high"] - group["low"]) / 3.92 for group in (ap, pa)]
most = pa["value"] - ap["value"] + 1.96 * np.hypot(*errors)
assert most > -np.diff(bands[:4]).min(), "like that between neighbouring age bands"
assert 1.2 < lowest < 1.45
assert p_of["age"] < 1e-4 and p_of["sex"] > 0.05 and p_of["projection"] > 0.05
assert 0.015 < abs(observed) < 0.02 and p_value > 0.25
change = {(row["kind"], row["score"]): row["difference"] for row in own["mean"]}
assert [row["num_findings"] for row in own["age_bands"]] == [10, 4, 0], "fewer findings"
significant = {key for key, row in change.items() if row["holm"] < 0.05}
assert significant == {
    ("projection", "roc_auc"),
    ("projection", "sensitivity_f1"),
    ("projection", "specificity_f1"),
    ("projection", "specificity_sensitivity"),
    ("age", "specificity_sensitivity"),
}
assert change["projection", "sensitivity_f1"]["low"] > 0 > change["projection", "roc_auc"]["high"]
assert change["projection", "specificity_f1"]["high"] < 0
assert change["age", "specificity_sensitivity"]["high"] < 0
assert 0.03 < change["projection", "roc_auc"]["holm"] < 0.05, "just below 0.05"
assert change["sex", "sensitivity_f1"]["value"] > 0 > change["sex", "specificity_f1"]["value"]
for kind in own["groups"]:
    width = change[kind, "roc_auc"]["high"] - change[kind, "roc_auc"]["low"]
    assert 0.09 < width < 0.11, "about a tenth wide"
of_model = {
    (row["model"], row["score"])
    for row in own["by_model"]
    if row["kind"] == "sex" and row["difference"]["holm"] < 0.05
}
assert of_model == {("lt_vit_tiny", "sensitivity_f1"), ("dbct", "specificity_sensitivity")}
single = {
    (row["kind"], row["finding"], row["score"]): row["difference"]
    for row in own["by_finding"]
    if row["difference"]["holm"] < 0.05
}
assert single["projection", "pleural_thickening", "specificity_f1"]["low"] > 0
NODULE = FINDINGS.index("nodule")
assert single["age", "nodule", "sensitivity_sensitivity"]["high"] < 0, "missed more often"
missed = {key[:2] for key in single if key[2] == "sensitivity_sensitivity"}
assert missed == {("age", "nodule"), ("projection", "infiltration")}
assert single["projection", "infiltration", "sensitivity_sensitivity"]["low"] > 0, "less often"
assert own["groups"]["age"]["described"][0]["positive_patients"][NODULE] <= 12, "few"

# The projection.
assert ill[0] < ill[1], "patients on AP images have more findings"
assert by_view["mean"]["share"]["value"] < 0.1 and by_view["mean"]["share"]["high"] < 1 / 6
assert by_view["mean"]["difference"]["low"] > 0
assert all(row["difference"]["holm"] < 0.05 for row in by_view["by_model"]), "each model"
largest = sorted(gains, key=lambda name: gains[name]["value"])[-4:]
assert {*largest} == {"consolidation", "edema", "fibrosis", "infiltration"}
assert {*largest} == {*sorted(gains, key=lambda name: by_view["alone"][name]["value"])[-4:]}
shares = {row["finding"]: row["share"]["value"] for row in by_view["by_finding"]}
assert all(0.22 < shares[name] < 0.25 for name in ("consolidation", "infiltration"))
assert [name for name, row in gains.items() if row["holm"] < 0.05] == ["infiltration"]
assert own["groups"]["projection"]["described"][0]["positives"][FINDINGS.index("edema")] < 10
assert np.argmax([row["high"] - row["low"] for row in gains.values()]) == [*gains].index("edema")
# The tool scored the predictions and the thresholds of the records.
shipped = [by_model[name] for name in own["models"]]
for record, row in zip(shipped, by_view["by_model"], strict=True):
    found = [one.roc_auc for one in record.scores["test"].per_finding if one.label in gains]
    assert np.isclose(np.mean(found), row["pooled"]["value"])
for row in own["by_finding"]:
    for rule in ("f1", "sensitivity"):
        if row["score"] == f"sensitivity_{rule}":
            k = FINDINGS.index(row["finding"])
            counts = [g["positives"][k] for g in own["groups"][row["kind"]]["described"]]
            of_groups = [group["value"] for group in row["groups"]]
            of_images = [record.operating_points[rule][k].sensitivity for record in shipped]
            assert np.isclose(np.average(of_groups, weights=counts), np.mean(of_images))
assert all((np.diff(curve) > 0).all() for curve in by_severity.values()), "increases"
assert by_severity["effusion"][0] < 0.62 and by_severity["effusion"][-1] > 0.88
mildest, *others = by_severity["pneumothorax"]
assert mildest < 0.7 and min(others) > 0.88, "only the mildest quarter"
rise = {name: curve[-1] - curve[0] for name, curve in by_severity.items()}
assert {*sorted(rise, key=rise.get)[-2:]} == {"effusion", "pneumothorax"}


def calibration_error(y, p, bins):
    """Solve the exercise on the calibration error."""
    groups = np.array_split(np.argsort(p), bins)
    return np.mean([abs(p[rows].mean() - y[rows].mean()) for rows in groups])


def net_benefit(y, p, threshold):
    """Solve the exercise on the net benefit."""
    positive = p > threshold
    true, false = (positive & (y == 1)).mean(), (positive & (y == 0)).mean()
    return true - false * threshold / (1 - threshold)


assert check.exercise("17.ece", calibration_error)
assert check.exercise("17.net_benefit", net_benefit)
