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
separate_pairs = [
    {a.recipe["model"], b.recipe["model"]}
    for i, a in enumerate(from_scratch)
    for b in from_scratch[:i]
    if min(r.intervals["macro_auc"].high for r in (a, b))
    < max(r.intervals["macro_auc"].low for r in (a, b))
]
assert len(separate_pairs) == apart == 3, "from those of three others"
assert all("medvit_small" in pair for pair in separate_pairs)
assert all(change.low < 0 and change.high < claim for change in effects.values()), "none gains"
assert [of for of, change in effects.items() if change.high < 0] == [("M0", "micro_auc")]
assert effects["M0", "micro_auc"].value > -0.01, "slightly lower"
of_m0 = [
    [r.score("micro_auc") for r in real if r.name in measured["mxa_m0"][side]]
    for side in ("first", "second")
]
assert [len(scores) for scores in of_m0] == [3, 3]
assert stats.ttest_ind(*of_m0, equal_var=False).pvalue > 0.1, "the seeds can explain it"
of_both = [r for r in real if r.recipe["model"].startswith("efficientvit")]
assert len({r.recipe["loss"] for r in of_both}) == 1, "the same loss"
for size in ("m0", "m5"):
    of_size = [r for r in from_scratch if r.recipe["model"].startswith(f"efficientvit_{size}")]
    changed = [name for name in results.differences(*of_size) if name.startswith("recipe:")]
    assert all(name.startswith("recipe: model") for name in changed), "nothing but the model"
assert ensemble["single"].startswith("medvit_small")
assert all(gain.low < 0 < gain.high and gain.value < 0 for gain in gains), "neither is higher"
assert ensemble["val_macro_auc"] > ensemble["single_val_macro_auc"]
first, second = singles
assert first.name == ensemble["single"] and second.recipe["model"] == "efficientvit_m0"
assert first.scores["val"].macro_auc - second.scores["val"].macro_auc < 0.0005, "to three digits"
assert ensemble["test_macro_auc"]["value"] > second.score("macro_auc") + 0.01, "decides the sign"
[taught] = [r.score("macro_auc") for r in real if r.name == "medvit_small_64_nih_kd"]
assert all(taught > x["test_macro_auc"]["value"] for x in (ensemble, ensemble["all"]))
for change in by_pixels.values():
    assert change.low < 0 < change.high, "not distinguishable from zero"
assert sum(change.value < 0 for change in started.values()) == 3, "three of the four"
assert -0.005 < started["rr_vit"].high < 0, "excludes zero, by little"
assert all(change.low < 0 < change.high for m, change in started.items() if m != "rr_vit")
assert started["efficientvit_m0"].value < -0.005 and abs(of_seeds["efficientvit_m0"]) < 0.001
for model in started:
    pair = [r for r in real if r.recipe["model"] == model and r.recipe["seed"] == 0]
    pair = [r for r in pair if r.recipe["objective"] != "distillation"]
    assert len(pair) == 2 and len({r.recipe["epochs"] for r in pair}) == 1
assert len(both_sizes) == 4
assert by_pixels["rr_vit"].value < 0, "its sign"
for changes in frequent.values():
    assert len(changes) == 13 and np.mean(changes) > 0, "all but hernia; higher for both models"
assert max(at_128, key=lambda name: at_128[name].value) == "rr_vit", "loses least"
assert at_128["rr_vit"].high < 0 and at_128["lt_vit_tiny"].high < 0
assert at_128["lt_vit_tiny"].value < 2 * at_128["rr_vit"].value, "more"
assert resized.value > -0.02 and resized.high < 0, "little"
large = {row[0]: float(row[3]) for row in rows}
assert min(large["rr_vit"], large["lt_vit_tiny"]) > 0.6
rest = large.keys() - {"rr_vit", "lt_vit_tiny"}
assert max(large[name] for name in rest) < 0.57 and all(at_128[n].high < -0.05 for n in rest)
refused = {name for name, use, *_ in rows if use == "refused"}
assert refused == {"dbct", "efficientvit_m0", "efficientvit_m0_mxa"}
highest = max(from_scratch, key=lambda r: r.score("macro_auc"))
assert highest.name == ensemble["single"], "the other members are weaker"

assert on_val["lt_vit_tiny"].low < 0 < on_val["lt_vit_tiny"].high
weights = {r.weights_sha256 for r in simulated}
weights |= {row["weights_sha256"] for row in book.measured("zero_shot")["rows"]}
from_simulated = [r for r in real if "start_from" in r.initial_weights]
assert {r.initial_weights["start_from"] for r in from_simulated} <= weights, "of these runs"

# Simulated images.
assert any(r.intervals["macro_auc"].low > 0.5 for r in first_seed if r.recipe["model"] in lower)
assert "asymmetric" in {r.recipe["loss"] for r in first_seed if r.recipe["model"] in lower}
assert min(r.score("macro_auc") for r in first_seed) < 0.6, "some are close to chance"
gaps = [r.score("micro_auc") - r.prevalence_baseline.micro_auc for r in first_seed]
assert min(gaps) < 0.02, "hardly above the prevalence baseline"
assert len({(r.data["train"].num_images, r.recipe["epochs"]) for r in first_seed}) == 1
positives = {row.label: row.positives for row in first_seed[0].scores["test"].per_finding}
widths = {
    name: np.mean([r.intervals[name].high - r.intervals[name].low for r in first_seed])
    for name in FINDINGS
}
assert max(widths, key=widths.get) == min(positives, key=positives.get) == "hernia"

# Uncertainty of a difference.
assert [*from_top] == ["efficientvit_m0", "efficientvit_m0_mxa"]
for comparison in from_top.values():
    assert comparison.scores["macro_auc"].low > 0, "beyond the variation between images"
    differing = {n: comparison.labels[n].value > 0 for n, p in comparison.holm.items() if p < 0.05}
    assert len(differing) > 7 and sum(differing.values()) == len(differing) - 2
    assert {n for n, better in differing.items() if not better} == {"cardiomegaly", "emphysema"}
widths = [c.scores["macro_auc"].high - c.scores["macro_auc"].low for c in from_top.values()]
unpaired = [
    np.hypot(*[r.intervals["macro_auc"].high - r.intervals["macro_auc"].low for r in (top, other)])
    for other in others
]
ratios_of_widths = np.divide(widths, unpaired)
assert 0.6 < ratios_of_widths[0] < 0.75, "by a third"
assert 0.85 < ratios_of_widths[1] < 0.95, "by a tenth"
assert all(ratios[name] < bounds[name] for name in estimates), "within the bound"
least = next(s for s in spreads["SIMULATED"] if s.names[0] == "efficientvit_m0_64_phantom7")
of_bound = row.value / (np.sqrt(2) * least.deviation) / stats.t.ppf(0.975, 2)
assert 1.8 < of_bound < 2.2, "about twice the bound"
assert all(0.0005 < s.deviation < 0.018 for group in spreads.values() for s in group)
assert order.pvalue > 0.05, "compatible with none"
improving = [r for r in from_scratch if r.training.best_epoch == r.training.epochs]
assert len(improving) >= 3, "several models were still improving"

all_runs = results.matrix(records, SYSTEMS).frame.set_index("model")
assert {r.recipe["model"] for r in records} <= {*SYSTEMS}
missing = [cell for cell in all_runs.to_numpy().ravel() if cell.startswith("not run")]
assert all(cell.endswith(" h)") for cell in missing), "every cost is known"


def solution(first, second, rows):
    """Solve the exercise on the paired bootstrap."""
    means = (second - first)[rows].mean(axis=1)
    return np.quantile(means, [0.025, 0.975])


assert check.exercise("15.paired", solution)

# What was run.
runs_of = {}
for run in records:
    runs_of.setdefault(run.name.partition("_seed")[0], []).append(run)
for first, *others in runs_of.values():
    for other in others:
        names = {n for n in results.differences(first, other) if n.startswith("recipe: ")}
        assert names == {"recipe: seed"}, (first.name, other.name, names)
