"""Records from the command line: made, listed, compared, checked and printed."""

import json
import shutil

import pytest

from .command import TRAIN, xraylab


@pytest.fixture(scope="module")
def records(image_file, tmp_path_factory):
    """Return a folder with the records of two runs that differ in their seed."""
    root = tmp_path_factory.mktemp("recorded")
    for seed in (0, 1):
        run = root / f"seed{seed}"
        xraylab(*TRAIN, "--data", image_file, "--seed", seed, "--out", run)
        folder = root / "records"
        text = xraylab("results", "record", run, "--folder", folder, "--replicates", 20, "--keep")
        assert f"seed{seed}.json: test macro AUC 0." in text
        assert "SIMULATED" not in text
    return root / "records"


def test_records_are_listed_and_checked(records, tmp_path):
    text = xraylab("results", "list", "--folder", records)
    assert "seed0" in text
    assert text.strip().endswith(": 2")
    assert ": 0" in xraylab("results", "list", "--folder", records, "--size", 64)
    text = xraylab("results", "check", "--folder", records)
    assert "all agree: seed0, seed1" in text
    assert "no records" in xraylab("results", "check", "--folder", tmp_path)


def test_tables_in_three_forms(records):
    assert "| seed0 |" in xraylab("results", "table", "--folder", records)
    assert r"\toprule" in xraylab("results", "table", "--folder", records, "--format", "latex")
    text = xraylab("results", "table", "--folder", records, "--format", "csv", "--columns", "size")
    assert text.splitlines()[1:] == ["run,px", "seed0,16", "seed1,16"]
    text = xraylab("results", "table", "--folder", records, "--columns", "auc", expect=1)
    assert "columns among macro_auc" in text


def test_two_records_are_compared(records):
    text = xraylab("results", "compare", "seed0", "seed1", "--folder", records)
    assert "recipe: seed" in text
    assert "macro_auc" in text
    assert "Paired bootstrap over images" in text


def test_a_record_that_was_changed_is_refused(records, tmp_path):
    folder = tmp_path / "records"
    shutil.copytree(records, folder)
    values = json.loads((folder / "seed0.json").read_text())
    values["scores"]["test"]["macro_auc"] = 0.99
    (folder / "seed0.json").write_text(json.dumps(values))
    for command in ("list", "check", "table"):
        text = xraylab("results", command, "--folder", folder, expect=1)
        assert "seed0.json: the record was changed" in text


def test_calibration_is_kept_beside_the_weights(records):
    run = records.parent / "seed0"
    text = xraylab("calibrate", run)
    assert "Threshold, youden" in text
    assert "calibration.json" in text
    kept = json.loads((run / "calibration.json").read_text())
    assert len(kept["thresholds"]["f1"]) == len(kept["label_names"]) == 3
