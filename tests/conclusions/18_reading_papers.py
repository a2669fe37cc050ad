# ruff: noqa: F821
"""What chapter 18 concludes; runs at its end, with its variables."""

# The arithmetic of an abstract.
assert f"{gain / baseline:.0%}" == "29%"
assert f"{(proposed - 0.5) / (baseline - 0.5):.0%}" == "219%"
assert f"{gain / (baseline - 0.5):.0%}" == "119%"
assert f"{0.35 / 0.15:.0%}" == "233%"
assert recorded_cost("efficientvit_m5", 224).multiply_adds < 5.7e9 / 4
assert recorded_cost("resnet50", 224).multiply_adds < 5.7e9, "the larger network"
assert abs(negative.accuracy - np.mean(printed)) < 2e-3

# A sigmoid applied twice.
assert round(sigmoid(-6) * (1 - sigmoid(-6)), 4) == 0.0025
differences = MEASURED["differences"]
for score in ("micro_auc", "macro_auc"):
    assert differences["double sigmoid corrected"][score][1] > 0
    _, low, high = differences["MXA added"][score]
    assert low < 0 < high
assert all(
    abs(final[name, "double_sigmoid"]["macro_auc"] - 0.5) < 0.04
    for name in ("efficientvit_m0", "efficientvit_m0_mxa")
)
assert all(
    0.68 < run["loss"][-1] < 0.72
    for runs in MEASURED["runs"].values()
    for run in runs["double_sigmoid"]
)
assert all(row["constant"] == 0 for row in final.values())
assert (epochs, seeds, images["train"]) == (5, 3, 4000)

# Selection on the test images.
assert min(optimism) >= 0
assert np.mean(optimism) > abs(differences["MXA added"]["macro_auc"][0])
by_loss = {
    loss: np.mean(
        [
            run["test_macro_auc"]["by_test"] - run["test_macro_auc"]["by_val"]
            for runs in MEASURED["runs"].values()
            for run in runs[loss]
        ]
    )
    for loss in ("cross_entropy", "double_sigmoid")
}
assert by_loss["double_sigmoid"] > by_loss["cross_entropy"]

# A softmax over independent labels; the second and fourth model had two sigmoids.
for macro, micro, accuracy in softmax_effect[::2]:
    assert macro < -0.03
    assert macro < micro < 0
    assert 0 < accuracy < 0.005

# What selection adds.
files = (book.folder() / "results").glob("*_64_nih_scratch.json")
found = [results.load_result(file).intervals["macro_auc"] for file in files]
errors = [(interval.high - interval.low) / 3.92 for interval in found]
assert abs(np.mean(errors) - 0.0135) < 0.002, "about that of a macro AUC"
