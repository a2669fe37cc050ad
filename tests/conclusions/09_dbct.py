# ruff: noqa: F821
"""What chapter 9 concludes; runs at its end, with its variables."""

# Positions and cross-attention.
above, last, beside = similarity[2, 3], similarity[3, 7], similarity[3, 2]
assert beside > last > above, "the patch above is less similar than the last of the row"
assert largest < 1e-12, "permuting the local tokens changes nothing"

# What a parameter count determines.
assert ratio < 3, "a learned embedding contradicts the reported counts"
assert blocks > 36, "dozens of blocks"
reported = " / ".join(f"{row.parameters_millions:.2f}" for row in dbct)
fitting = [change for change, text in rounded.items() if text == reported]
assert fitting == [
    "our reconstruction",
    "one layer normalisation less",
    "batch normalisation, two convolutions",
]
assert len(rounded) == 7


def solution(y, p, alpha, gamma):
    """Solve the exercise on the focal loss."""
    positive = alpha * (1 - p) ** gamma * y * np.log(p)
    negative = (1 - alpha) * p**gamma * (1 - y) * np.log(1 - p)
    return -(positive + negative)


grid = np.linspace(0.01, 0.99, 99)
for label in (0.0, 1.0):
    assert np.allclose(solution(label, grid, 0.25, 2.0), cost(label, grid), atol=1e-5)
assert (np.diff(-cost(0.0, grid)) < 0).all(), "the second reading rewards false alarms"
constant = 0.1 * cost(1.0, grid) + 0.9 * cost(0.0, grid)
assert grid[constant.argmin()] > 0.2, "more than twice the prevalence"

# Scores on real images.
assert not record.simulated
assert record.intervals["macro_auc"].low > 0.6
assert unclear
assert {row.scores["accuracy"] for row in dbct} == {round(negative, 3)}
assert dbct[1].scores["macro_auc"] < min(dbct[0].scores["macro_auc"], dbct[2].scores["macro_auc"])
for other in ("efficientnet_b0", "densenet121"):
    assert measured["dbct"].latency_p50 < measured[other].latency_p50
assert measured["rr_vit"].latency_p50 < measured["dbct"].latency_p50
assert measured["rr_vit"].throughput["32"] > measured["dbct"].throughput["32"]
assert measured["efficientnet_b0"].throughput["32"] > measured["dbct"].throughput["32"]
assert slides["dbct"] == min(slides.values())
(first, time_of_first), *_, (most, time_of_most) = growth["dbct"]
assert most > 4 * first and time_of_most <= time_of_first, "the published time does not grow"
times = [seconds for _, seconds in growth["rr_vit"]]
assert times == sorted(times) and times[-1] > 3 * times[0], "that of RR-ViT does"
assert growth["rr_vit"][0][0] < first / 5 and times[0] > time_of_first
positives = {row.label: row.positives for row in record.scores["test"].per_finding}
assert positives["hernia"] == 3 and title("edema") not in unclear
assert title("mass") in unclear and title("nodule") not in unclear
assert positives["edema"] < min(positives[n] for n in FINDINGS if title(n) in unclear)
assert deviation < 1e-4, "the class activation map sums to the logit"

# Cross-attention or concatenation.
cross, concatenated = by_seed["cross_attention"], by_seed["concatenation"]
assert len(cross) == 3 and abs(gain.value) < 0.002 < min(np.ptp(cross), np.ptp(concatenated))
assert (cross > concatenated).tolist() == [True, True, False]
assert gain.low < 0 < gain.high < 0.01
epochs = [epoch for row in trained["rows"] for epoch in row["best_epochs"]]
assert np.mean(np.array(epochs) == trained["epochs"]) > 0.5, "the last epoch was the best"

# Cross-attention on real images.
assert distance < 0.05, "the map hardly follows the frame"
assert fusion["distance_from_mean_map"] < 0.02
assert abs(fusion["attention_on_own_patch"] / fusion["uniform_on_own_patch"] - 1) < 0.05
changes_of_auc = fusion["difference"]
assert abs(changes_of_auc["same map for all patches"]["value"]) < 1e-4
for change in changes_of_auc.values():
    assert abs(change["value"]) < 0.01 and change["low"] < 0 < change["high"]
