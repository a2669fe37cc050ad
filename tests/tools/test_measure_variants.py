"""Runs of one experiment differ in the setting and the seed only."""

from types import SimpleNamespace

import measure_variants as tool
import pytest
import record_runs


@pytest.mark.parametrize("experiment", tool.EXPERIMENTS, ids=lambda e: e.setting)
def test_nothing_but_the_setting_and_the_seed_differs(experiment, tmp_path, monkeypatch):
    trained = {}

    def train_recipe(recipe, folder, settings):
        trained[folder] = (recipe, *settings)

    monkeypatch.setattr(record_runs, "train_recipe", train_recipe)
    options = SimpleNamespace(real=tmp_path, runs=tmp_path / "runs")
    for seed in tool.SEEDS:
        for value in experiment.values:
            tool.train(experiment, value, seed, options)
    assert len(trained) == len(tool.SEEDS) * len(experiment.values), "a folder for each run"
    changed = {f"seed={seed}" for seed in tool.SEEDS}
    changed |= {f"{experiment.setting}={value}" for value in experiment.values}
    first, *others = ({*settings} - changed for settings in trained.values())
    assert all(other == first for other in others)
    assert len({*trained.values()}) == len(trained)
