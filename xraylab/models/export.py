"""Export models to files that run without this package: ONNX, LiteRT and SavedModel.

TensorFlow traces the model once with its weights as constants. Keras' own export to ONNX traces it
twice, and lets tf2onnx optimise the graph in Python, which takes half of its time; ONNX Runtime
optimises the graph in a fraction of a second.
"""

import contextlib
import dataclasses
import functools
import json
import os
import shutil
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from xraylab import io
from xraylab.arguments import require, require_choice
from xraylab.backend import start_keras

SUFFIXES = {"onnx": ".onnx", "litert": ".tflite", "savedmodel": ""}
"""Suffix of the files of each format; a SavedModel is a folder."""

METADATA = "xraylab.json"
"""Name of the metadata: a key of ONNX, an associated file of LiteRT, an asset of a SavedModel."""

TOLERANCE = 1e-4
"""Largest difference from Keras, relative to the largest absolute value of the output or to 1."""

OPSET = 17
"""Version of the ONNX operators."""

NUM_IMAGES, ROUNDS = 4, 9
"""Images that are compared, and timed calls, of which the first two warm up."""

Outputs = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Exported:
    """An exported model compared with Keras.

    Attributes:
        path: the file, or the folder of a SavedModel.
        num_bytes: its size.
        difference: largest difference from Keras over all outputs and random images, relative to
            the largest absolute value of the output, or to 1 if that is smaller.
        milliseconds: median time of the exported model for one image.
        keras_milliseconds: median time of the Keras model for one image, traced by TensorFlow.
    """

    path: Path
    num_bytes: int
    difference: float
    milliseconds: float
    keras_milliseconds: float


def export_model(
    model: Any,
    path: str | Path,
    format: str = "onnx",
    *,
    int8: bool = False,
    intermediates: bool = False,
    square: str = "pad",
    metadata: dict | None = None,
) -> Exported:
    """Export a model, and compare its outputs with those of Keras on random images.

    The file also holds a JSON object, ``xraylab.json``: ``model`` (class and arguments),
    ``preprocessing``, ``label_names``, and the items of ``metadata``. ONNX and LiteRT files compute
    attention in one piece, whose map takes 315 MB per image for Hybrid RR-ViT at 224 px.

    Shapes:
        input ``images``: (batch, image_size, image_size, 1) float32 in [0, 1], for any batch size.
        output ``logits``, or ``probabilities`` with a final sigmoid: (batch, num_labels) float32.

    Args:
        model: a model of :func:`xraylab.models.build`, under TensorFlow.
        path: the file or, for a SavedModel, the folder. An existing file or SavedModel is replaced.
        format: ``"onnx"``, ``"litert"`` or ``"savedmodel"``.
        int8: dynamic quantisation: weights are stored in 8 bits, activations are quantised as they
            are computed. Depthwise convolutions, and in LiteRT layers that compute an output, such
            as the head, stay in float32. The outputs then differ from Keras'.
        intermediates: also output what ``return_intermediates=True`` returns, under names such as
            ``attention/block_0``.
        square: how images become square before the model, for ``preprocessing``: ``"pad"``,
            ``"crop"`` or ``"stretch"``.
        metadata: JSON values to store with the model by their keys, such as a calibration.

    Returns:
        :class:`Exported`.

    Raises:
        ImportError: if the packages of the format are not installed.
        ValueError: if an argument is invalid or the backend is not TensorFlow.
        RuntimeError: if the outputs differ from Keras' by more than :data:`TOLERANCE`; without
            ``int8`` only, and no file is written.
    """
    path, backend = Path(path), start_keras().backend.backend()
    require_choice("format", format, SUFFIXES)
    require(backend == "tensorflow", "KERAS_BACKEND", "'tensorflow' for an export", repr(backend))
    require(not int8 or format != "savedmodel", "int8", "False for a SavedModel", True)
    require(path.name.endswith(SUFFIXES[format]), "path", f"a name *{SUFFIXES[format]}", str(path))
    if path.is_dir():
        ours = format == "savedmodel" and (path / "saved_model.pb").is_file()
        free = path.name and (ours or not any(path.iterdir()))
        require(free, "path", "a new or empty folder, or that of a SavedModel", str(path))
    facts = {
        "model": model.architecture(),
        "preprocessing": {
            "color": "grey",
            "square": square,
            "size": model.image_size,
            "interpolation": "bicubic",
            "scale": 1 / 255,
        },
        "label_names": model.label_names,
        **(metadata or {}),
    }
    write = {"onnx": _write_onnx, "litert": _write_litert, "savedmodel": _write_saved_model}
    call = functools.partial(_outputs, model, intermediates)
    traced = _trace(model, call)
    io.make_folder(path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        written = Path(scratch) / path.name
        try:
            write[format](model, call, traced, written, int8, json.dumps(facts))
            run = load_exported(written)
        except ModuleNotFoundError as error:
            raise ImportError(
                f"Export to {format} requires {error.name}: pip install 'xraylab[export]'"
            ) from error
        exported = _compare(model, call, traced, run, written)
        if not int8 and not exported.difference <= TOLERANCE:
            raise RuntimeError(
                f"The exported {model.name} differs from Keras. Expected: at most {TOLERANCE:g} of "
                f"the largest output. Received: {exported.difference:.2g}. No file is written"
            )
        if path.is_dir():
            shutil.rmtree(path)
        written.replace(path)
    return dataclasses.replace(exported, path=path)


def load_exported(path: str | Path, threads: int | None = None) -> Callable[[np.ndarray], Outputs]:
    """Load an exported file into ONNX Runtime, LiteRT or TensorFlow.

    Args:
        path: a ``.onnx`` or ``.tflite`` file, or the folder of a SavedModel.
        threads: number of threads of ONNX Runtime and LiteRT; by default one per core.

    Returns:
        A function of images, (batch, image_size, image_size, 1) float32 in [0, 1], that returns the
        outputs by name.

    Raises:
        ModuleNotFoundError: if the runtime is not installed.
    """
    path = Path(path)
    if path.suffix == SUFFIXES["onnx"]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda images: dict(zip(names, session.run(names, {"images": images}), strict=True))
    if path.suffix == SUFFIXES["litert"]:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=threads or os.cpu_count())
        runner = interpreter.get_signature_runner()
        return lambda images: runner(images=images)
    import tensorflow

    loaded = tensorflow.saved_model.load(str(path))
    return lambda images: {name: value.numpy() for name, value in loaded.serve(images).items()}


def _outputs(model, intermediates, images):
    """Compute the outputs to export, by name."""
    if not intermediates:
        name = "probabilities" if model.classifier_activation else "logits"
        return {name: model(images, training=False)}
    import keras

    outputs = model(images, training=False, return_intermediates=True)
    outputs = keras.tree.flatten_with_path(outputs)
    return {"/".join(map(str, path)): value for path, value in outputs if value is not None}


def _trace(model, call):
    """Trace a function of images into a graph that has the weights of the model as constants."""
    import keras
    import tensorflow as tf

    from xraylab.layers.attention import whole_maps

    arrays = [variable.numpy() for variable in model.variables]

    def constant(images):
        values = [(v, tf.constant(a)) for v, a in zip(model.variables, arrays, strict=True)]
        with keras.StatelessScope(state_mapping=values):
            return {name: tf.identity(value) for name, value in call(images).items()}

    with whole_maps():  # the converters do not know the operations of the loop over blocks
        return tf.function(constant, autograph=False).get_concrete_function(_signature(model))


def _signature(model):
    import tensorflow as tf

    shape = (None, model.image_size, model.image_size, 1)
    return tf.TensorSpec(shape, tf.float32, name="images")


def _write_onnx(model, call, traced, path, int8, facts):
    """Convert with tf2onnx, then simplify with ONNX Runtime."""
    from unittest import mock

    import onnx
    import onnxruntime
    import tf2onnx.convert
    import tf2onnx.optimizer

    names = {tensor.name: name for name, tensor in traced.structured_outputs.items()}
    names[traced.inputs[0].name] = "images"
    with mock.patch.object(tf2onnx.optimizer, "optimize_graph", _sort):
        proto, _ = tf2onnx.convert.from_graph_def(
            traced.graph.as_graph_def(add_shapes=True),
            input_names=[traced.inputs[0].name],
            output_names=[tensor.name for tensor in traced.structured_outputs.values()],
            tensors_to_rename=names,
            opset=OPSET,
            custom_op_handlers={"Erfc": (_erfc, [])},
        )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath, options.log_severity_level = str(path), 3
    onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    proto = onnx.load(path)
    if int8:
        from onnxruntime.quantization import quantize_dynamic

        # Mark the graph as preprocessed, which was done above; otherwise quantize_dynamic warns.
        onnx.helper.set_model_props(proto, {"onnx.quant.pre_process": "onnxruntime.quant"})
        # Depthwise convolutions have few weights, and one scale for all channels is inaccurate.
        excluded = [node.name for node in proto.graph.node if _is_grouped(node)]
        quantize_dynamic(
            proto, path, op_types_to_quantize=["MatMul", "Gemm", "Conv"], nodes_to_exclude=excluded
        )
        proto = onnx.load(path)
    used = {node.domain for node in proto.graph.node}
    opsets = [opset for opset in proto.opset_import if opset.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(opsets)
    onnx.helper.set_model_props(proto, {METADATA: facts})
    onnx.save(proto, path)


def _is_grouped(node):
    """Return whether a node is a convolution of groups of channels, such as a depthwise one."""
    return node.op_type == "Conv" and any(a.name == "group" and a.i > 1 for a in node.attribute)


def _sort(graph, *_, **__):
    """Sort the nodes and skip the optimisation by tf2onnx."""
    graph.topological_sort(graph.get_nodes())
    return graph


def _erfc(graph, node, name, _):
    """Replace erfc(x), which TensorFlow uses in GELU, by 1 - erf(x): ONNX has no erfc."""
    outputs, shapes, dtypes = node.output, node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    one = graph.make_const(f"{name}_one", np.float32(1)).output[0]
    erf = graph.make_node("Erf", node.input).output[0]
    options = {"outputs": outputs, "shapes": shapes, "dtypes": dtypes}
    graph.make_node("Sub", [one, erf], name=name, **options)


def _write_litert(model, call, traced, path, int8, facts):
    """Convert with TensorFlow's converter, and append the metadata as a zip archive."""
    import tensorflow

    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([traced], model)
    content = converter.convert()
    path.write_bytes(_quantise_litert(content) if int8 else content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA, facts)


def _quantise_litert(content):
    """Quantise convolutions and linear layers except depthwise convolutions and the head.

    The converter folds a normalisation before the head into its weights, whose scales then differ
    too much for 8 bits. The head is the operation that computes an output of the graph.
    """
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(content)
    for operation in (TFLOperationName.CONV_2D, TFLOperationName.FULLY_CONNECTED):
        quantizer.add_dynamic_config(r"^(?!.*(PartitionedCall|head)).*$", operation, num_bits=8)
    with contextlib.redirect_stderr(StringIO()):  # a progress bar that no option turns off
        return quantizer.quantize(enable_progress_report=False).quantized_model


def _write_saved_model(model, call, traced, path, int8, facts):
    """Write a SavedModel whose function ``serve`` returns the outputs by name."""
    import keras

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", call, input_signature=[_signature(model)])
    archive.write_out(path, verbose=False)
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / METADATA).write_text(facts, encoding="utf-8")


def _compare(model, call, traced, run, path):
    """Compare outputs and time with those of the Keras model."""
    shape = (NUM_IMAGES, model.image_size, model.image_size, 1)
    images = np.random.default_rng(0).random(shape, np.float32)
    received = run(images)
    differences = []
    for name, value in call(images).items():
        expected = np.asarray(value)
        scale = max(1, np.abs(expected).max())
        differences.append(float(np.abs(received[name] - expected).max() / scale))
    image = images[:1]
    calls = {"own": lambda: run(image), "keras": lambda: traced(start_keras().ops.array(image))}
    seconds = {name: [] for name in calls}
    for _ in range(ROUNDS):  # alternately, so that slow moments of the machine affect both
        for name, function in calls.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    own, keras = (1e3 * statistics.median(times[2:]) for times in seconds.values())
    files = path.rglob("*") if path.is_dir() else [path]
    num_bytes = sum(file.stat().st_size for file in files if file.is_file())
    return Exported(path, num_bytes, max(differences), own, keras)
