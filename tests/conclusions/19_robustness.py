# ruff: noqa: F821
"""What chapter 19 concludes; runs at its end, with its variables."""

from xraylab.models.cost import recorded_cost

# Order and decisions under corruption, simulated.
noisy_error, noisy_wrong = live["gaussian_noise"][2, 1], live["gaussian_noise"][2, 0]
assert noisy_wrong < 0.2, "most pairs are in the right order"
assert noisy_error > 0.4
assert (noisy_test > threshold).mean() > 0.9, "nearly all predictions are above the threshold"
refitted_error = evaluation.balanced_error(y, noisy_test, refitted)
assert (noisy_error - refitted_error) / (noisy_error - original[1]) > 0.5
assert (live["contrast_up"][1:] < original).all(), "contrast improves this model"
assert live["jpeg_compression"][:, 1].max() < 0.25
for name in ("gaussian_blur", "brightness_down"):
    assert (live[name][5] > 0.4).all(), name

# Seven models on corrupted real images.
row_of = {name: row for row, name in enumerate(SHORT)}
by_name = dict(zip(corruptions, rise.mean(axis=0), strict=True))
assert {*sorted(by_name, key=by_name.get)[-2:]} == {"brightness_down", "shot_noise"}
assert all(by_name[c] < 0.01 for c in ("jpeg_compression", "gaussian_blur", "gamma_up"))
assert clean[:, 0].argmin() == error.mean(axis=1).argmin() == row_of["rr_vit"]
assert error.mean(axis=1).argmax() == row_of["efficientnet_b0"]
sizes_of = {name: recorded_cost(name, 64).parameters for name in SHORT}
assert min(sizes_of, key=sizes_of.get) == "rr_vit"
assert max(sizes_of, key=sizes_of.get) == "densenet121"
rr_vit, densenet = (scores[row_of[name], half, 4] for name in ("rr_vit", "densenet121"))
at_clean = clean[row_of["rr_vit"]]
assert 0.18 < (at_clean[1] - rr_vit[1]) / (at_clean[1] - 0.5) < 0.23, "about a fifth"
assert 0.36 < (rr_vit[0] - at_clean[0]) / (0.5 - at_clean[0]) < 0.4, "almost two fifths"
assert densenet[1] < 0.55
left_at_6 = (scores[:, coarse, 4, 1] - 0.5) / (clean[:, 1] - 0.5)
assert (left_at_6 > 0.5).all()

# Corruption errors.
assert corruptions[rise[base].argmin()] == "jpeg_compression"
assert 0 < rise[base].min() < 0.001
jpeg = (rise / rise[base])[:, corruptions.index("jpeg_compression")]
assert jpeg.min() < -1 and jpeg.max() > 3, "of either sign"
assert of_ratios.argmax() == row_of["lt_vit_tiny"] and of_sums[row_of["lt_vit_tiny"]] < 1
m0 = row_of["efficientvit_m0"]
small, lt_vit, mean_fall = row_of["rr_vit"], row_of["lt_vit_tiny"], fall.mean(axis=1)
assert of_sums[m0] < of_sums[small] and 1.4 < mean_fall[m0] / mean_fall[small] < 1.6
assert (clean[m0] > clean[small]).all(), "AUC and error"
assert mean_fall.argmin() == lt_vit and of_sums[lt_vit] > of_sums[small]
embed_patches = [row_of[name] for name in ("rr_vit", "lt_vit_tiny", "dbct")]
others = [row for row in row_of.values() if row not in embed_patches]
assert len(others) == 4 and mean_fall[embed_patches].max() < mean_fall[others].min(), "each"
alexnet = dict(zip(corruptions, ALEXNET, strict=True))
assert all(alexnet[c] > 0.44 for c in corruptions if "noise" in c or c == "pixelate")
assert alexnet["brightness_down"] < 0.30

# Shortcuts.
assert MEASURED["projection_and_sex"]["AP projection"][0] > 0.98
assert MEASURED["projection_and_sex"]["female sex"][0] > max(0.88, at_clean[1] + 0.15), "far above"
assert np.argmax(by_projection) == index("edema")
assert 0.74 < max(by_projection) < 0.755
for name in ("fibrosis", "hernia"):
    assert by_projection[index(name)] < 0.4
assert all(0.8 < g["value"] < real["scores"]["macro_auc"] for g in real["subgroups"]["projection"])
assert planted["finding"] == "pneumothorax"
assert planted["rates"] == [0.8, 0.05]
assert gain > 0.2
assert left < -0.02, "even lower"
assert 0 < marker_first - inflated < 0.03, "a little lower"
assert planted["auc"]["marked"]["masked"][0] < cue - 0.2
assert abs(planted["auc"]["masked"]["masked"][0] - plain) < 0.01

# NIH's labels and radiologists.
position = names.index
assert 0.7 < (both / nih)[position("effusion")] < 0.8
assert 0.08 < (both / nih)[position("emphysema")] < 0.12
assert ((both / seen) < 0.5).sum() == 7
assert len(names) == 10
rows = public["auc"]
assert sum(row["difference"][0] > 0 for row in rows.values()) == 8
assert sum(row["difference"][1] > 0 for row in rows.values()) == 4
for name, row in rows.items():
    own, by_seen = row["auc_of_radiologists_on_nih"], row["radiologists"]
    assert row["nih"] > 0.5 + (2 * own - 1) * (by_seen - 0.5) + 0.1, name
    assert row["nih"] > own, name
assert rows["emphysema"]["nih"] > 0.95
assert rows["emphysema"]["difference"][2] < 0
emphysema, both_labels = (
    number[vectors[:, [index(n) for n in ns]].all(axis=1)].sum()
    for ns in (["emphysema"], ["emphysema", "pneumothorax"])
)
assert 0.28 < both_labels / emphysema < 0.32

# Training with wrong labels, simulated.
assert (rates == [0, 0.1, 0.2, 0.3]).all()
assert noise["images"] == 10_000
assert auc.shape == (4, 3, 2), "three seeds"
lost = mean[0] - mean[-1]
assert 0.035 < lost[0] < 0.045
assert 0.13 < lost[1] < 0.145
assert (np.diff(auc[..., 0], axis=0) < 0).all(), "in each run"
assert np.ptp(auc[..., 0], axis=1).max() > 0.01
assert np.abs(expected - mean[:, 1]).max() < 0.005

# Image size.
assert [*sizes["auc"]] == ["28", "64", "128"]
assert (sizes["images"], sizes["epochs"]) == (4500, 6)
by_size = np.array([*sizes["auc"].values()])[..., 0]
assert np.ptp(by_size.mean(axis=1)) < 0.02
assert 0.055 < np.ptp(by_size, axis=1).max() < 0.065
assert 0.055 < by_size[0].max() - by_size[2].min() < 0.065
assert 0.055 < by_size[2].max() - by_size[0].min() < 0.065
field, step = 1, 1
for _ in range(5):  # a convolution of 3 pixels, a maximum over 2
    field, step = field + 3 * step, 2 * step
assert field == 94
