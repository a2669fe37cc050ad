"""The formats of exported models, each written and loaded: ONNX, LiteRT and SavedModel.

Keras' own export to ONNX traces the model twice, and lets tf2onnx optimise the graph in Python,
which takes half of its time; ONNX Runtime optimises the graph in a fraction of a second.
"""

import contextlib
import os
import zipfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np

SUFFIXES = {"onnx": ".onnx", "litert": ".tflite", "savedmodel": ""}
"""Suffix of the files of each format; a SavedModel is a folder."""

METADATA = "xraylab.json"
"""Name of the metadata: a key of ONNX, an associated file of LiteRT, an asset of a SavedModel."""

OPSET = 17
"""Version of the ONNX operators."""

Outputs = dict[str, np.ndarray]


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
    archive.add_endpoint("serve", call, input_signature=[*traced.structured_input_signature[0]])
    archive.write_out(path, verbose=False)
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / METADATA).write_text(facts, encoding="utf-8")


WRITERS = {"onnx": _write_onnx, "litert": _write_litert, "savedmodel": _write_saved_model}
"""Functions that write each format.

They take the model, the function of images to export, the same traced with the weights as
constants, the path, whether to quantise to 8 bits, and the metadata as JSON.
"""
