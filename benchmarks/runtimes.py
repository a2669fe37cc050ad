"""The process of one framework for ``inference.py``, which starts it and schedules the turns.

Its arguments are ``ours`` or ``theirs``, the network, its size in pixels and the number of threads.
It prints the versions and the functions that it has built, then the seconds per batch of each
request (function, batch and repeats) of the standard input, or why it is skipped; all as JSON.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from inference import NETWORKS, ROOT
from machine import installed


def ours(name, size, threads):
    """Build our network; return versions, and functions from images to logits by name."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from xraylab import models
    from xraylab.backend import describe_backend, start_keras

    keras = start_keras()
    model = models.build(name, image_size=size)

    def compiled(by_xla):
        call = tf.function(lambda images: model(images, training=False), jit_compile=by_xla)
        return lambda images: call(tf.constant(images)).numpy()

    functions = {"graph": compiled(False), "xla": compiled(True)}
    with tempfile.TemporaryDirectory() as folder:
        for form in ("onnx", "litert"):
            for int8 in (False, True):
                path = Path(folder) / f"{name}{models.export.SUFFIXES[form]}"
                with contextlib.suppress(ImportError):  # without the packages of the extra export
                    models.export_model(model, path, form, int8=int8)
                    functions[form + "_int8" * int8] = models.load_exported(path, threads)
    versions = [describe_backend(), f"Keras {keras.__version__}"]
    versions += installed("onnxruntime", "ai-edge-litert", "ai-edge-quantizer")
    return ", ".join(versions), functions


def theirs(name, size, threads):
    """Build a PyTorch network; return versions, and functions from images to logits by name."""
    sys.modules.setdefault("triton", None)  # nothing here needs it
    import torch

    sys.path.insert(0, str(ROOT / "tests" / "parity"))
    from conftest import register_operators

    register_operators(torch)
    torch.set_num_threads(threads)
    package = importlib.import_module(NETWORKS[name][0])
    if package.__name__ == "timm":
        model = package.create_model(name, pretrained=False, num_classes=14)
    else:
        model = package.models.get_model(name, weights=None, num_classes=14)
    model.eval()

    def caller(network):
        def predict(images):
            with torch.inference_mode():
                return network(colour(torch.from_numpy(images))).numpy()

        return predict

    def colour(images):
        return images.permute(0, 3, 1, 2).expand(-1, 3, -1, -1).contiguous()

    functions = {"eager": caller(model), "compiled": caller(torch.compile(model, dynamic=False))}
    if importlib.util.find_spec("onnxruntime"):
        functions["torch_onnx"] = exported(torch, model, size, threads)
    versions = [f"PyTorch {torch.__version__}", f"{package.__name__} {package.__version__}"]
    return ", ".join(versions), functions


def exported(torch, model, size, threads):
    """Export a PyTorch network to ONNX; return a function from images to logits."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        arguments = {"input_names": ["images"], "dynamic_axes": {"images": {0: "batch"}}}
        torch.onnx.export(model, torch.zeros(2, 3, size, size), path, dynamo=False, **arguments)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def predict(images):
        colour = np.repeat(images.transpose(0, 3, 1, 2), 3, axis=1)
        return session.run(None, {"images": colour})[0]

    return predict


def main():
    kind, name, size, threads = sys.argv[1:]
    size, build = int(size), {"ours": ours, "theirs": theirs}[kind]
    versions, functions = build(name, size, int(threads))
    print(json.dumps({"versions": versions, "functions": list(functions)}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        function = functions[request["function"]]
        shape = (request["batch"], size, size, 1)
        images = np.random.default_rng(0).random(shape, np.float32)
        try:
            function(images)
        except Exception as error:  # a compiler or a runtime that lacks an operator
            message = f"{name}, {request['function']}: skipped, {type(error).__name__}: {error}"
            print(json.dumps(message.splitlines()[0][:200]), flush=True)
            continue
        start = time.perf_counter()
        for _ in range(request["repeats"]):
            function(images)
        print(json.dumps((time.perf_counter() - start) / request["repeats"]), flush=True)


if __name__ == "__main__":
    main()
