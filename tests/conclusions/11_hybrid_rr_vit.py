# ruff: noqa: F821
"""What chapter 11 concludes; runs at its end, with its variables."""

published = {(row.model, row.size): row for row in results.published()}
best = {
    s: max(
        r.scores["macro_auc"]
        for (m, n), r in published.items()
        if n == s and r.citation == "pham2026"
    )
    for s in (64, 128)
}
assert all(published["hybrid_rr_vit", s].scores["macro_auc"] == best[s] for s in best)
assert ("hybrid_rr_vit", 224) not in published
assert round(model.count_params() / 1e6, 2) == published["hybrid_rr_vit", 64].parameters_millions
assert len(reached) == 15
assert reached[-1] - 35 > 32 - reached[0], "further to the right than to the left"

# Memory.
assert 7 * per_image > 16 > 6 * per_image, "the maps of seven images exceed 16 GB"
assert 2.45 < per_image < 2.55
assert difference < 1e-12, "exact up to rounding"
assert abs(exact / slope - 1) < 1e-5
assert off < 1e-4
one_map = 4 * 3137**2 / 1e6
assert peaks[224][0] > one_map
assert peaks[224][1] < peaks[224][0] / 10
assert peaks[224][2] < peaks[224][1]
for k in (1, 2):
    growth = peaks[224][k] / peaks[128][k]
    assert growth < 1.3 * 3137 / 1025, "in proportion to the number of tokens"
held = [16e3 / megabytes for megabytes, _ in needed.values()]
assert 6 < held[0] < 7
assert 40 < held[1] < 50
assert min(held[2:]) > 500
assert 0.5 < seconds[128] / seconds[64] / (sum(work[128]) / sum(work[64])) < 2
assert work[224][1] > work[224][0], "most of the work is in the maps"

# Records.
assert gain.low > 0.1
assert all(run.simulated for run in runs.values())
assert len({run.training.epochs for run in runs.values()}) == 1
assert minutes[1] > 10 * minutes[0], "many times as long"
assert (
    published["hybrid_rr_vit", 64].scores["macro_auc"] - published["rr_vit", 64].scores["macro_auc"]
    < gain.low / 4
), "much smaller"
slow, fast = on_real["hybrid_rr_vit_64_nih_scratch"], on_real["rr_vit_64_nih_scratch"]
assert 10 * slow.training.epochs == fast.training.epochs
assert slow.training.seconds > 3 * fast.training.seconds, "several times as long"
assert slow.training.best_epoch == slow.training.epochs, "its last epoch was the best"
assert fast.training.best_epoch < fast.training.epochs, "had passed it"
hernia = []
for side in ("first", "second"):
    paths = [book.folder() / "results" / f"{name}.json" for name in compared[side]]
    tests = [results.load_result(path).scores["test"] for path in paths]
    rows = [row for test in tests for row in test.per_finding if row.label == "hernia"]
    assert {row.positives for row in rows} == {3}
    hernia.append(np.mean([row.roc_auc for row in rows]))
of_hernia = (hernia[1] - hernia[0]) / 14
assert 0.45 < of_hernia / compared["macro_auc"]["value"] < 0.58, "half of the difference"
assert all(-0.006 < compared[s]["high"] < 0 for s in ("macro_auc", "micro_auc")), "by little"

# Reconstruction.
assert all(slopes["RR-ViT", square] > 0.95 for square in (8, 16)), "it copies"
assert all(errors["RR-ViT", square][1] > 2 for square in (8, 16))
assert 0.5 < slopes["RR-ViT", 4] < 0.9
toy = [slopes["toy hybrid", square] for square in (4, 8, 16)]
assert toy == sorted(toy) and toy[-1] < slopes["RR-ViT", 16]
assert min(hidden for _, hidden in errors.values()) > 0.9, "never clearly better"
