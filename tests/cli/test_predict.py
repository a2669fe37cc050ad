"""``xraylab predict``: image files to findings, in tables, CSV, JSON and overlays."""

import io
import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from xraylab import data, evaluation, models
from xraylab.cli import app
from xraylab.cli.predict import NOTICE, decide, read_images
from xraylab.evaluation import Calibration, CalibrationResult
from xraylab.findings import FINDINGS
from xraylab.models.weights import shipped_weights
from xraylab.training import Run

from .command import LABELS, xraylab


def invoke(*arguments, expect=0):
    """Run ``xraylab predict`` through typer's runner and return its result."""
    done = CliRunner().invoke(app, ["predict", *map(str, arguments)], env={"COLUMNS": "160"})
    assert done.exit_code == expect, (done.output, done.exception)
    return done


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Return a folder with two images, one of which is not square, and a damaged file."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name, shape in (("a.png", (64, 64)), ("inner/b.jpg", (90, 50))):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / name)
    (folder / "bad.png").write_bytes((folder / "a.png").read_bytes()[:200])
    return folder


def test_shipped_weights_predict_with_calibration_and_name_the_damaged_file(pictures, tmp_path):
    table, facts, overlays = (tmp_path / name for name in ("o.csv", "o.json", "overlays"))
    done = invoke(
        pictures, "--csv", table, "--json", facts, "--save-overlays", overlays, expect=1
    )  # fmt: skip
    assert NOTICE in done.stdout
    assert f"Cannot be read: {pictures / 'bad.png'}: image file is truncated" in done.stderr

    frame = pd.read_csv(table)
    assert frame["image"].unique().tolist() == [
        str(pictures / name) for name in ("a.png", "inner/b.jpg")
    ]
    assert frame["finding"].tolist() == [*FINDINGS] * 2
    path = shipped_weights()["rr_vit", 64]
    fitted = evaluation.load_calibration(path)
    model = models.build("rr_vit", 64, weights="pretrained")
    image = np.asarray(Image.open(pictures / "a.png"))
    (logits,) = models.predict_logits(model, image[None, ..., None] / np.float32(255))
    for k, row in enumerate(frame.head(14).itertuples()):
        slope, offset = fitted.platt.slope[k], fitted.platt.offset[k]
        expected = 1 / (1 + math.exp(-slope * float(logits[k]) - offset))
        assert row.probability == pytest.approx(expected, abs=1e-6)
        positive = 1 / (1 + math.exp(-float(logits[k]))) > fitted.thresholds["f1"][k]
        assert row.decision == ("positive" if positive else "negative")
        assert f"{row.probability:.3f}" in done.stdout

    written = json.loads(facts.read_text())
    assert pd.DataFrame(written["predictions"]).equals(frame)
    assert written["notice"] == NOTICE
    assert [*written["unreadable"]] == [str(pictures / "bad.png")]

    highest = frame.tail(14).nlargest(3, "probability")["finding"]
    names = {path.name for path in overlays.iterdir()}
    assert len(names) == 6
    assert {f"0002_b_{finding}.png" for finding in highest} <= names


def test_a_run_predicts_as_evaluation_does(run, image_file, tmp_path):
    copy, table = tmp_path / "run", tmp_path / "o.csv"
    shutil.copytree(run, copy)
    (copy / "calibration.json").unlink(missing_ok=True)
    done = invoke(image_file, "--model", copy, "--split", "val", "--csv", table)
    assert "xraylab calibrate" in done.stdout
    frame = pd.read_csv(table)
    assert frame["operating_point"].isna().all() and frame["decision"].isna().all()
    split = data.load(image_file, split="val", label_names=LABELS.split(","))
    expected = evaluation.predict(Run(copy).load_model(), split)
    found = frame["probability"].to_numpy().reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    evaluation.calibrate(copy, progress=False)
    done = invoke(image_file, "--model", copy, "--rule", "youden", "--csv", table)
    assert "operating points of rule youden" in done.stdout
    assert set(pd.read_csv(table)["decision"]) == {"positive", "negative"}


def test_decisions_follow_thresholds_of_uncalibrated_probabilities():
    """By hand: slopes 2 and -1 (left uncalibrated), thresholds 0.5, none and below every value."""
    platt = Calibration((2.0, -1.0, 1.0), (1.0, 3.0, 0.0), "platt")
    fitted = CalibrationResult(None, platt, {"f1": (0.5, None, -1.0)})
    logits = np.array([[0.1, 0.4, -3.0], [-0.1, -0.4, 3.0]])
    probabilities, points, decisions = decide(logits, fitted, "f1")

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    expected = [[1.2, 0.4, -3.0], [0.8, -0.4, 3.0]]
    np.testing.assert_allclose(probabilities, sigmoid(np.array(expected)), rtol=1e-12)
    np.testing.assert_allclose(points, [sigmoid(1.0), np.nan, 0.0], rtol=1e-12)
    assert decisions.tolist() == [["positive", "", "positive"], ["negative", "", "positive"]]


def test_pictures_become_squares_as_in_a_folder_source(pictures, tmp_path):
    found, *_ = read_images([pictures], 32, "test")
    (tmp_path / "labels.csv").write_text("image,x,split\na.png,1,test\ninner/b.jpg,0,test\n")
    options = {"root": pictures, "table": str(tmp_path / "labels.csv"), "split_column": "split"}
    split = data.load("folder", 32, "test", label_names=["x"], progress=False, **options)
    np.testing.assert_array_equal(np.stack([*found.values()]), split.images)
    array = np.asarray(Image.open(pictures / "a.png"))
    np.savez(tmp_path / "images.npz", test_images=array[None, ..., None])
    again, *_ = read_images([tmp_path / "images.npz"], 32, "test")
    np.testing.assert_array_equal(again[f"{tmp_path / 'images.npz'}[0]"], split.images[0])


def test_files_that_cannot_be_read_are_named(tmp_path):
    np.savez(tmp_path / "float.npz", test_images=np.zeros((1, 4, 4)))
    np.savez(tmp_path / "train.npz", train_images=np.zeros((1, 4, 4), np.uint8))
    (tmp_path / "text.npz").write_text("text")
    np.savez(tmp_path / "none.npz", test_images=np.zeros((0, 4, 4), np.uint8))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("text")
    (tmp_path / "empty/._a.png").write_text("hidden")
    names = ("float.npz", "train.npz", "text.npz", "none.npz", "empty", "absent.png")
    images, unreadable, _ = read_images([tmp_path / name for name in names], 8, "test")
    assert not images
    reasons = ("float64", "--split", "cannot be read", "no dimension", "without", "No such file")
    for name, reason in zip(names, reasons, strict=True):
        assert reason in unreadable[str(tmp_path / name)], unreadable


def test_suspect_images_are_named(tmp_path):
    grey = np.random.default_rng(0).integers(100, 120, (2, 8, 40), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", test_images=np.asfortranarray(grey))
    Image.new("L", (64, 64), 100).save(tmp_path / "a.png")
    images, _, report = read_images([tmp_path / "images.npz", tmp_path / "a.png"], 8, "test")
    narrow = [f"{tmp_path / 'images.npz'}[{i}]" for i in range(2)]
    assert report == {"narrow": narrow, "constant": [str(tmp_path / "a.png")]}
    padded = np.asarray(Image.fromarray(grey[1]).resize((8, 2), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(images[narrow[1]][3:5], padded)


def test_unknown_models_and_rules_are_refused(pictures):
    assert "Did you mean 'rr_vit'?" in xraylab("predict", pictures, "--model", "rr_vti", expect=1)
    file = pictures / "a.png"
    assert "keras.models.load_model" in xraylab("predict", pictures, "--model", file, expect=1)
    assert "youden" in xraylab("predict", pictures, "--rule", "yuden", expect=1)


def test_a_dash_prints_only_the_rows(tmp_path):
    path = tmp_path / "\x1b[31mred.png"
    Image.new("L", (64, 64), 100).save(path)
    overlays = tmp_path / "new/overlays"
    done = invoke(
        path, "--csv", "-", "--json", tmp_path / "new/o.json", "--save-overlays", overlays
    )
    frame = pd.read_csv(io.StringIO(done.stdout))
    assert frame["finding"].tolist() == [*FINDINGS]
    assert "\x1b" not in done.stdout and NOTICE in done.stderr
    assert "1 are constant" in done.stderr and "\x1b" not in done.stderr
    written = json.loads((tmp_path / "new/o.json").read_text())
    assert [row["probability"] for row in written["predictions"]] == frame["probability"].tolist()
    assert all(file.name.startswith("0001___31mred_") for file in overlays.iterdir())
    assert json.loads(invoke(path, "--json", "-").stdout) == written
    assert "one of them" in xraylab("predict", path, "--csv", "-", "--json", "-", expect=1)
