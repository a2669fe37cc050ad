# ruff: noqa: F821
"""What chapter 1 concludes; runs at its end, with its variables."""

assert round(share, 2) == 0.54  # "more than half of the images"
assert 90 < ratio < 110, "two orders of magnitude"
assert hernias < 50
infiltration = given[:, FINDINGS.index("infiltration")]
others = np.delete(given, FINDINGS.index("infiltration"), axis=1)
assert np.nanmin(infiltration) > np.nanmean(others), (
    "the column of infiltration is high in every row"
)
names = [{FINDINGS[i], FINDINGS[j]} for _, i, j in sorted(pairs, reverse=True)[:5]]
assert names[0] == {"pneumonia", "edema"}
assert max(pairs)[0] > 10
assert {"emphysema", "pneumothorax"} in names
assert {"cardiomegaly", "effusion"} in names
edema_given_pneumonia = given[FINDINGS.index("pneumonia"), FINDINGS.index("edema")]
assert 20 < edema_given_pneumonia < 30, "about three in four have no edema label"
assert round(all_negative.accuracy, 3) == 0.947
assert round(all_negative.exact_match, 2) == 0.53
assert all_negative.macro_auc == prevalence_baseline.macro_auc == 0.5
assert 0.7132 < prevalence_baseline.micro_auc < 0.76, "one published micro AUC is lower"

assert (alone[:, columns].max(axis=0) == 1).all(), "each image has the finding of its title alone"
assert shown.labels.sum() == len(columns)
assert images.tolist() == [*phantom.SPLIT_SIZES.values()]
assert np.isclose(correct.mean(), all_negative.accuracy)
assert np.isclose(correct.all(axis=1).mean(), all_negative.exact_match)
