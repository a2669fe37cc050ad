"""The plan of the recorded runs."""

from dataclasses import replace

import pytest
import record_runs


def test_a_run_follows_those_that_it_needs():
    earlier = set()
    for plan in record_runs.planned():
        assert {*plan.teachers, plan.start_from} - {None} <= earlier, plan.name
        assert plan.name not in earlier
        earlier.add(plan.name)


def test_a_seed_changes_nothing_else():
    plans = {plan.name: plan for plan in record_runs.planned()}
    for name in ("efficientvit_m0_mxa_64_nih_kd", "rr_vit_64_nih_scratch"):
        first, second = plans[name], plans[f"{name}_seed1"]
        assert sorted(second.settings) == sorted([*first.settings, "seed=1"])
        assert replace(second, name=name, settings=()) == replace(first, settings=())


def test_a_misspelled_name_is_an_error(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["record_runs.py", "--only", "rr_vit_64_nih_scrach"])
    with pytest.raises(SystemExit):
        record_runs.main()
    assert "rr_vit_64_nih_scrach" in capsys.readouterr().err
