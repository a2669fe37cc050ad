# ruff: noqa: F821
"""What chapter 6 concludes; runs at its end, with its variables."""

assert counts["1×1 kernels"] > counts["3×3 kernels"]
assert sum(counts.values()) == model.count_params()
assert ratio > 1.5, "few parameters, many stored numbers"

# Scores on real images.
value = {name: record.intervals[name].value for name in FINDINGS}
low = {name: record.intervals[name].low for name in FINDINGS}
assert record.intervals["macro_auc"].low > 0.6
assert 6 < 78_468 / record.data["train"].num_images < 8, "about a seventh of ChestMNIST's"
assert sorted(value, key=value.get)[-2:] == ["cardiomegaly", "edema"]
assert {"mass", "nodule", "emphysema"} < set(sorted(value, key=value.get)[:4]), "among the lowest"
assert [name for name in FINDINGS if low[name] < 0.5] == ["hernia"]

# Weights and their use.
for layer in block:
    assert np.abs(relative_weights(layer) - 1).max() < 0.05, "within a few per cent"
for name, least in (("cardiomegaly", 0.7), ("effusion", 0.5)):
    chosen = y[:, FINDINGS.index(name)] == y.any(axis=1)
    scored = out["logits"][chosen, FINDINGS.index(name)]
    assert metrics.roc_auc(y[chosen, FINDINGS.index(name)], scored) > least
assert min(change) > 0.1, "every source matters"
assert 0.35 < change[0] < 0.45, "about four tenths"
assert sum(change[0] > c for c in change[1:]) == 4

# Class activation maps.
for row, label in enumerate(labels):
    terms, constant = contributions(features[row], label)
    assert abs(terms.sum() + constant - logits[row, label]) < 1e-3
    assert np.abs(maps[row, label] - np.maximum(terms, 0)).max() < 1e-3
assert features.shape[1:3] == (2, 2)
assert any(cam.max() == 0 for cam in cams["last"]), "zero everywhere"
for of_images in cams.values():
    for cam, row, label in zip(of_images, example, labels, strict=True):
        large = np.kron(cam, np.ones([64 // len(cam)] * 2))
        above, mask = large > 0.5 * large.max(), simulated.masks[row, label]
        assert (above & mask).sum() < 0.5 * (above | mask).sum(), "none follows the outline"

# Localization.
assert abs(gain["phantom", "grad cam"].value) < 0.005, "hardly better"
assert gain["phantom", "occlusion"].low > 4 * gain["phantom", "grad cam"].value, "many times"
assert 0.5 < empty["phantom"] < 0.7 < empty["polygons"], "more than half; even more"
for method in ("grad cam", "occlusion"):
    assert gain["polygons", method].low < 0 < gain["polygons", method].high


def solution(features, slopes):
    """Solve the exercise on Grad-CAM."""
    return np.maximum(features @ slopes.mean(axis=(0, 1)), 0)


assert check.exercise("06.grad_cam", solution)
