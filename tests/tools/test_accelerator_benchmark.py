"""The benchmark of accelerators: what is measured, and how it continues; no speed is asserted."""

import json
import sys

import pytest

from xraylab.models.cost import recorded_cost


@pytest.fixture
def benchmark(load_benchmark):
    return load_benchmark("accelerator")


def test_every_family_is_measured_at_every_size(benchmark):
    assert benchmark.CASES[0] == ("hybrid_rr_vit", 224)
    assert len(set(benchmark.CASES)) == len(benchmark.CASES) == 3 * len(benchmark.MODELS)
    assert all(recorded_cost(*case) for case in benchmark.CASES)


def test_fraction_counts_three_forward_passes_of_two_operations(benchmark):
    row = {"model": "rr_vit", "size": 64, "batch": 10, "step": 0.5, "precision": "mixed_float16"}
    operations = 3 * 2 * recorded_cost("rr_vit", 64).multiply_adds * 10
    found = benchmark.fraction_of_peak({**row, "device": "Tesla T4"}, None)
    assert found == pytest.approx(operations / 0.5 / 65e12)
    assert benchmark.fraction_of_peak({**row, "device": "unknown"}, None) is None
    assert benchmark.fraction_of_peak({**row, "device": "unknown"}, 2 * operations) == 1
    row["precision"] = "float32"
    assert benchmark.fraction_of_peak({**row, "device": "Tesla T4"}, None) is None


def test_a_second_run_measures_what_is_missing_or_has_failed(
    benchmark, monkeypatch, tmp_path, capsys
):
    cases = []

    def run(script, *arguments):
        cases.append(json.loads(arguments[-1])[:2])
        if len(cases) == 1:
            return None
        return {"step": 0.1, "peak_bytes": 1e9, "precision": "float32", "device": "a"}

    monkeypatch.setattr(benchmark.own_process, "run", run)
    path = tmp_path / "found.json"
    arguments = ["accelerator.py", "--json", str(path), "--smoke"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--minutes", "0"])
    benchmark.main()
    assert not cases
    assert "2 cases are left" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", arguments)
    benchmark.main()
    first, second = json.loads(path.read_text())["rows"]
    assert "step" not in first
    assert second["step"] == 0.1
    benchmark.main()
    assert cases == [list(case) for case in (*benchmark.SMOKE, benchmark.SMOKE[0])]
    assert all(row["step"] == 0.1 for row in json.loads(path.read_text())["rows"])
