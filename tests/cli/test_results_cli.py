"""Records of runs from the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from .command import LABELS, xraylab

BOOK_RECORDS = Path(__file__).resolve().parents[2] / "book" / "results"


@pytest.fixture(scope="module")
def records(run, tmp_path_factory):
    """Return a folder with the records of two runs that differ in their seed."""
    root = tmp_path_factory.mktemp("recorded")
    for seed in (0, 1):
        shutil.copytree(run, root / f"seed{seed}")
    facts = json.loads((root / "seed1" / "run.json").read_text())
    facts["recipe"]["seed"] = 1  # training again would take long
    (root / "seed1" / "run.json").write_text(json.dumps(facts))
    folder = root / "records"
    for name in ("seed0", "seed1"):
        options = ("--folder", folder, "--replicates", 20, "--keep-labels")
        text = xraylab("results", "record", root / name, *options)
        assert f"{name}.json: test macro AUC 0." in text
        assert "SIMULATED" not in text
    return folder


def test_records_are_listed_and_checked(records, tmp_path):
    text = xraylab("results", "list", "--folder", records)
    assert "seed0" in text and "95 %, images" in text
    assert text.strip().endswith(": 2")
    assert ": 0" in xraylab("results", "list", "--folder", records, "--size", 64)
    text = xraylab("results", "check", "--folder", records)
    assert "all agree: seed0, seed1" in text
    assert "no records" in xraylab("results", "check", "--folder", tmp_path)


def test_records_without_labels_are_checked_with_the_images(run, image_file, tmp_path):
    xraylab("results", "record", run, "--folder", tmp_path, "--name", "a", "--replicates", 5)
    assert "not recomputed (pass --data): a" in xraylab("results", "check", "--folder", tmp_path)
    options = ("--folder", tmp_path, "--data", image_file)
    assert "--label-names" in xraylab("results", "check", *options, expect=1)
    text = xraylab("results", "check", *options, "--label-names", LABELS)
    assert "all agree: a" in text
    assert "not recomputed" not in text
    other = tmp_path / "other.npz"
    with np.load(image_file) as arrays:
        np.savez(other, **{name: array[:30] for name, array in arrays.items()})
    options = ("--folder", tmp_path, "--data", other, "--label-names", LABELS)
    text = xraylab("results", "check", *options)
    assert "not recomputed (--data has other images or labels): a" in text
    text = xraylab("results", "compare", "a", "a", *options, expect=1)
    assert "Invalid argument --data. Expected: the validation and test images of a" in text


def test_tables_have_three_formats(records):
    assert "| seed0 |" in xraylab("results", "table", "--folder", records)
    assert r"\toprule" in xraylab("results", "table", "--folder", records, "--format", "latex")
    text = xraylab(
        "results", "table", "--folder", records, "--format", "csv", "--columns", "size, size"
    )
    assert text.splitlines()[1:] == ["run,px,px", "seed0,16,16", "seed1,16,16"]
    text = xraylab("results", "table", "--folder", records, "--columns", "auc", expect=1)
    assert "macro_auc" in text


def test_there_is_a_table_for_each_set_of_test_images():
    text = xraylab("results", "table", "--folder", BOOK_RECORDS)
    captions = [line for line in text.splitlines() if line.startswith("*")]
    assert ["SIMULATED" in line for line in captions] == [False, False, True]


def test_the_matrix_has_a_column_for_each_set_of_images_and_start():
    text = xraylab("results", "matrix", "--folder", BOOK_RECORDS)
    heading, _, *rows = [line for line in text.splitlines() if line.startswith("|")]
    assert "SIMULATED phantom" in heading and "nih_128.npz" in heading
    assert len({row.count("|") for row in rows}) == 1
    assert any("not run (" in row for row in rows)


def test_two_records_are_compared(records):
    text = xraylab("results", "compare", "seed0", "seed1", "--folder", records)
    assert "recipe: seed" in text
    assert "macro_auc" in text
    assert "paired bootstrap over images" in text


def test_records_without_labels_are_compared_with_the_images(run, image_file, tmp_path):
    for name in ("a", "b"):
        options = ("--folder", tmp_path, "--name", name, "--replicates", 5)
        xraylab("results", "record", run, *options)
    compare, folder = ("results", "compare"), ("--folder", tmp_path)
    assert "--data FILE" in xraylab(*compare, "a", "b", *folder, expect=1)
    assert "Did you mean 'b'?" in xraylab(*compare, "a", "bb", *folder, expect=1)
    nowhere = ("--folder", tmp_path / "none")
    assert "a folder of records" in xraylab(*compare, "a", "b", *nowhere, expect=1)
    text = xraylab(*compare, "a", "b", *folder, "--data", image_file, "--label-names", LABELS)
    assert "+0.0000 [+0.0000, +0.0000]" in text


def test_a_changed_score_is_detected(records, tmp_path):
    folder = tmp_path / "records"
    shutil.copytree(records, folder)
    values = json.loads((folder / "seed0.json").read_text())
    values["scores"]["test"]["macro_auc"] = 0.99
    (folder / "seed0.json").write_text(json.dumps(values))
    for command in ("list", "check", "table"):
        assert "seed0.json" in xraylab("results", command, "--folder", folder, expect=1)
