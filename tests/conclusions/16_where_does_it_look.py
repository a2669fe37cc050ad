# ruff: noqa: F821
"""What chapter 16 concludes; runs at its end, with its variables."""

# The model and its maps.
assert auc["pneumothorax"] > 0.9, "almost perfectly"
assert maps["Grad-CAM"][SHOWN[0]].shape[1:] == (4, 4)
pneumothorax = found["occlusion", "pneumothorax"]
assert pneumothorax.gain.low > 0.1, "far more often than maps of other images"
assert pneumothorax.score.low > 2 * pneumothorax.uniform_baseline
for (method, name), row in found.items():
    if auc[name] < 0.6:
        assert row.gain.low <= 0, f"{method} has no gain for {name}"
assert found["Grad-CAM", "pneumothorax"].score.value < 0.5 * pneumothorax.score.value

# Tests of faithfulness.
for method, (change, error) in deleted.items():
    assert change + error < 0, f"{method} passes deletion"
assert all(value < 0.3 for value in similarity.values()), "unrelated or opposed"

# Attention.
assert difference < 1e-3
assert strongest["untrained"] > 0.8 * strongest["trained"] > 0.4

# The measured models.
assert rank.statistic > 0.6, "the gain increases with the macro AUC"
poor = [name for name, value in zip(gain_of, macro, strict=True) if value < 0.6]
assert all(gain_of[name].low <= 0 for name in poor), "close to chance, no gain"
assert any(gain.low > 0.05 for gain in gain_of.values())
largest_gains = sorted(gain_of, key=lambda name: gain_of[name].value, reverse=True)
best_classifier = [*gain_of][int(np.argmax(macro))]
assert largest_gains[0] == best_classifier and best_classifier.startswith("hybrid_rr_vit")
by_name = {row.name: row for row in of_phantom}
rollout, weighted = (
    by_name[f"hybrid_rr_vit: {method}"].gain for method in ("rollout", "gradient attention")
)
assert rollout.low < 0 < rollout.high
assert by_name["dbct: rollout"].gain.low < 0
assert 0 < by_name["dbct: gradient attention"].gain.low < 0.05, "above zero, if small"
for name in ("rr_vit", "lt_vit_tiny"):
    assert by_name[f"{name}: gradient attention"].gain.value < 0
assert weighted.low > 0.1 and weighted.value == max(row.gain.value for row in of_phantom)
for row in of_phantom:
    if row.method.startswith("box"):
        assert abs(row.gain.value) < 0.01
        assert row.shuffled > 0.6, "similar"
lt_vit = by_name["lt_vit_tiny: label maps"].gain
assert -0.02 < lt_vit.value < lt_vit.high < 0, "slightly negative"
cardiomegaly = by_finding[FINDINGS.index("cardiomegaly")]
assert cardiomegaly.max() < by_finding.max() / 2, "hearts vary little"
pointing = [row.name for row in of_real["pointing"] if row.gain.low > 0]
assert pointing == ["rr_vit: gradient attention"], "one interval"
assert max(row.gain.low for row in of_real["pointing"]) < 0.001, "just above zero"
assert all(row.gain.high < 0.04 for row in of_real["pointing"]), "four hundredths are excluded"
for measure in ("energy", "iou_half", "iou_area"):
    gaining = {row.name: row.gain.value for row in of_real[measure] if row.gain.low > 0}
    assert {"densenet121: occlusion", "rr_vit: gradient attention"} <= {*gaining}
    assert max(gaining.values()) < 0.0105, "about one hundredth"
above_zero = [row.name for rows in of_real.values() for row in rows if row.gain.low > 0]
by_chance = stats.binom(sum(map(len, of_real.values())), 0.025)
assert round(by_chance.mean()) == 2 and len(above_zero) > by_chance.ppf(0.975), "more do so"
others = [name for name in above_zero if name.split(":")[0] not in ("rr_vit", "densenet121")]
assert len(others) < len(above_zero) / 4, "most of them"
below_zero = [row.name for rows in of_real.values() for row in rows if row.gain.high < 0]
assert len(below_zero) == 5 and below_zero.count("lt_vit_tiny: rollout") == 3
assert sum(outlines[name] for name in ("consolidation", "effusion")) > sum(outlines.values()) / 2
gaining = dict(zip(outlines, above, strict=True))
assert {name for name, number in gaining.items() if number > 0} == {"cardiomegaly", "effusion"}
assert (gaining["cardiomegaly"], gaining["effusion"]) == (5, 4), "of the seven models"
of_auc = dict(zip(outlines, aucs, strict=True))
assert sorted(of_auc, key=of_auc.get)[-3:] == ["effusion", "consolidation", "cardiomegaly"]
heart = [*outlines].index("cardiomegaly")
assert 0.3 < inside[heart] < 0.4, "about a third"
assert energy.mean(axis=1)[heart] < inside[heart] / 5, "other patients' maps come close"
assert below.sum() == 5
below_of = dict(zip(outlines, below, strict=True))
assert below_of["fibrosis"] + below_of["pleural_thickening"] == 5, "all of them"
for entry in measured["polygons"]["models"].values():
    assert entry["methods"]["occlusion"]["deletion"]["gain"]["high"] < 0
assert 0.02 < measured["polygons"]["images"]["mask_area"] < 0.06, "a few percent"


def solution(features, gradient):
    """Solve the exercise on Grad-CAM."""
    weights = gradient.mean(axis=(0, 1))
    return np.maximum((features * weights).sum(axis=-1), 0)


assert check.exercise("16.grad_cam", solution)
