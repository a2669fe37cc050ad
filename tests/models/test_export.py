"""Exported files give what Keras gives, in their own runtimes, with their metadata."""

import json
import zipfile

import keras
import numpy as np
import pytest

from xraylab import models
from xraylab.layers import attention
from xraylab.models import export

from .conftest import EVERY_MODEL, TESTED, fresh, randomise

SIZE = 64

EXPORTED = TESTED if EVERY_MODEL else ["dbct_toy", "efficientvit_mxa_toy", "lt_vit_toy"]
"""By default those with the most kinds of operations and of intermediates."""

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")


@pytest.fixture(scope="module", autouse=True)
def onnx():
    """Skip without the extra 'export', which ``make`` installs."""
    pytest.importorskip("tf2onnx", reason="the extra 'export' is not installed")
    pytest.importorskip("onnxruntime", reason="the extra 'export' is not installed")
    return pytest.importorskip("onnx", reason="the extra 'export' is not installed")


@pytest.fixture(scope="module")
def small():
    """A model of 32 px whose weights differ from their initial values."""
    model = models.build("rr_vit_toy", image_size=32, depth=1)
    model.label_names = tuple(f"label {k}" for k in range(14))
    return randomise(model)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(7).random((3, 32, 32, 1), np.float32)


def flat(outputs):
    """Name the arrays in a nested dict by their path."""
    named = {}
    for name, value in outputs.items():
        if isinstance(value, dict):
            named |= {f"{name}/{inner}": array for inner, array in flat(value).items()}
        elif value is not None:
            named[name] = np.asarray(value)
    return named


def assert_equal(received, expected):
    assert received.keys() == expected.keys()
    for name, value in expected.items():
        assert received[name].shape == value.shape, name
        np.testing.assert_allclose(received[name], value, atol=1e-4 * max(1, np.abs(value).max()))


@pytest.mark.parametrize("name", EXPORTED)
def test_onnx_gives_the_logits_and_all_intermediates(name, onnx, tmp_path):
    model = fresh(name)
    path = tmp_path / "model.onnx"
    exported = models.export_model(model, path, intermediates=True)
    assert exported.path == path
    assert exported.num_bytes == path.stat().st_size
    assert exported.difference <= export.TOLERANCE
    assert {node.domain for node in onnx.load(path).graph.node} == {""}  # standard operators only
    batch = np.random.default_rng(8).random((2, SIZE, SIZE, 1), np.float32)
    received = models.load_exported(path)(batch)
    assert_equal(received, flat(model(batch, training=False, return_intermediates=True)))
    assert tuple(received["logits"].shape) == (2, 14)


@pytest.mark.long
@pytest.mark.parametrize("name", models.list_models())
def test_every_model_exports_to_every_format(name, tmp_path):
    model = fresh(name)
    for format, suffix in export.SUFFIXES.items():
        exported = models.export_model(model, tmp_path / f"{name}{suffix}", format)
        assert exported.difference <= export.TOLERANCE


def stored(path):
    """Read the metadata of a file without xraylab."""
    if path.suffix == ".onnx":
        import onnxruntime

        properties = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
        return json.loads(properties["xraylab.json"])
    if path.suffix == ".tflite":
        return json.loads(zipfile.ZipFile(path).read("xraylab.json"))
    return json.loads((path / "assets.extra" / "xraylab.json").read_text())


def test_a_folder_of_other_files_is_not_replaced(small, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.weights.h5").touch()
    monkeypatch.chdir(tmp_path / "run")
    for path in (tmp_path / "run", "."):
        with pytest.raises(ValueError, match="a new or empty folder, or that of a SavedModel"):
            models.export_model(small, path, "savedmodel")
    assert (tmp_path / "run" / "best.weights.h5").exists()


@pytest.mark.parametrize("format", export.SUFFIXES)
def test_every_format_has_outputs_by_name_and_metadata(format, small, images, tmp_path):
    if format == "litert":
        pytest.importorskip("ai_edge_litert", reason="the extra 'export' is not installed")
    path = tmp_path / "folder" / f"model{export.SUFFIXES[format]}"
    metadata = {"calibration": {"platt": {"slope": [2.0]}}}
    (path / "old").mkdir(parents=True) if format == "savedmodel" else path.parent.mkdir()
    (path / "saved_model.pb" if format == "savedmodel" else path).touch()  # to be replaced
    models.export_model(small, path, format, intermediates=True, square="crop", metadata=metadata)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert not (path / "old").exists()
    outputs = models.load_exported(path)(images)
    expected = flat(small(images, training=False, return_intermediates=True))
    assert_equal({name: np.asarray(value) for name, value in outputs.items()}, expected)
    facts = stored(path)
    assert facts["model"] == small.architecture()
    assert facts["label_names"] == [*small.label_names]
    assert facts["calibration"] == metadata["calibration"]
    assert facts["preprocessing"] == {
        "color": "grey",
        "square": "crop",
        "size": 32,
        "interpolation": "bicubic",
        "scale": 1 / 255,
    }


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_attention_in_blocks_is_exported_in_one_piece(format, tmp_path, monkeypatch):
    monkeypatch.setattr(attention, "LARGEST_MAP", 100)
    model, path = models.build("hybrid_rr_vit_toy", image_size=16), tmp_path / "model"
    exported = models.export_model(model, path.with_suffix(export.SUFFIXES[format]), format)
    assert exported.difference <= export.TOLERANCE
    assert attention.LARGEST_MAP == 100


def test_int8_is_smaller_and_close(small, images, tmp_path, onnx):
    def weights(exported):  # a toy is mostly the description of its graph
        return sum(len(array.raw_data) for array in onnx.load(exported.path).graph.initializer)

    whole = models.export_model(small, tmp_path / "whole.onnx")
    eight = models.export_model(small, tmp_path / "eight.onnx", int8=True)
    assert weights(eight) < 0.5 * weights(whole)
    assert eight.num_bytes < whole.num_bytes
    assert export.TOLERANCE < eight.difference < 0.1


def test_int8_leaves_depthwise_convolutions_alone(tmp_path, onnx):
    model = models.build("efficientvit_toy", image_size=32)
    models.export_model(model, tmp_path / "eight.onnx", int8=True)
    groups = {"Conv": set(), "ConvInteger": set()}
    for node in onnx.load(tmp_path / "eight.onnx").graph.node:
        if node.op_type in groups:
            groups[node.op_type] |= {a.i for a in node.attribute if a.name == "group"} or {1}
    assert groups["ConvInteger"] == {1}
    assert min(groups["Conv"]) > 1


def test_int8_leaves_depthwise_convolutions_and_the_head_alone_in_litert(tmp_path, capfd):
    from ai_edge_litert.interpreter import Interpreter

    model = models.build("efficientvit_toy", image_size=32)
    models.export_model(model, tmp_path / "eight.tflite", "litert", int8=True)
    assert "%" not in capfd.readouterr().err, "a progress bar of the quantizer"
    interpreter = Interpreter(str(tmp_path / "eight.tflite"))
    interpreter.allocate_tensors()
    (output,) = interpreter.get_output_details()
    types = {"CONV_2D": set(), "FULLY_CONNECTED": set(), "DEPTHWISE_CONV_2D": set(), "head": set()}
    for operation in interpreter._get_ops_details():
        name = "head" if output["index"] in operation["outputs"] else operation["op_name"]
        if name in types:
            weights = interpreter.get_tensor(operation["inputs"][1])
            types[name].add(str(weights.dtype))
    assert types["CONV_2D"] == types["FULLY_CONNECTED"] == {"int8"}
    assert types["DEPTHWISE_CONV_2D"] == types["head"] == {"float32"}


def test_a_final_sigmoid_gives_probabilities(images, tmp_path):
    model = models.build("rr_vit_toy", image_size=32, classifier_activation="sigmoid", depth=1)
    models.export_model(model, tmp_path / "model.onnx")
    outputs = models.load_exported(tmp_path / "model.onnx")(images)
    assert [*outputs] == ["probabilities"]
    logits = np.asarray(model(images, return_intermediates=True)["logits"], np.float64)
    np.testing.assert_allclose(outputs["probabilities"], 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_a_file_that_differs_from_keras_is_not_written(small, tmp_path, monkeypatch):
    write = export.WRITERS["savedmodel"]

    def damaged(model, call, *arguments):
        write(model, lambda images: {"logits": call(images)["logits"] + 0.01}, *arguments)

    monkeypatch.setitem(export.WRITERS, "savedmodel", damaged)
    with pytest.raises(RuntimeError, match=r"differs from Keras\. Expected: at most 0\.0001"):
        models.export_model(small, tmp_path / "model", "savedmodel")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model.onnx", "onxx"), "Did you mean 'onnx'"),
        (("model.tflite", "onnx"), r"Expected: a name \*\.onnx\. Received: .*model\.tflite"),
        (("model", "savedmodel", True), "Expected: False for a SavedModel"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message, small, tmp_path):
    name, format, *int8 = arguments
    with pytest.raises(ValueError, match=message):
        models.export_model(small, tmp_path / name, format, int8=bool(int8))


def test_the_folder_of_a_run_is_no_model(tmp_path):
    with pytest.raises(ValueError, match=r"Expected: a model of models\.build\. .*weights=RUN"):
        models.export_model(str(tmp_path), tmp_path / "model.onnx")
