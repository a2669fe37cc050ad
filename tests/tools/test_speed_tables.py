"""The tables of the appendix "Speed and cost"."""

import re
from pathlib import Path
from types import SimpleNamespace

import inference_tables
import pytest
import speed_tables

from xraylab import io

BOOK = Path(__file__).resolve().parents[2] / "book"
ROW = {"model": "resnet50", "size": 64, "batch": 1, "graph": 0.02, "xla": 0.04, "onnx": 0.01}
GOALS = ((28, None), (64, 400))
THEIRS = {"eager": 0.03, "compiled": 0.3, "ratio": 3.0, "fastest": "eager / onnx"}


def test_fastest_exact_runtimes_are_bold():
    rows = [{**ROW, "onnx_int8": 0.001, **THEIRS}, ROW, {**ROW, "batch": 32}, {**ROW, "size": 8}]
    first, second = inference_tables.runtimes(rows, 64, 1).to_dict("records")
    assert (first["graph"], first["ONNX"]) == ("20.0", "**10.0**")
    assert (first["PyTorch"], first["compiled"], first["its ONNX"]) == ("**30.0**", "300", "–")
    assert (first["ratio"], second["ratio"]) == ("3.00", "–")


def test_gain_of_8_bits_is_that_of_the_same_file():
    frame = inference_tables.int8([{**ROW, "onnx_int8": 0.004}, {**ROW, "batch": 32}])
    (row,) = frame.to_dict("records")
    assert row == {
        "model": "resnet50",
        "px": 64,
        "ONNX, batch 1": "2.50",
        "ONNX, batch 32": "–",
        "LiteRT, batch 1": "–",
        "LiteRT, batch 32": "–",
    }


def test_ratios_are_stated():
    rows = [{**ROW, **THEIRS}, {**ROW, "batch": 32, **THEIRS, "ratio": 1.2}, ROW]
    text = inference_tables.ratios(rows)
    assert "between 1.20 (resnet50, 64 px, batch 32) and 3.00 (resnet50, 64 px, batch 1)" in text
    assert text.endswith("in 2 of 2 cases, and at least 1.5 times as fast in 1")
    assert inference_tables.xla_ratios(rows[:1]).startswith("from 2.00 (resnet50, 64 px, batch 1)")


def test_rows_of_later_runs_stand_beside_the_others_of_their_model():
    rows = [{**ROW, "model": name, "size": size} for name, size in (("b", 64), ("a", 64), ("b", 9))]
    found = [(row["model"], row["size"]) for row in inference_tables.grouped(rows)]
    assert found == [("b", 9), ("b", 64), ("a", 64)]


def test_latency_is_compared_between_sizes():
    times = {(1, 64): 0.1, (1, 128): 0.5, (32, 64): 1, (32, 128): 8}
    rows = [
        {"model": "hybrid_rr_vit", "batch": batch, "size": size, "graph": seconds}
        for (batch, size), seconds in times.items()
    ]
    text = inference_tables.latency([*rows, ROW])
    assert text == "5.0 times as long for one image, and 8.0 times for 32"


def test_parts_of_a_step_add_up():
    step = {"forward": 0.1, "gradient": 0.3, "step": 0.4, "wait": 0.0123}
    rates = {"images_per_second": 80, "operations_per_second": 1, "peak_operations_per_second": 4}
    (row,) = speed_tables.parts_of_a_step([{"model": "a", **step, **rates}]).to_dict("records")
    parts = [int(row[name].split()[0]) for name in ("forward", "backward", "optimizer")]
    assert parts == [25, 50, 25]
    assert (row["wait"], row["arithmetic"]) == ("1.2 %", "25 %")


@pytest.mark.parametrize("share, held", [(0.02, "within"), (0.04, "beyond")])
def test_the_longest_wait_is_compared_with_the_limit(share, held):
    text = speed_tables.waits([{"model": "a", "wait": 0.01}, {"model": "b", "wait": share}])
    assert f"{100 * share:.1f} % at most (b), {held} the limit of 3 %" in text


def test_precisions_are_compared():
    seconds = (0.5, 3)
    rows = [
        {"model": model, "precision": precision, "step": step}
        for model, half in zip("ab", seconds, strict=True)
        for precision, step in (("float32", 1), ("mixed_bfloat16", half))
    ]
    frame = speed_tables.precisions(rows)
    assert frame["ratio"].tolist() == ["2.00", "0.33"]
    assert frame["mixed_bfloat16"].tolist() == ["500", "3000"]
    facts = {"processor": "P", "instructions": ["amx_bf16"], "rows": rows}
    text = speed_tables.facts_of_precision(facts)
    assert "The processor (P) has `amx_bf16` for bfloat16" in text
    assert text.endswith("faster than float32 in 1 of 2 models")


def test_steps_are_compared_with_plain_keras():
    rows = [
        {"model": name, "own": 0.1, "plain": 0.1 * ratio, "ratio": ratio}
        for name, ratio in (("a", 1.4), ("b", 0.9), ("c", 1.29))
    ]
    assert speed_tables.against_plain(rows)["ratio"].tolist() == ["**1.40**", "0.90", "1.29"]
    text = speed_tables.facts_of_plain(rows)
    assert text.startswith("The ratio lies between 0.90 (b) and 1.40 (a)")
    assert text.endswith("1.3, which 1 of 3 models reach")


def test_ways_to_read_are_compared_with_ours():
    row = {"first_load": 60, "load": 0.5, "growth_mb": 90.4}
    rates = {"xraylab": 4000, "medmnist": 8000, "PNG files": 1000}
    rows = [{"way": way, "images_per_second": rate, **row} for way, rate in rates.items()]
    text = speed_tables.facts_of_reading({"rows": rows, "limit_mb": 300})
    assert "reads 0.5 times as many as medmnist and 4.0 times as many as PNG files" in text
    assert text.endswith("90 MB is within the benchmark's limit of 300 MB")
    assert speed_tables.ways_to_read(rows)["memory, MB"].tolist() == ["90", "90", "90"]


def test_simulated_images_stand_beside_their_goals():
    rows = [{"size": size, "images_per_second": 1234.5, "goal": goal} for size, goal in GOALS]
    table = speed_tables.simulations(rows)
    assert table["images/s"].tolist() == ["1,234", "1,234"]
    assert table["goal"].tolist() == ["–", "400"]


def test_goals_of_the_simulator_are_those_of_the_benchmark(load_benchmark):
    rows = io.read_json(BOOK / "measured" / "phantom_speed.json")["rows"]
    goals = {row["size"]: row["goal"] for row in rows if row["goal"]}
    assert goals == load_benchmark("phantom_speed").GOALS == {64: 400, 224: 40}


def test_failures_are_named():
    rows = [{"skipped": ["resnet50, xla: skipped, ValueError: no"]}, {"skipped": []}]
    assert inference_tables.skipped(rows) == "resnet50, xla"
    assert inference_tables.skipped(rows[1:]) == "none"


@pytest.mark.parametrize("seconds, text", [(0.00234, "2.34"), (0.0234, "23.4"), (0.234, "234")])
def test_three_digits(seconds, text):
    assert inference_tables.milliseconds(seconds) == text


def test_every_substitution_is_on_the_page():
    config = SimpleNamespace(myst_substitutions={})
    speed_tables.add_substitutions(SimpleNamespace(srcdir=BOOK), config)
    page = (BOOK / "appendix" / "speed.md").read_text("utf-8")
    assert {*re.findall("{{ (\\w+) }}", page)} == {*config.myst_substitutions}
    assert all(config.myst_substitutions.values())


def test_hybrid_rr_vit_trains_with_eight_images_of_224_pixels_in_half_of_16_gb():
    rows = io.read_json(BOOK / "measured" / "attention_memory.json")["rows"]
    [row] = [
        r
        for r in speed_tables.trained(rows)
        if (r["model"], r["size"], r["batch"]) == ("hybrid_rr_vit", 224, 8)
    ]
    assert row["way"] == "blocks"
    assert row["peak"] < 8


def test_largest_images_take_attention_as_the_package_computes_it():
    row = {"model": "a", "training": True, "size": 224, "tokens": 9, "batch": 8}
    ways = [{"way": "blocks", "peak": 2.0}, {"way": "whole", "peak": 6.0}]
    rows = [{**row, **way} for way in ways]
    rows += [{**row, "batch": 1, "way": "whole"}, {**row, "model": "b", "size": 64, "peak": 1.0}]
    assert speed_tables.largest_peaks(rows).to_dict("records") == [
        {"model": "a", "tokens": 9, "GB, batch 8": "2.0"}
    ]
