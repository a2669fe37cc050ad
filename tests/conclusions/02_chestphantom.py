# ruff: noqa: F821
"""What chapter 2 concludes; runs at its end, with its variables."""

# Layers and exposure.
assert layers["mediastinum"].min() < 0, "air in the trachea is subtracted"
assert same > 0.95, "the simple exposure nearly agrees"

# The 14 findings.
assert changed.min() < 1, "some findings change a few pixels"
assert changed.max() > 45, "others half of the image"
assert abs(effect["nodule"]) < 1 < 5 < effect["emphysema"]

# Label noise, co-occurrence, confounder.
assert right[FINDINGS.index("pneumonia")] < 0.5
assert set(np.argsort(right)) == set(range(14))
assert (np.argsort(right) == np.argsort(prevalence)).all(), "it decreases with the prevalence"
assert abs(labels[truth].mean() - 0.80) < 0.06
assert abs(labels[~truth].mean() - 0.02) < 0.01
assert with_edema["jointly"] > with_edema["independently"] + 0.05
assert abs(with_edema["independently"] - joint[:, effusion].mean()) < 0.03
empty = [(drawn.sum(axis=1) == 0).mean() for drawn in (joint, separate)]
three = [(drawn.sum(axis=1) == 3).mean() for drawn in (joint, separate)]
assert empty[0] > empty[1] and three[0] > three[1], "independent findings are spread over more"
assert auc_of_cue[1.0] == 1
assert abs(auc_of_cue[0.0] - 0.5) < 0.1
assert abs(auc_of_cue[0.5] - 0.75) < 0.1

# Ground truth.
thin = [FINDINGS.index(name) for name in ("pneumothorax", "pleural_thickening")]
assert filled[thin].max() < 0.5, "most of the box of a thin finding is something else"
assert filled[FINDINGS.index("edema")] < 0.6
assert (ratios["AP"] > ratios["PA"]).all()
assert np.array_equal(alone, beside) and not np.array_equal(alone, other)

# Transfer to real images.
physics, *interval = rows["physics"]
assert abs(rows["version 6"][0] - physics) < 0.01, "version 7 transfers no better"
assert 0 < physics - rows["randomised"][0] < 0.02, "slightly worse"
assert abs(rows["equalised"][0] - physics) < 0.01
assert interval[0] > 0.5
assert 0.5 < macro_low < macro_high < 0.65, "exceeds chance, but by little"
assert measured["physics"]["phantom"]["auc"]["macro_auc"][0] > macro_high, "lower on real images"
large = ("consolidation", "edema", "effusion", "cardiomegaly")
assert set(large) == {FINDINGS[k] for k in np.argsort(bounds[:, 0])[-4:]}, "transfer best"
for name in large:
    assert auc[name][1] > 0.5, f"{name} transfers"
for name in ("nodule", "fibrosis"):
    assert auc[name][1] < 0.5 < auc[name][2], "the interval includes chance level"
