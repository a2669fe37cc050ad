# ruff: noqa: F821
"""What chapter 12 concludes; runs at its end, with its variables."""

assert 5.5 < ordinary / projections < 6.5, "six times less"
assert projections > attention
package = np.asarray(mxa.crop_and_resize(maps[:1, ..., None], np.float32(hearts[:1])))[0, ..., 0]
assert np.abs(package - crop(maps[0], hearts[0])).max() < 1e-5

# Boxes and gradients.
assert flat > 0.6, "a staircase"
assert np.mean(np.diff(losses["continuous"]) == 0) == 0
assert abs(shifts[np.argmin(losses["continuous"])]) < 0.005
assert len(overlap) / 2 < arrived < len(overlap), "in most patients, not in all"
assert np.ptp(numbers, axis=0).max() < 1e-5, "the mean discards position"

# The trained models.
rows = {name: measured[name]["macro_auc"] for name in titles}
assert all(row["low"] < 0 < row["high"] for row in rows.values())
assert all(abs(rows["seed"]["value"]) > abs(rows[name]["value"]) for name in ("mxa_m0", "mxa_m5"))
assert len(measured["mxa_m0"]["first"]) == len(measured["mxa_m0"]["second"]) == 3
assert by_seed.low < -0.01 < 0.01 < by_seed.high, "neither is excluded"
between_patients = rows["mxa_m0"]["high"] - rows["mxa_m0"]["low"]
assert by_seed.high - by_seed.low > 2 * between_patients, "much wider"
for size in ("m0", "m5"):
    runs = [f"efficientvit_{size}{mxa}_64_nih_scratch.json" for mxa in ("", "_mxa")]
    pair = [results.load_result(book.folder() / "results" / run) for run in runs]
    changed = [name for name in results.differences(*pair) if name.startswith("recipe:")]
    assert all(name.startswith("recipe: model") for name in changed), "nothing but the model"
assert np.mean(empty) > 0.8, "on most images"
assert block.mxa.count_params() > block.attention.count_params()
assert min(map(max, spread.values())) > 0.2, "the boxes differ between images"
assert -0.006 < of_box.low < 0 < of_box.high < 0.006, "zero within a narrow interval"
assert np.abs(found[first].channel_gates - 0.5).max() < 0.2
assert np.ptp(found[others[0]].channel_gates) > 0.95
assert len(found) == 3, "the blocks of the last stage have nothing to select"

# The published table.
micro = {
    (r.model, r.location): r.scores["micro_auc"]
    for r in results.published()
    if r.data == "CheXpert"
}
assert max(v for (m, _), v in micro.items() if m == "efficientvit_m5") < baseline - 0.1
assert list(halves) == [9, 4, 0]
assert set(above) == set(by_rate[:4])
assert 0 < loss - 0.679 < 0.02, "the published loss is just below the best constant"
assert abs(metrics.constant_micro_auc(best, rate) - 0.661) < 0.03
frequent = by_rate[:4]
assert all(abs(kept[name] - table.loc[name].iloc[0]) < 0.06 for name in frequent)
assert all(kept[name] > 0.55 for name in kept if name not in frequent), "more than 0.50"
