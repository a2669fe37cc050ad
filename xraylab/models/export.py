"""Export models to files that run without this package, and compare their outputs with Keras.

TensorFlow traces the model once with its weights as constants; :mod:`xraylab.models.formats` writes
the files.
"""

import dataclasses
import functools
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from xraylab import io
from xraylab.arguments import require, require_choice
from xraylab.backend import start_keras
from xraylab.models.formats import SUFFIXES, WRITERS, load_exported

TOLERANCE = 1e-4
"""Largest difference from Keras, relative to the largest absolute value of the output or to 1."""

NUM_IMAGES, ROUNDS = 4, 9
"""Images that are compared, and timed calls, of which the first two warm up."""


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
    hint = "xraylab export exports a run. models.build(NAME, weights=RUN) loads its model."
    require(hasattr(model, "architecture"), "model", "a model of models.build", repr(model), hint)
    hint = 'Files *.onnx need format="onnx", *.tflite format="litert".'
    expected = f"a name *{SUFFIXES[format]}"
    require(path.name.endswith(SUFFIXES[format]), "path", expected, str(path), hint)
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
    call = functools.partial(_outputs, model, intermediates)
    traced = _trace(model, call)
    io.make_folder(path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        written = Path(scratch) / path.name
        try:
            WRITERS[format](model, call, traced, written, int8, json.dumps(facts))
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
        shape = (None, model.image_size, model.image_size, 1)
        images = tf.TensorSpec(shape, tf.float32, name="images")
        return tf.function(constant, autograph=False).get_concrete_function(images)


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
