"""Published figures: every number of the slides and the MXA paper, and the paper's arithmetic."""

import json
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from xraylab import models, results
from xraylab.findings import CHEXPERT_FINDINGS

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"

SLIDES = {  # accuracy, AUC, parameters in millions, inference in seconds
    64: {
        "resnet50": (0.947, 0.686, 24.12, 1.848),
        "densenet121": (0.948, 0.726, 7.30, 3.546),
        "efficientnet_b0": (0.948, 0.743, 4.38, 2.480),
        "dbct": (0.947, 0.747, 2.41, 0.193),
        "rr_vit": (0.947, 0.722, 0.29, 0.339),
        "hybrid_rr_vit": (0.948, 0.755, 4.46, 1.357),
    },
    128: {
        "resnet50": (0.948, 0.706, 24.12, 1.968),
        "densenet121": (0.948, 0.758, 7.30, 3.118),
        "efficientnet_b0": (0.948, 0.740, 4.38, 2.068),
        "dbct": (0.947, 0.736, 2.41, 0.190),
        "rr_vit": (0.948, 0.733, 0.32, 0.351),
        "hybrid_rr_vit": (0.948, 0.761, 4.66, 10.33),
    },
    224: {
        "resnet50": (0.947, 0.702, 24.12, 2.237),
        "densenet121": (0.948, 0.701, 7.30, 3.385),
        "efficientnet_b0": (0.948, 0.729, 4.38, 1.982),
        "medvit_large": (0.959, 0.805, 57.69, None),
        "dbct": (0.947, 0.747, 2.45, 0.176),
        "rr_vit": (0.948, 0.738, 0.38, 1.323),
    },
}

PAPER = {
    "Table 1": {
        "efficientvit_m5": {"accuracy": 0.840, "loss": 0.679, "f1": 0.476, "micro_auc": 0.661},
        "efficientvit_m5_mxa_kd": {
            "accuracy": 0.844,
            "loss": 0.406,
            "f1": 0.599,
            "micro_auc": 0.8529,
        },
    },
    "Table 2": {
        "efficientvit_m5": {"micro_auc": 0.6659},
        "efficientvit_m5_mxa": {"micro_auc": 0.8344},
        "efficientvit_m5_mxa_kd": {"micro_auc": 0.8393},
    },
    # Its rows of CheXpert repeat Table 1.
    "Table R.1": {
        "efficientvit_m5": {"micro_auc": 0.7132},
        "efficientvit_m5_mxa_kd": {"micro_auc": 0.8222},
    },
}

# Table K.1 in the paper's order; the abbreviations are those of its Table I.1.
BY_FINDING = """
NF 0.50 0.85 0.82
ECM 0.50 0.50 0.53
CM 0.50 0.50 0.69
LO 0.82 0.82 0.85
LL 0.50 0.50 0.32
ED 0.78 0.86 0.87
CON 0.50 0.77 0.81
PNA 0.50 0.50 0.75
ATL 0.50 0.78 0.77
PTX 0.50 0.81 0.79
PE 0.82 0.91 0.91
PO 0.50 0.99 0.65
SD 0.77 0.81 0.82
"""


def rows_of(citation):
    return [row for row in results.published() if row.citation == citation]


def test_every_number_of_the_slides():
    found = {size: {} for size in SLIDES}
    for row in (*rows_of("pham2026"), *rows_of("manzari2023")):
        assert row.data == "ChestMNIST" and f"{row.size} × {row.size}" in row.location
        assert set(row.scores) == {"accuracy", "macro_auc"}
        scores = row.scores["accuracy"], row.scores["macro_auc"]
        found[row.size][row.model] = (*scores, row.parameters_millions, row.inference_seconds)
    assert found == SLIDES


def test_every_number_of_the_paper():
    found = {table: {} for table in PAPER}
    for row in rows_of("rand2025"):
        found[row.location][row.model] = row.scores
        assert row.data == ("ChestX-ray14" if row.location == "Table R.1" else "CheXpert")
        assert (row.size, row.parameters_millions, row.inference_seconds) == (224, None, None)
    assert found == PAPER
    table = results.published_by_finding()
    assert [*table.columns] == list(PAPER["Table 2"])
    # CheXpert's order, without fracture.
    assert [*table.index] == [name for name in CHEXPERT_FINDINGS if name != "fracture"]
    printed = [[float(cell) for cell in line.split()[1:]] for line in BY_FINDING.split("\n")[1:-1]]
    np.testing.assert_array_equal(table.to_numpy(), printed)


def numbers(text):
    return [float(number) for number in re.findall(r"\d+\.?\d*", text)]


def test_the_numbers_of_this_file_are_in_the_sources():
    """Where the source documents are at hand, their tables are read."""
    files = [path for number in ("000", "001") for path in SEEDS.glob(f"{number}*.txt")]
    if len(files) != 2:
        pytest.skip(f"no source documents in {SEEDS}")
    slides, paper = (path.read_text("utf-8") for path in files)
    for size, rows in SLIDES.items():
        start = slides.index("Model\tACC", slides.index(f"Performance comparison - {size} ×"))
        lines = [line.split("\t", 1)[1] for line in slides[start:].split("\n")[1:8]]
        printed = [numbers(line) for line in lines if numbers(line)]
        assert sorted(printed) == sorted([x for x in row if x is not None] for row in rows.values())
    lines = {line.partition("\t")[0]: line for line in paper.split("\n") if "\t" in line}
    for line in BY_FINDING.strip().split("\n"):
        name = line.split()[0]
        assert f"\n{line.replace(' ', chr(9))}\n" in paper, name
    for table, by_model in PAPER.items():
        start = paper.index(f"{table}:")
        for scores in by_model.values():
            for name, value in scores.items():
                printed = f"{100 * value:.1f}" if name == "accuracy" else f"{value:g}"
                assert printed in paper[start : start + 700], (table, name)
    for name, variant in variants().items():
        line = lines[f"EfficientViT-MultiLabel-{name[-2:].upper()}"]
        assert numbers(line.partition("\t")[2]) == [x for numbers in variant for x in numbers]


# The paper's arithmetic


def of(table, model, score="micro_auc"):
    return PAPER[table][model][score]


def test_the_claims_of_improvement():
    """Recompute "+0.19", "233 %" over chance, and "roughly 29 %"."""
    baseline, proposed = (of("Table 1", name) for name in PAPER["Table 1"])
    assert proposed - baseline == pytest.approx(0.192, abs=5e-4)
    assert (proposed - baseline) / baseline == pytest.approx(0.29, abs=5e-3)

    def percent_over_chance(proposed, baseline):
        return round(100 * (proposed - 0.5) / (baseline - 0.5))

    assert percent_over_chance(0.85, 0.65) == 233  # needs a baseline that is printed nowhere
    assert percent_over_chance(0.85, 0.66) == 219  # that of Fig. J.1, 0.66 → 0.85
    assert percent_over_chance(proposed, baseline) == 219
    assert round(of("Table 1", "efficientvit_m5"), 2) == 0.66
    first, second = (of("Table R.1", name) for name in PAPER["Table R.1"])
    assert second - first == pytest.approx(0.109, abs=5e-4)


def test_the_same_model_has_two_scores():
    assert of("Table 1", "efficientvit_m5_mxa_kd") - of("Table 2", "efficientvit_m5_mxa_kd") > 0.013


def test_means_of_the_table_by_finding():
    table = results.published_by_finding()
    plain, mxa, distilled = (table[name] for name in table)
    assert table.mean().round(3).tolist() == [0.592, 0.738, 0.737]
    assert [(table[name] == 0.5).sum() for name in table] == [9, 4, 0]
    assert ((distilled < mxa).sum(), (distilled > mxa).sum()) == (5, 7)
    assert distilled.idxmin() == "lung_lesion" and distilled.min() < 0.5
    assert (mxa >= plain).all()


def variants():
    text = (resources.files("xraylab.results") / "published.json").read_text("utf-8")
    return json.loads(text)["variants"]["channels_depths_heads"]


def test_the_published_variants_are_the_registered_ones():
    names = [f"efficientvit_m{k}" for k in range(6)]
    options = [models.spec(name).options for name in names]
    ours = [[[*o[key]] for key in ("embed_dims", "depths", "num_heads")] for o in options]
    assert variants() == dict(zip(names, ours, strict=True))


# Tables


def test_published_results_are_cited_and_distinct():
    rows = results.published()
    assert len({(row.model, row.size, row.data, row.location) for row in rows}) == len(rows)
    assert all(row.citation and row.location and row.scores for row in rows)


def test_published_tables_say_so():
    made = results.published_table("ChestMNIST", 128)
    assert made.caption.startswith("PUBLISHED by others")
    last = made.frame.iloc[-1].tolist()
    assert last[:5] == ["hybrid_rr_vit", "0.948", "0.761", "4.66", "10.33"]
    made = results.published_table("CheXpert", 224)
    assert list(made.frame.columns) == ["model", "ACC", "micro AUC", "F1", "loss", "source"]
    first = ["efficientvit_m5", "0.84", "0.661", "0.476", "0.679"]
    assert made.frame.iloc[0].tolist()[:5] == first
    with pytest.raises(ValueError, match="Received: 'CheXpert' at 64 px"):
        results.published_table("CheXpert", 64)


def test_published_parameters_match_ours_to_the_printed_digits():
    from xraylab.models.cost import recorded_cost

    for row in results.published():
        if row.parameters_millions is not None:
            cost = recorded_cost(row.model, row.size)
            assert cost is not None
            count = cost.trainable if row.model == "medvit_large" else cost.parameters
            assert round(count / 1e6, 2) == row.parameters_millions, row


def test_label_counts_of_chexpert():
    """Irvin et al. 2019, Table 1; the studies of both kinds are a part of all 187,641."""
    counts = results.published_label_counts()
    assert tuple(counts.index) == CHEXPERT_FINDINGS
    assert counts.loc["pleural_effusion"].tolist() == [75696, 9419]
    assert (counts.sum(axis=1) < 187641).all()
