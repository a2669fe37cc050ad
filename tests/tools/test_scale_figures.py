"""The figures and facts of the appendix "Cost at scale"."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest
import scale_figures
from record_runs import SYSTEMS
from sync import BOOK

from xraylab import io
from xraylab.phantom import SPLIT_SIZES
from xraylab.training import recipes

CASE = {"model": "hybrid_rr_vit", "training": True, "batch": 1, "start": 1.0}
MEMORY = {
    "rows": [
        {**CASE, "size": 64, "tokens": 257, "way": "whole", "seconds": 0.5, "peak": 1.5},
        {**CASE, "size": 128, "tokens": 1025, "way": "blocks", "seconds": 2.0, "peak": 2.0},
        {**CASE, "size": 128, "tokens": 1025, "way": "whole", "seconds": 1.5, "peak": 4.0},
        {**CASE, "size": 224, "tokens": 3137, "way": "blocks", "seconds": 9.0, "peak": 2.5},
        {**CASE, "size": 224, "tokens": 3137, "way": "whole"},  # failed
        {**CASE, "size": 224, "tokens": 3137, "way": "blocks", "seconds": 1, "peak": 1, "batch": 8},
        {**CASE, "size": 224, "tokens": 784, "way": "whole", "peak": 9.0, "model": "medvit_small"},
    ],
}


def test_growth_is_that_over_whole_maps_at_the_smallest_size():
    growth = scale_figures.by_tokens(MEMORY)
    assert growth["seconds, in blocks"].tolist() == [1, 4, 18]
    assert growth["memory, in blocks"].tolist() == [1, 2, 3]
    assert growth["seconds, whole maps"].tolist()[:2] == [1, 3]
    assert growth["memory, whole maps"].isna().tolist() == [False, False, True]
    assert growth["tokens"].iloc[-1] == 3137 / 257


def test_recorded_runs_without_a_teacher_are_compared_at_the_size_of_the_rates(tmp_path):
    runs = {"a": (64, "classification"), "b": (128, "classification"), "c": (64, "distillation")}
    for name, (size, objective) in runs.items():
        recipe = {"model": "rr_vit", "size": size, "batch_size": 50, "objective": objective}
        training = {"steps": 120, "seconds": 30.0}
        io.write_json(tmp_path / f"{name}.json", {"recipe": recipe, "training": training})
    runs = scale_figures.recorded_runs(tmp_path, {"rr_vit": 600}, 64)
    assert runs.to_dict("records") == [
        {"model": "rr_vit", "images": 6000, "seconds": 30.0, "ratio": 3.0}
    ]


def test_facts_of_recorded_runs():
    text = scale_figures.training_facts(pd.DataFrame({"ratio": [1.0, 1.5, 2.0, 4.0, 40.0]}))
    assert text.startswith("Half of the 5 recorded runs without a teacher")
    assert "took 1.5 to 4.0 times as long" in text
    assert text.endswith("(median 2.0, at most 40.0)")


def test_time_of_an_epoch():
    (row,) = scale_figures.epochs({"a": scale_figures.TRAINING_IMAGES / 360}).to_dict("records")
    assert (row["minutes per epoch"], row["hours for 30 epochs"]) == ("6", "3.0")


def test_tuned_recipes_have_that_many_epochs():
    names = [recipe for recipe, _ in SYSTEMS.values()]
    assert {recipes.find(name).epochs for name in names} == {scale_figures.EPOCHS}


def test_epoch_at_full_size_is_that_of_chestmnist():
    measured = io.read_json(BOOK / "measured" / "full_size.json")
    assert measured["images"] == SPLIT_SIZES
    rate = measured["images_per_second"]
    assert measured["steps"] * rate == pytest.approx(scale_figures.TRAINING_IMAGES)
    measured |= {"preparation": 3, "steps": 90, "validation": 7.4, "images_per_second": 871.9}
    text = scale_figures.full_size_facts(measured | {"peak_bytes": 2e9, "before_bytes": 9e8})
    assert "took 3 s, the steps on 78,468 images 1.5 minutes (872 images/s)" in text
    assert text.endswith("2.00 GB of memory at most, 0.90 GB of it Python and TensorFlow")


def test_growth_with_labels():
    counts = {"lt_vit_tiny": [10, 25], "a": [100, 110], "b": [100, 101]}
    text = scale_figures.label_facts({"labels": [14, 1000], "multiply_adds": counts})
    assert text.startswith("From 14 to 1,000 labels they grow 2.5-fold in LT-ViT")
    assert text.endswith("1.100-fold at most in the others (a)")


def test_what_two_processes_add():
    one = {"one": 0.2, "half": 0.1, "two": 0.125, "cores": 0.1, "gradient": 4e6}
    rows = [{"model": "a", **one}, {"model": "b", **one, "two": 0.25}]
    text = scale_figures.process_facts(rows)
    assert "1.60 (a), 0.80 (b)" in text
    assert text.endswith("takes 25 ms (a), 150 ms (b) more")
    assert scale_figures.two_processes(rows)["against one core"].tolist() == ["1.60", "0.80"]
    assert scale_figures.two_processes(rows)["against two"].tolist()[0] == "0.80"


def test_a_second_process_makes_training_slower():
    rows = io.read_json(BOOK / "measured" / "two_processes.json")["rows"]
    assert [row["model"] for row in rows] == ["rr_vit", "densenet121"]
    assert all(row["two"] > row["one"] for row in rows)


def test_preparation_of_the_whole_batch_bounds_the_speed_up():
    row = {"model": "resnet50", "step": 0.6, "batch": 0.02}
    (bounds,) = scale_figures.hosts([row]).to_dict("records")
    assert bounds["largest speed-up"] == "30.0"
    assert (bounds["gradient, MB"], bounds["transfer, ms"]) == ("96", "154")  # 24,062,734 weights


def test_every_substitution_is_on_the_page():
    config = SimpleNamespace(myst_substitutions={})
    scale_figures.add_substitutions(SimpleNamespace(srcdir=BOOK), config)
    page = (BOOK / "appendix" / "scale.md").read_text("utf-8")
    assert {*re.findall("{{ (\\w+) }}", page)} == {*config.myst_substitutions}
    for text in config.myst_substitutions.values():
        assert text
        assert "\n\n" not in text  # would end a block of HTML


@pytest.mark.parametrize("name", ["tokens", "training", "labels"])
def test_figures_have_a_text_alternative(name):
    config = SimpleNamespace(myst_substitutions={})
    scale_figures.add_substitutions(SimpleNamespace(srcdir=BOOK), config)
    (alternative,) = re.findall('aria-label="([^"]*)"', config.myst_substitutions[f"scale_{name}"])
    assert " over " in alternative and re.search(r"\d", alternative)
