# ruff: noqa: F821
"""What chapter 4 concludes; runs at its end, with its variables."""

import numpy as np

# Accuracy and the all-negative baseline.
assert negative.exact_match > independent + 0.05, "more images are free of all findings"
assert set(printed) == {0.947, 0.948}
assert 0.9465 <= negative.accuracy < 0.9475, "a printed 0.947 includes the baseline"
assert max(printed) + 0.0005 - negative.accuracy < 0.0012
assert scores["macro_auc"] > 0.8
assert 0 < scores["accuracy"] - base["accuracy"] < 0.001
assert scores["exact_match"] < base["exact_match"]
assert intervals["exact_match"]["high"] > base["exact_match"], "by less than its uncertainty"


falling, f1_of_top = (line.get_ydata() for line in predict_top("atelectasis").axes[0].lines)
assert (np.diff(falling) < 0).all(), "the accuracy falls with every group"
assert 0 < f1_of_top.argmax() < 15, "the F1 score has its maximum in between"
assert max(top.values()) > 0.5
assert 0.945 < acc_of_medvit < 0.955
assert auc_of_medvit > 0.9
assert np.interp(0.85, auc_at, acc_at) - acc_at[0] < 0.01, "flat at the AUCs of real models"

# The ROC curve and its area.
assert np.isclose(np.trapezoid(tpr, fpr), metrics.roc_auc(y, scored))
assert [round(exact[n], 2) for n in ("emphysema", "effusion", "infiltration")] == [0.93, 0.88, 0.72]
assert all(0 <= exact[name] - coarse[name] < 0.02 for name in FINDINGS), "a little is lost"


def auc_by_ranks(y, scored):
    """Solve the exercise on the AUC by ranks."""
    from scipy.stats import rankdata

    ranks, positive = rankdata(scored), np.asarray(y) == 1
    p, n = positive.sum(), (~positive).sum()
    return (ranks[positive].sum() - p * (p + 1) / 2) / (p * n)


assert check.exercise("04.auc", auc_by_ranks)

# Macro and micro AUC.
assert same_finding < 0.1
assert np.isclose(by_formula, baseline.micro_auc)
assert round(by_formula, 2) == 0.75
assert micro["calibrated"] > micro["balanced"] + 0.02
for certain in (counts["positive"] / 187641, rate):
    assert metrics.constant_micro_auc(certain, certain) > 0.75, "under either policy"
for row in results.published():
    value = row.scores.get("micro_auc")
    if value is not None:
        assert (value < base_of[row.data]) == ("mxa" not in row.model), row
assert 0 < base_of_seven - 0.7132 < 0.01, "only just below"
f1 = {row.model: row.scores["f1"] for row in results.published() if "f1" in row.scores}
assert f1["efficientvit_m5"] < f1_best < f1["efficientvit_m5_mxa_kd"]

# Average precision.
aps = [row["average_precision"] for row in scores["per_finding"]]
assert set(np.argsort(aps)[-3:]) != set(np.argsort(aucs)[-3:])

# Uncertainty.
assert 0.85 < coverage < 0.965
assert SCALE == "smoke" or 0.95 - coverage < 3 * standard_error, "needs more intervals"
one, images, patients = width.values()
assert abs(images / one - 0.5) < 0.08
assert abs(patients / one - 1) < 0.1
assert max(ratio, key=ratio.get) == "accuracy"
widths = {n: intervals[n]["high"] - intervals[n]["low"] for n in FINDINGS}
assert max(widths, key=widths.get) == "hernia"
band = intervals["hernia"]
best_others = sorted(set(exact.values()) - {exact["hernia"]})[-5:]
assert all(band["low"] < auc < band["high"] for auc in best_others)
assert test.interval(0)[1] > test.interval(1)[0], "the separate intervals overlap"
assert test.interval(1)[1] > test.interval(0)[0]
assert test.p_value < 0.05
assert paired.p_value < 0.05
assert 0.4 < np.mean(raw) < 0.65
assert np.mean(adjusted) < 0.1

# Losses.
computed = [float(loss(*given)) for loss in package]
assert np.allclose(computed, list(by_hand.values()), rtol=1e-4)


def known_cross_entropy(y, z):
    """Solve the exercise on unknown labels."""
    loss = np.logaddexp(0, z) - y * z
    return loss[~np.isnan(y)].mean()


assert check.exercise("04.known", known_cross_entropy)
assert 0.7 < easy_fraction < 0.8, "three quarters of the predictions"
assert 0.08 < parts["cross-entropy"][0] < 0.12, "about a tenth of the gradient"
assert abs(parts["cross-entropy"][2] - 0.5) < 0.05, "upward and downward nearly cancel"
assert all(abs(parts[name][2] - 0.5) > 0.1 for name in list(KINDS)[1:])
assert abs(best("cross-entropy", 0.05) - 0.05) < 0.002
assert abs(best("weighted, π = 0.05", 0.05) - 0.5) < 0.01
assert best("focal, γ = 2", 0.002) / 0.002 > best("focal, γ = 2", 0.3) / 0.3 > 1
assert best("asymmetric", 0.002) > 0.049
assert all((np.diff(curve) >= 0).all() for curve in best_of.values()), "the maps are increasing"
down, up = (np.interp(0.3, p, slopes["cross-entropy"]) for slopes in (gradient, upward))
assert abs(down / (down + up) - 0.3) < 0.002
