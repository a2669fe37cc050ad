"""Shipped weights: the files of the manifest, and predictions that agree with their records."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from xraylab import data, io, metrics, models, results
from xraylab.findings import FINDINGS
from xraylab.models import weights

ROOT = Path(__file__).parents[2]
MANIFEST = json.loads((ROOT / "weights" / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", MANIFEST)
def test_manifest_describes_the_file(name):
    entry = MANIFEST[name]
    path = ROOT / entry["file"]
    assert path.stat().st_size == entry["bytes"]
    assert io.sha256(path) == entry["sha256"]
    record = results.load_result(ROOT / "book" / "results" / f"{entry['record']}.json")
    assert not record.simulated
    card = (ROOT / "weights" / f"{name}.md").read_text(encoding="utf-8")
    assert f"{record.score('macro_auc'):.3f}" in card
    assert record.weights_sha256 in card


def test_every_file_is_in_the_manifest():
    folders = (ROOT / "weights", ROOT / "xraylab" / "models" / "pretrained")
    files = {path.relative_to(ROOT).as_posix() for f in folders for path in f.glob("*.h5")}
    assert files == {entry["file"] for entry in MANIFEST.values()}
    assert sum(entry["bytes"] for entry in MANIFEST.values()) < 60e6


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n.startswith("rr_vit") else pytest.mark.long) for n in MANIFEST],
)
def test_predictions_are_those_of_the_record(name, real_images):
    """Float16 storage hardly moves the logits."""
    record = results.load_result(ROOT / "book" / "results" / f"{MANIFEST[name]['record']}.json")
    source = real_images / record.data["test"].source
    test = data.load(source, split="test", on_suspect=None, progress=False)
    assert test.fingerprint == record.data["test"].fingerprint
    with np.load(record.path.with_name(record.predictions_file)) as stored:
        expected = stored["test_logits"]
    model = models.build(record.recipe["model"], record.recipe["size"], weights="pretrained")
    logits = models.predict_logits(model, test, batch_size=75)
    np.testing.assert_allclose(logits, expected, atol=0.05)
    auc = metrics.score(test.labels, expit(logits), label_names=test.label_names).macro_auc
    assert auc == pytest.approx(record.score("macro_auc"), abs=1e-3)
    assert auc > 0.65


def test_other_labels_get_a_new_head():
    with pytest.warns(UserWarning, match="holds weights for 14 labels; rr_vit has 3"):
        model = models.build("rr_vit", 64, num_labels=3, weights="pretrained")
    trained = models.build("rr_vit", 64, weights="pretrained")
    assert (model.num_labels, model.label_names) == (3, None)
    assert trained.label_names == FINDINGS
    np.testing.assert_array_equal(model.get_weights()[0], trained.get_weights()[0])


def test_other_sizes_are_refused_by_name():
    with pytest.raises(ValueError, match=r"rr_vit at 128 px. Shipped: .*rr_vit at 64 px"):
        models.build("rr_vit", 128, weights="pretrained")


def test_weights_of_a_downloaded_checkout_are_found(tmp_path, monkeypatch):
    folder = tmp_path / "xraylab-book" / "weights"
    folder.mkdir(parents=True)
    (folder / "medvit_toy_64.weights.h5").touch()
    (folder / "rr_vit_64.weights.h5").touch()
    monkeypatch.chdir(tmp_path)
    shipped = weights.shipped_weights()
    assert shipped["medvit_toy", 64].samefile(folder / "medvit_toy_64.weights.h5")
    assert shipped["rr_vit", 64].parent.name == "pretrained", "the package's own come first"
