# ruff: noqa: F821
"""What chapter 2 concludes; runs at its end, with its variables."""

from xraylab import evaluation

# Layers and exposure.
assert layers["mediastinum"].min() < 0, "air in the trachea is subtracted"
assert same > 0.95, "the simple exposure nearly agrees"

# The 14 findings.
assert changed.min() < 1, "some findings change a few pixels"
assert changed.max() > 45, "others half of the image"
assert abs(effect["nodule"]) < 1 < 5 < effect["emphysema"]

# Label noise, co-occurrence, confounder.
assert right[FINDINGS.index("pneumonia")] < 0.5
assert set(np.argsort(right)) == set(range(14))
assert (np.argsort(right) == np.argsort(prevalence)).all(), "it decreases with the prevalence"
assert abs(labels[truth].mean() - 0.80) < 0.06
assert abs(labels[~truth].mean() - 0.02) < 0.01
assert with_edema["jointly"] > with_edema["independently"] + 0.05
assert abs(with_edema["independently"] - joint[:, effusion].mean()) < 0.03
empty = [(drawn.sum(axis=1) == 0).mean() for drawn in (joint, separate)]
three = [(drawn.sum(axis=1) == 3).mean() for drawn in (joint, separate)]
assert empty[0] > empty[1] and three[0] > three[1], "independent findings are spread over more"
assert auc_of_cue[1.0] == 1
assert abs(auc_of_cue[0.0] - 0.5) < 0.1
assert abs(auc_of_cue[0.5] - 0.75) < 0.1

# Ground truth.
thin = [FINDINGS.index(name) for name in ("pneumothorax", "pleural_thickening")]
assert filled[thin].max() < 0.5, "most of the box of a thin finding is something else"
assert filled[FINDINGS.index("edema")] < 0.6
assert (ratios["AP"] > ratios["PA"]).all()
assert np.array_equal(alone, beside) and not np.array_equal(alone, other)

# Difficulty of the findings.
from_record = {f.label: f.roc_auc for f in record.scores["test"].per_finding}
hardest = sorted(set(FINDINGS) - {"hernia"}, key=from_record.__getitem__)
assert from_record[hardest[-1]] < 0.95, "none near its upper end"
assert (
    record.recipe["epochs"] == 2 and record.recipe["data_options"]["num_images"]["train"] == 20_000
)
assert all(r.recipe["epochs"] == 2 for r in (*repeated, m0)), "trained as long"
densenet, other = by_finding.filter(like="DenseNet121"), by_finding["EfficientViT-M0"]
assert densenet.shape == (14, 3)
below = (densenet < 0.6).sum(axis=1).drop("hernia")
always = {"cardiomegaly", "fibrosis", "pleural_thickening"}
assert {*below[below == 3].index} == always and {*below[below > 0].index} == {*always, "nodule"}
assert (densenet.loc["nodule"] - 0.6).abs().max() < 0.03, "near it"
assert other["cardiomegaly"] > 0.8 and other["fibrosis"] > 0.6
assert max(other["nodule"], other["pleural_thickening"]) < 0.6, "difficult for both"

# Transfer to real images.
physics, *interval = rows["physics"]
assert abs(rows["version 6"][0] - physics) < 0.01, "version 7 transfers no better"
assert 0 < physics - rows["randomised"][0] < 0.02, "slightly worse"
macro_of = {name: measured[name]["real"]["macro_auc_by_seed"] for name in ("physics", "randomised")}
assert max(macro_of["randomised"]) < min(macro_of["physics"]), "with each of the three seeds"
assert abs(rows["equalised"][0] - physics) < 0.01
assert interval[0] > 0.5
assert 0.5 < macro_low < macro_high < 0.65, "exceeds chance, but by little"
assert measured["physics"]["phantom"]["auc"]["macro_auc"][0] > macro_high, "lower on real images"
large = ("consolidation", "edema", "effusion", "cardiomegaly", "atelectasis")
development = measured["physics"]["real"]["auc"]
for of_part in (auc, development):
    five = sorted(FINDINGS, key=lambda name: of_part[name][0])[-5:]
    assert set(five) == set(large), "highest AUCs"
assert auc["emphysema"][1] < 0.5 and development["emphysema"][0] < 0.6, "close to chance"
for name in large:
    assert auc[name][1] > 0.5, f"{name} transfers"
for name in ("nodule", "fibrosis"):
    assert auc[name][1] < 0.5 < auc[name][2], "the interval includes chance level"

# Larger networks.
assert networks == ["densenet121", "densenet121 1", "densenet121 2", "efficientvit_m0_mxa"]
assert {row["input"] for row in shot["rows"]} == {"original"}, "standardising did not help"
assert (totals[:, 1] > 0.5).all()
assert (totals[1:, 0] < totals[0, 0]).all(), "not higher than the small one"
below = {m: {n for n in FINDINGS if of[n][0] < 0.5} for m, of in zero_shot.items()}
assert all("emphysema" in names for names in below.values())
assert sum("fibrosis" in names for names in below.values()) == len(below) - 1
assert {"pneumothorax", "pleural_thickening"} <= below["efficientvit_m0_mxa"]
assert (
    set().union(*below.values())
    <= {"emphysema", "fibrosis", "hernia"} | below["efficientvit_m0_mxa"]
)
for model, of in zero_shot.items():
    excluded_below = {name for name in FINDINGS if of[name][2] < 0.5}
    assert excluded_below == ({"hernia"} if model == "densenet121" else set())
assert shot["positives"]["hernia"] == 3
in_all = {n for n in FINDINGS if all(of[n][1] > 0.5 for of in zero_shot.values())}
assert in_all == {"cardiomegaly", "consolidation", "edema", "infiltration", "atelectasis"}
small_options = measured["physics"]["options"]
assert (small_options["epochs"], len(small_options["seeds"])) == (5, 3)
assert small_options["images"] == 20_000, "as many"

# One ingredient at a time.
names = [*ingredients]
loud = names.index("with contrast and inversion")
for part in change_of.values():
    assert -0.022 < part[loud, 0] < -0.017 and part[loud, 2] < 0
assert seeds[loud].max() < -0.015, "for every seed"
patient_p = [row["development"]["change"]["macro_auc"][3] for row in ingredients.values()]
assert evaluation.holm(patient_p)[loud] < 0.05
others = np.arange(len(names)) != loud
excluded = (change_of["development"][:, 1] > 0) | (change_of["development"][:, 2] < 0)
assert [names[k] for k in np.flatnonzero(excluded & others)] == ["without AP images"]
assert -0.01 < change_of["development"][names.index("without AP images"), 0] < 0
assert change_of["test"][names.index("without AP images"), 2] < 0, "repeats on the test images"
without_ap = ingredients["without AP images"]["development"]["change"]
assert min(FINDINGS, key=lambda name: without_ap[name][0]) == "edema", "loses most"
assert without_ap["fibrosis"][2] < 0
edema = ingredients["without AP images"]["development"]["change"]["edema"]
assert edema[2] < 0 and evaluation.holm([edema[3]] * 14)[0] < 0.05
removed = [k for k, name in enumerate(names) if name.startswith("without")]
assert -0.0125 < change_of["development"][removed, 1].min() < -0.0115, "worth at most"
assert 0.095 < reference["development"][0] - 0.5 < 0.105, "exceeds chance by"
for name in ("mass", "nodule", "consolidation"):
    assert abs(ingredients["without lesion shapes"]["development"]["change"][name][0]) < 0.005

# Pre-training.
found = {(r.model, r.start, r.num_images): r for r in runs.itertuples(index=False)}
score = {key: row.macro_auc[0] for key, row in found.items()}
minus = {key: row[list(runs.columns).index("minus scratch")] for key, row in found.items()}
for few in (16, 64):
    change, lower, *_ = minus["rr_vit", "simulated", few]
    assert change > 0 and -0.01 < lower < 0, "just includes zero"
none = score["rr_vit", "simulated", 0]
assert score["rr_vit", "simulated", 16] < none, "lower than with no real image"
assert none < score["rr_vit", "simulated", 64] < none + 0.01, "hardly higher"
early = [e for few in (16, 64) for e in found["rr_vit", "simulated", few].best_epochs]
assert np.mean(np.array(early) == 1) > 0.5, "mostly the first"
for model in ("rr_vit", "efficientvit_m0"):
    change, lower, *_ = minus[model, "simulated", 256]
    assert abs(change - 0.035) < 0.003 and lower > 0
    assert 0 < minus[model, "simulated", 1501][0] < change, "smaller"
assert minus["efficientvit_m0", "simulated", 1501][1] < 0
more = {
    m: score[m, "simulated", 256] - score[m, "simulated", 0] for m in ("rr_vit", "efficientvit_m0")
}
assert abs(more["rr_vit"] - 0.03) < 0.005 and 0 < more["efficientvit_m0"] < 0.01
low_two = sorted(found["efficientvit_m0", "simulated", 256].by_seed)[:2]
assert np.mean(low_two) < score["efficientvit_m0", "simulated", 0], "mostly one seed"
assert abs(minus["rr_vit", "gratings", 256][0]) < 0.005, "the control gains nothing"
assert found["rr_vit", "gratings", 0].pretraining_val_macro_auc > 0.8, "it had learned"

# Simulated or real?
halves = separation.loc["real images, halved"]
assert separation.drop(index="real images, halved").min().min() > 0.99, "almost perfectly"
assert (halves - 0.5).abs().max() < 0.05, "the reference"
edges = [value for name, value in clues.items() if name.startswith("edges")]
assert len(edges) == 4 and max(edges) < 0.2, "fewer edges"
assert clues["rim top"] < 0.4, "a darker upper border"
assert min(clues["power 4-6 cycles"], clues["power 6-9 cycles"]) > 0.6, "too high"

# Anatomy and lesions, measured.
width, share, sides, shift = simulator["anatomy"].values()
assert simulator["patients"] == 300
views = ("SIMULATED, PA", "SIMULATED, AP")
jsrt, padchest = "JSRT, n = 246", "PadChest, n = 137"
for view in views:
    assert share[padchest]["mean"] < share[view]["mean"] < share[jsrt]["mean"]
    assert abs(shift[view]["mean"] - shift["landmarks"]["mean"]) < shift["landmarks"]["sd"] * 0.55
    assert 0.95 < sides[view]["mean"] < 1.1, "almost equally large"
assert 1.2 < sides["landmarks"]["mean"] < 1.3
too_narrow = (width[jsrt]["mean"] - width[views[0]]["mean"]) / width[jsrt]["sd"]
assert 0.8 < too_narrow < 1, "almost one standard deviation"
assert width[views[1]]["mean"] < width[padchest]["mean"] - width[padchest]["sd"]
known = simulator["lesions"]
assert len(known) == 10
area = {
    n: [of[k]["area"]["quantiles"] for k in ("annotated", "SIMULATED")] for n, of in known.items()
}
factor = {name: made[2] / drawn[2] for name, (drawn, made) in area.items()}
beyond = {name for name, x in factor.items() if not 0.5 < x < 2}
assert beyond == {"atelectasis", "fibrosis", "pneumothorax"}
assert 1.8 < factor["atelectasis"] < 2.3 and 4.5 < factor["fibrosis"] < 5.5
assert 5.5 < factor["pneumothorax"] < 6
relative = {n: (drawn[4] / drawn[0]) / (made[4] / made[0]) for n, (drawn, made) in area.items()}
assert sum(x > 1 for x in relative.values()) == 7
assert {*sorted(relative, key=relative.get)[-2:]} == {"fibrosis", "nodule"}
small = {name for name, (drawn, made) in area.items() if relative[name] > 1}
assert all(area[name][0][0] < area[name][1][0] for name in small), "the very small ones"
for name in ("consolidation", "fibrosis"):
    assert area[name][0][4] > 1.4 * area[name][1][4], "extensive ones"
drop = {n: of["annotated"]["y"]["mean"] - of["SIMULATED"]["y"]["mean"] for n, of in known.items()}
for name in ("effusion", "emphysema", "fibrosis", "pleural_thickening"):
    assert abs(drop[name]) < 0.04
for name in ("mass", "nodule", "consolidation"):
    assert 0.08 < drop[name] < 0.13
assert 0.06 < drop["cardiomegaly"] < 0.08
assert 0.07 < drop["atelectasis"] < 0.09 and -0.06 < drop["pneumothorax"] < -0.04
both = {n: [1 - of[k]["right"] - of[k]["left"] for k in of] for n, of in known.items()}
for name in ("mass", "pneumothorax"):
    assert max(both[name]) < 0.1
for name in ("effusion", "consolidation"):
    assert abs(both[name][0] - both[name][1]) < 0.1
for name in ("atelectasis", "emphysema", "fibrosis"):
    assert both[name][1] > both[name][0] + 0.29
