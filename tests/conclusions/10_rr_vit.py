# ruff: noqa: F821
"""What chapter 10 concludes; runs at its end, with its variables."""

assert 4 * block / total > 0.85, "the attention holds nearly all parameters"
assert not record.simulated
assert record.intervals["macro_auc"].low > 0.6
assert unclear

# Reconstruction on real images.
assert real["slope_hidden"] > 0.9 and abs(real["slope_visible"]) < 0.05, "it copies"
assert 1.7 < real["error_hidden"] / real["error_mean_image"] < 2
assert real["error_visible"] < 0.2 * real["error_mean_image"]
assert max(enough, pca["components"]) < 64, "fewer than half of 128 dimensions"
assert min(share[127], pca["share_of_128"]) > 0.99
