# ruff: noqa: F821
"""What chapter 2 concludes about real images; runs at its end, with its variables."""

physics, *bounds = rows["physics"]
assert abs(rows["version 6"][0] - physics) < 0.01, "version 7 transfers no better"
assert rows["randomised"][0] < physics
assert abs(rows["equalised"][0] - physics) < 0.01
assert bounds[0] > 0.5
large = ("effusion", "edema", "consolidation", "cardiomegaly")
for name in large:
    assert auc[name][1] > 0.5, f"{name} transfers"
assert auc["nodule"][1] < 0.55 and auc["fibrosis"][1] < 0.55, "small findings stay near chance"
assert min(auc[name][0] for name in large) > auc["nodule"][0]
