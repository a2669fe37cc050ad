# ruff: noqa: F821
"""What chapter 15 concludes; runs at its end, with its variables."""

# Records.
assert all(not r.simulated for r in records if r.predictions is None)
assert complete

# Published results.
steps = auc.diff()
assert ((steps.loc[128] > 0) & (steps.loc[224] < 0)).any(), "not monotonic"
up, down = steps["densenet121"].dropna()
assert down < -up < 0, "DenseNet-121 loses more than it had gained"
below = {
    r.model
    for r in results.published()
    if r.data == "ChestX-ray14" and r.scores["micro_auc"] < baseline
}
assert below == {"efficientvit_m5"}, "only the plain model is below the constant prediction"
assert (plain == 0.5).sum() == 9
assert (with_mxa == 0.5).sum() == 4
assert abs(with_mxa.mean() - with_kd.mean()) < 0.002, "KD does not change the mean"
assert (with_kd > with_mxa).sum() == 7
assert (with_kd < with_mxa).sum() == 5

# NIH subset.
assert min(band.low for band in bands) > 0.5, "all models rank better than chance"
assert apart < len(pairs) / 2, "most intervals overlap"
assert abs(effect) < 0.05 < claim, "no large gap for MXA to close"
losses_of_both = {r.recipe["loss"] for r in real if r.recipe["model"].startswith("efficientvit_m0")}
assert len(losses_of_both) == 1, "the same loss"
assert 0 < ensemble["difference"]["low"] < ensemble["difference"]["value"] < 0.03, "not by much"

# Simulated images.
assert any(r.intervals["macro_auc"].low > 0.5 for r in at_64 if r.recipe["model"] in lower)
assert "asymmetric" in {r.recipe["loss"] for r in at_64 if r.recipe["model"] in lower}
assert min(r.score("macro_auc") for r in at_64) < 0.6, "some are close to chance"
gaps = [r.score("micro_auc") - r.prevalence_baseline.micro_auc for r in at_64]
assert min(gaps) < 0.02, "hardly above the prevalence baseline"
assert len({(r.data["train"].num_images, r.recipe["epochs"]) for r in at_64}) == 1
positives = {row.label: row.positives for row in at_64[0].scores["test"].per_finding}
widths = {
    name: np.mean([r.intervals[name].high - r.intervals[name].low for r in at_64])
    for name in FINDINGS
}
assert max(widths, key=widths.get) == min(positives, key=positives.get) == "hernia"

# Uncertainty of a difference.
assert row.low > 0, "beyond the variation between images"
assert 0.9 * separate < paired < separate, "pairing narrows the interval only slightly"
assert ratio < stats.t.ppf(0.975, count - 1), "the difference of the recipes is not established"
assert 0.005 < deviation < 0.025, "one or two hundredths"
assert all(s.deviation < 0.01 for s in spreads["REAL"]), "below one"
assert 0 < order.statistic < 1, "the two orders agree partly"


def solution(first, second, rows):
    """Solve the exercise on the paired bootstrap."""
    means = (second - first)[rows].mean(axis=1)
    return np.quantile(means, [0.025, 0.975])


assert check.exercise("15.paired", solution)
