# ruff: noqa: F821
"""What chapter 8 concludes; runs at its end, with its variables."""

# Attention.
assert np.allclose(attention.sum(axis=1), 1)
assert np.allclose(attention[2], 1 / 3) and np.isclose(output[2, 0], value.mean())
assert attention[0, 0] == attention[0, 2] > 5 * attention[0, 1]
assert slopes["unscaled", 1024] < 0.2 * slopes["unscaled", 4], "the gradient vanishes"
assert abs(slopes["scaled", 1024] / slopes["scaled", 4] - 1) < 0.1, "and does not if scaled"
assert one_head[0] == 1 and (one_head[8:] < 0.3).all() and (np.diff(two_heads) > 0).all()

# MedViT.
if SCALE != "smoke":
    assert round(trainable(counted) / 1e6, 2) == 57.69
    sizes = [(block.filters, trainable(block)) for block in counted.blocks]
    third = sum(n for filters, n in sizes if filters in (384, 512))
    assert len(sizes) == 40 and third > trainable(counted) / 2, "the third stage holds most"
assert 0.38 < shift["adversarial"] / before.std() < 0.5, "almost half a standard deviation"
assert shift["adversarial"] > 20 * shift["random signs"]
assert 0.7 < saved < 0.8, "about three quarters"
assert unchanged == {
    (64, 2): True, (64, 3): True, (128, 2): True, (128, 3): False, (224, 2): False, (224, 3): False
}  # fmt: skip

# The published score.
assert min(loss.values()) > 0, "the softmax lowers the AUC of every finding"
assert both["softmax"]["macro_auc"] < both["sigmoid"]["macro_auc"] - 0.05
assert change.high < 0
table = [results.load_result(file) for file in folder.glob("*_64_nih_*.json")]
spread = np.ptp([record.score("macro_auc") for record in table])
assert change.value < -spread, "by more than the best and the worst differ"
assert 0.2 < corrected < 0.25

# The recorded run.
small, medvit = runs["efficientvit_m0"], runs["medvit_small"]
assert len(compared["first"]) == 3 and gains["macro_auc"].low > 0, "excludes zero"
seeds = [results.load_result(folder / f"{name}.json") for name in compared["first"]]
assert medvit.score("macro_auc") > max(run.score("macro_auc") for run in seeds), "above all three"
of_seeds = [run.scores["val"].macro_auc for run in seeds]
on_validation = medvit.scores["val"].macro_auc
assert 0 < on_validation - np.mean(of_seeds) < gains["macro_auc"].value / 2, "much smaller"
assert round(of_seeds[0], 3) == round(on_validation, 3), "equal to three digits"
assert gains["micro_auc"].low > 0, "its micro AUC is higher"
assert medvit.training.epochs < small.training.epochs
assert medvit.training.seconds > 3 * small.training.seconds, "several times as long"
assert round(medvit.training.parameters / small.training.parameters) == 14
