# ruff: noqa: F821
"""What chapter 14 concludes; runs at its end, with its variables."""

assert (model.first_label_block, model.num_label_blocks) == (8, 4)
assert auc.low > 0.6, "the model has learned"

# One-way attention.
assert np.abs(joint[:patches] - image).max() < 1e-5
assert np.abs(joint[patches:] - labels).max() < 1e-5
for name in ("image_tokens", "encoded", "label_tokens", "logits"):
    same = np.array_equal(first[name], second[name])
    assert same == (name in ("image_tokens", "encoded"))
assert {"label_tokens", "head"} <= without
assert {"patch_embedding", "block_0"} <= with_gradient - without
assert per_label * 14 / vit > 0.02, "several percent"
assert abs(with_labels / vit - 1) < 0.02, "LT-ViT saves about as much"

# Attention of the trained model.
for name in ("trained", "untrained"):
    assert all(typical[name][block]["uniformity"] > 0.999 for block in blocks)
on_labels = [typical["trained"][block]["on_labels"] for block in blocks]
assert min(on_labels) < 0.01
assert 0.4 < on_labels[-1] < 0.5, "nearly half"
for name in ("uniform_patches", "uniform_labels"):
    assert -0.001 < changed[name]["low"] < 0 < changed[name]["high"] < 0.001
assert max(uniformity["trained"][:2]) < 0.5 < 0.9 < min(uniformity["trained"][-4:])
assert within["trained"] < 0.15 < 0.4 < within["untrained"]
correlations = [typical["trained"][block]["co_occurrence"] for block in blocks]
assert min(correlations) < 0 < max(correlations), "changes its sign"
ranges = [np.ptp(typical["trained"][block]["between_labels"]) for block in blocks]
assert ranges[0] > 0.1, "in the first label block, some labels receive more"
assert max(ranges[1:]) < 0.01
assert all(0.005 < typical["trained"][block]["between_images"] < 0.02 for block in blocks)
for score, row in outlined["trained"].items():
    assert abs(row["gain"]["value"]) < 0.002
    assert row["gain"]["low"] < 0 < row["gain"]["high"] < 0.006
    assert score == "pointing" or abs(row["score"]["value"] - outlined["mask_area"]) < 0.001
by_name = {row.name: row for row in explain.recorded_localization(compared, "iou_half")}
assert abs(by_name["lt_vit_tiny: label maps"].gain.value) < 0.001
constant = {
    run.split("_64_")[0]: entry["methods"]["grad_cam"]["constant_maps"]
    for run, entry in compared["models"].items()
    if "grad_cam" in entry["methods"]
}
same = {"dbct", "efficientvit_m0", "efficientvit_m0_mxa"}
assert {name for name, fraction in constant.items() if fraction == 1} == same
assert all(0.5 < constant[name] < 1 for name in ("efficientnet_b0", "densenet121"))
of_cam = {name: row.gain for name, row in by_name.items() if row.method == "grad cam"}
assert [name for name, gain in of_cam.items() if gain.low > 0] == ["densenet121: grad cam"]
assert of_cam["densenet121: grad cam"].value < 0.006

# Masked pre-training.
if SCALE == "laptop":
    assert errors["GMML"] < errors["grey, 0.5"], "better than grey"
    assert errors["GMML"] > errors["mean of the training images"], "worse than the mean image"
assert min(errors, key=errors.get) == "mean of the training images" or SCALE == "full"


def solution(num_patches, num_labels, between_labels=True):
    """Solve the exercise on the mask."""
    allowed = np.ones((num_patches + num_labels,) * 2, bool)
    allowed[:num_patches, num_patches:] = False
    if not between_labels:
        allowed[num_patches:, num_patches:] = np.eye(num_labels, dtype=bool)
    return allowed


assert check.exercise("14.mask", solution)
