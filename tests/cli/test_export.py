"""``xraylab export``, and the script of the book that predicts without TensorFlow."""

import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from .command import LABELS, xraylab

pytest.importorskip("tf2onnx", reason="the extra 'export' is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'export' is not installed")
if keras.backend.backend() != "tensorflow":
    pytest.skip("exports with TensorFlow", allow_module_level=True)

PAGE = Path(__file__).resolve().parents[2] / "book" / "appendix" / "export.md"
BLOCK = "import sys\nfor name in ('tensorflow', 'keras', 'xraylab'): sys.modules[name] = None\n"


def test_the_script_of_the_page_predicts_without_tensorflow_as_predict_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = xraylab("export", "rr_vit")
    assert "rr_vit_64.onnx" in text
    assert "Model: rr_vit, 64 px, shipped weights" in text
    pixels = np.random.default_rng(0).integers(0, 256, (90, 50), np.uint8)
    Image.fromarray(pixels).save("image.png")
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(script.splitlines()) <= 15
    Path("predict.py").write_text(BLOCK + script)
    command = [sys.executable, "predict.py", "image.png"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    xraylab("predict", "image.png", "--csv", "expected.csv")
    rows = pd.read_csv("expected.csv")
    received = [line.split() for line in printed.splitlines()]
    assert [row[0] for row in received] == rows["finding"].tolist()
    assert [row[2] for row in received] == rows["decision"].tolist()
    np.testing.assert_allclose(
        [float(row[1]) for row in received], rows["probability"], atol=0.0006
    )


def test_a_run_is_exported_with_its_labels(run, tmp_path):
    path = tmp_path / "run.onnx"
    text = xraylab("export", run, "--out", path, "--int8")
    assert "score the file on images of your own" in text
    properties = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    facts = json.loads(properties["xraylab.json"])
    assert facts["label_names"] == LABELS.split(",")
    assert facts["calibration"] is None
    assert facts["preprocessing"]["size"] == 16


def test_a_model_without_weights_says_so(tmp_path):
    text = xraylab("export", "rr_vit_toy", "--size", "16", "--out", tmp_path / "toy.onnx")
    assert "rr_vit_toy, 16 px, initial weights: NOT TRAINED" in text
    assert "Did you mean 'rr_vit'" in xraylab("export", "rr_vti", expect=1)
    (tmp_path / "m.keras").touch()
    assert "models.export_model(model" in xraylab("export", tmp_path / "m.keras", expect=1)
