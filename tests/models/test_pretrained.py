"""Shipped weights: the files of the manifest, and predictions that agree with their records."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import expit

from xraylab import data, evaluation, io, metrics, models, results
from xraylab.findings import FINDINGS
from xraylab.layers.tokens import resize_positions
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


def test_a_larger_size_gets_resized_positions_and_no_calibration(tmp_path):
    trained = models.build("rr_vit", 64, weights="pretrained")
    with pytest.warns(UserWarning, match=r"for images of 64 px; rr_vit is for 128 px.*fit them"):
        model = models.build("rr_vit", 128, weights="pretrained", classifier_activation="sigmoid")
    for large, small in zip(model.weights, trained.weights, strict=True):
        found, expected = ops.convert_to_numpy(large), ops.convert_to_numpy(small)
        if large.path.endswith("positions/table"):
            found, expected = found[0], resize_positions(expected[0], 1 + 16**2)
        np.testing.assert_array_equal(found, expected, large.path)
    assert model.label_names == FINDINGS

    images = np.random.default_rng(0).random((2, 128, 128, 1), np.float32)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(images), model(images), atol=1e-6)
    model.save_weights(tmp_path / "rr_vit_128.weights.h5")
    shutil.copy(weights.shipped_weights()["rr_vit", 64].with_name("rr_vit_64.calibration.json"),
                tmp_path / "rr_vit_128.calibration.json")  # fmt: skip
    with pytest.raises(ValueError, match="other weights"):
        evaluation.load_calibration(tmp_path / "rr_vit_128.weights.h5")


def test_another_size_and_other_labels():
    with pytest.warns(UserWarning) as caught:
        model = models.build("rr_vit", 128, num_labels=3, weights="pretrained")
    head, size = [w for w in caught if "holds weights" in str(w.message)]
    assert "rr_vit has 3" in str(head.message) and "rr_vit is for 128 px" in str(size.message)
    assert head.filename == size.filename == __file__
    assert model.label_names is None and model.num_labels == 3


@pytest.mark.parametrize("name", ["densenet121_toy", "efficientnet_b0_toy", "medvit_toy"])
def test_convolutional_weights_hold_at_every_size(name, tmp_path):
    small = models.build(name, 64, 3)
    small.save_weights(tmp_path / "small.weights.h5")
    by_hand = models.build(name, 96, 3)
    by_hand.set_weights(small.get_weights())
    with pytest.warns(UserWarning, match="for images of 64 px"):
        model = models.build(name, 96, 3, weights=tmp_path / "small.weights.h5")
    images = np.random.default_rng(0).random((2, 96, 96, 1), np.float32)
    expected = by_hand(images, training=False)
    assert np.std(expected) > 0
    np.testing.assert_array_equal(model(images, training=False), expected)


@pytest.mark.parametrize(
    ("name", "size", "options", "message"),
    [
        ("dbct_toy", 32, {}, "cannot be used .* sinusoidal .* image_size=16 .* weights=None"),
        ("efficientvit_toy", 128, {}, r"attention_bias has shape .* image_size=64 .* weights=None"),
        ("rr_vit_toy", 32, {"patch_size": 4}, "patch_size is 8, not 4. Pass the arguments"),
        ("vit_toy", 256, {}, r"patch_size is \d+, not 16. Pass the arguments"),
    ],
)
def test_sizes_that_weights_do_not_fit_are_refused(name, size, options, message, tmp_path):
    small = 64 if name == "efficientvit_toy" else 16
    models.build(name, small, 3).save_weights(tmp_path / "small.weights.h5")
    with pytest.raises(ValueError, match=message):
        models.build(name, size, 3, weights=tmp_path / "small.weights.h5", **options)


def test_the_documented_cost_is_the_measured_one():
    measured = json.loads((ROOT / "book" / "measured" / "sizes.json").read_text(encoding="utf-8"))
    text = " ".join((models.build.__doc__ or "").split())
    loaded = {name: m for name, m in measured["models"].items() if not m["refused"]}
    for name, found in loaded.items():
        assert f"{-found['test']['difference']['value']:.3f} ({name})" in text
    refused = measured["models"].keys() - loaded
    assert refused == {"dbct", "efficientvit_m0", "efficientvit_m0_mxa"}
    assert all(measured["models"][name]["test"]["large"]["value"] < 0.6 for name in refused)


def test_weights_of_a_downloaded_checkout_are_found(tmp_path, monkeypatch):
    folder = tmp_path / "xraylab-book" / "weights"
    folder.mkdir(parents=True)
    (folder / "medvit_toy_64.weights.h5").touch()
    (folder / "rr_vit_64.weights.h5").touch()
    monkeypatch.chdir(tmp_path)
    shipped = weights.shipped_weights()
    assert shipped["medvit_toy", 64].samefile(folder / "medvit_toy_64.weights.h5")
    assert shipped["rr_vit", 64].parent.name == "pretrained", "the package's own come first"
