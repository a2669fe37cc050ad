# ruff: noqa: F821
"""What chapter 13 concludes; runs at its end, with its variables."""

# The simulated world.
first, last = ({name: v[k] for name, v in mean_error.items()} for k in (0, -1))
assert first["labels and soft"] < first["soft"] < first["labels"]
assert last["labels"] < last["labels and soft"] < last["soft"]
assert last["soft"] > 0.5 * first["soft"], "more images hardly help"
assert max(first, key=first.get) == max(last, key=last.get) == "hard"
assert all(v < 1e-3 for v in mean_error["the truth"])

# Real images.
assert (gain > 0).all(), "in every draw"
assert (auc["teacher"].mean(axis=0) > auc["both"].mean(axis=0)).all()
assert all(0.055 < value < 0.085 for value in gain.mean(axis=0)), "0.06 to 0.08"
assert (auc["decisions and labels"] - auc["labels"]).mean() < 0.01
assert largest < 0.5
assert sum(measured["teacher_decisions"]) == 0
assert measured["teacher_macro_auc"] > auc["teacher"].max(), "far below its teacher"
assert 0.2 < p_raw[:, FINDINGS.index("hernia")].mean() < 0.3, "a quarter of the images"
assert np.abs(p.mean(axis=0) - prevalence).max() < 0.01

# A network with two teachers.
assert trained["macro_auc"]["low"] < 0 < trained["macro_auc"]["high"]
assert trained["teachers_minus_students"]["low"] < 0
assert 0.0045 < by_seed.mean() < 0.0055, "half a hundredth"
assert len(by_seed) == 3
assert by_seed.max() > 0.8 * by_seed.sum(), "almost all of it comes from one seed"
assert abs(trained["students_macro_auc"] - trained["teachers_macro_auc"]) < 0.005, "the same"

# Other students.
gaining = gained.pop("efficientvit_m0")
assert all(change.low < 0 < change.high for change in gained.values())
assert gained["rr_vit"].value < 0 and abs(gained["dbct"].value) < 0.001, "no higher"
assert 0.0085 < gained["medvit_small"].value < 0.0115, "0.01 higher"
above = students["teachers"] - students["alone"]
assert above[["rr_vit", "dbct"]].between(0.015, 0.025).all(), "about 0.02 above them"
assert students.taught["medvit_small"] > students.teachers["medvit_small"], "exceeds its teachers"
assert gaining.low > 0 and gaining.value > max(change.value for change in gained.values())
alone, taught = differences["distillation_efficientvit_m0"]["macro_aucs"]
assert len(alone) == 3 and min(taught) > max(alone), "each of three seeds"
assert 0.0175 < gaining.value < 0.0225, "about 0.02"
assert 0.45 < gaining.value / above["efficientvit_m0"] < 0.6, "about half"
for name in differences["distillation_efficientvit_m0"]["first"]:
    training = results.load_result(book.folder() / "results" / f"{name}.json").training
    assert training.best_epoch < training.epochs, "the best epoch was not the last"
recorded = results.load_results(book.folder() / "results")
real_scores = {r.name: r.score("macro_auc") for r in recorded if not r.simulated}
assert max(real_scores, key=real_scores.get) == "medvit_small_64_nih_kd", "the highest"

# Loss, temperature, labels.
assert (1 - low) / (1 - high) < 1.3
assert 14 * 0.16 * np.log(2) > 1.5
assert sigmoid(-4) < 0.02 and sigmoid(-6) < 0.003
assert product < none
assert none - product < product * opacity, "double counting is the larger error"
assert history.history["loss"][-1] < history.history["loss"][0]
assert (lower, higher) == (5, 7)
assert abs(change.mean()) < 0.005
assert (change < -0.15).sum() == (change > 0.15).sum() == 2, "two by a wide margin"
assert (twice > once).all()
assert twice.min() > 50 * once.min()
assert p.std(axis=0).mean() < logit(p).std(axis=0).mean() / 5, "many times smaller"
