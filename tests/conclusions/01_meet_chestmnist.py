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


def solution(y_true, y_pred):
    """Solve the exercise on the balanced accuracy."""
    sensitivity = (y_pred & y_true).sum(axis=0) / y_true.sum(axis=0)
    specificity = (~y_pred & ~y_true).sum(axis=0) / (~y_true).sum(axis=0)
    return ((sensitivity + specificity) / 2).mean()


assert test.check(solution(hidden, guess))
assert solution(hidden, np.zeros_like(hidden)) == 0.5
assert not test.check((guess == hidden).mean())
