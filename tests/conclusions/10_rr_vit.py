# ruff: noqa: F821
"""What chapter 10 concludes; runs at its end, with its variables."""

assert 4 * block / total > 0.85, "the attention holds nearly all parameters"
assert not record.simulated

# The weight of the reconstruction.
assert by_seed.shape == (4, 3)
for value in ("0.1", "1.0"):
    assert abs(changes[value].value) < 0.001 < deviation / 4, "much less than between seeds"
lower = by_seed[0] - by_seed[3]
assert changes["10.0"].high < 0 < lower.min(), "lower with each of the three seeds"
assert 0.008 < lower.mean() < 0.015, "about one hundredth"
assert lower.mean() < 4.3 * lower.std(ddof=1) / np.sqrt(3), "seeds alone: Student's t, 2 df"
assert record.intervals["macro_auc"].low > 0.6
assert unclear[0] and not set.intersection(*map(set, unclear)), "no finding is in all three"
listed = {name for name in FINDINGS if any(title(name) in names for names in unclear)}
assert "nodule" not in listed, "in none of the lines"
rows = record.scores["test"].per_finding
assert all(row.roc_auc < 0.63 and row.positives < 101 for row in rows if row.label in listed)
positives = {row.label: row.positives for row in rows}
assert positives["hernia"] == 3

# Reconstruction on real images.
assert real["slope_hidden"] > 0.9 and abs(real["slope_visible"]) < 0.05, "it copies"
assert 1.7 < real["error_hidden"] / real["error_mean_image"] < 2
assert real["error_visible"] < 0.2 * real["error_mean_image"]
assert max(enough, pca["components"]) < 64, "fewer than half of 128 dimensions"
assert min(share[127], pca["share_of_128"]) > 0.99

# The heads differ, and some maps hardly change between the two images.
flat = attention[..., 0, 1:]
between_images = [np.corrcoef(flat[b, :, h])[0, 1] for b, h in np.ndindex(4, 4)]
between_heads = [np.corrcoef(flat[b, 0])[0, 1:] for b in range(4)]
assert max(between_images) > 0.9 and np.mean(between_heads) < 0.5

assert search.loc[("rr_vit", "none"), "val_macro_auc"] > 0.69
assert search.loc[("rr_vit", "loss=binary_crossentropy"), "val_macro_auc"] < 0.69
