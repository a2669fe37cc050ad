"""The cost of a model: parameters, multiply-adds and tokens.

Building the largest models takes seconds, so the costs at the sizes of the sources are recorded in
``costs.json``. ``tools/make_cost_table.py`` writes it, and the tests compare it with the models.
"""

import functools
import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Cost:
    """The cost of one image.

    Attributes:
        parameters: number of all weights, statistics of normalisations included.
        trainable: those that training changes.
        multiply_adds: multiplications, each with its addition, in convolutions and matrix products
            for one image; element-wise operations are not counted, as is usual.
        tokens: number of queries of the first attention, or None where there is no attention.
    """

    parameters: int
    trainable: int
    multiply_adds: int
    tokens: int | None


def recorded_cost(name: str, image_size: int) -> Cost | None:
    """Return the recorded :class:`Cost` of a model with 14 labels, or None if there is none."""
    row = _table().get(name, {}).get(str(image_size))
    return Cost(**row) if row else None


@functools.cache
def _table():
    return json.loads(resources.files("xraylab.models").joinpath("costs.json").read_text())


def cost(model: Any) -> Cost:
    """Compute the :class:`Cost` of a model at its image size.

    Raises:
        RuntimeError: if the backend is not TensorFlow, whose graph is counted.
    """
    return Cost(
        parameters=model.count_params(),
        trainable=sum(math.prod(v.shape) for v in model.trainable_weights),
        multiply_adds=multiply_adds(model),
        tokens=num_tokens(model),
    )


def num_tokens(model: Any) -> int | None:
    """Return the number of queries of the first attention of a model, or None.

    A model whose attention is restricted to windows has an attribute ``num_tokens`` instead, since
    its map may be padded to whole windows.
    """
    import keras

    if hasattr(model, "num_tokens"):
        return model.num_tokens
    image = keras.KerasTensor((1, model.image_size, model.image_size, 1), dtype="float32")
    maps = model.compute_output_spec(image, return_intermediates=True).get("attention")
    return next(iter(maps.values())).shape[-2] if maps else None


def multiply_adds(model: Any) -> int:
    """Count the multiply-adds of one image in the traced graph.

    Raises:
        RuntimeError: if the backend is not TensorFlow.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "Multiply-adds are counted in the graph of TensorFlow. Expected: KERAS_BACKEND="
            f"tensorflow. Received: {keras.backend.backend()}"
        )
    import tensorflow as tf

    from xraylab.layers.attention import whole_maps

    image = tf.TensorSpec((1, model.image_size, model.image_size, 1), tf.float32)
    traced = tf.function(lambda images: model(images, training=False), autograph=False)
    with whole_maps():  # the loop over blocks would be counted once
        graph = traced.get_concrete_function(image).graph
    return sum(_PRODUCTS[o.type](o) for o in graph.get_operations() if o.type in _PRODUCTS)


def _size(tensor):
    """Return the number of entries of a tensor for a batch of one."""
    return math.prod(side or 1 for side in tensor.shape.as_list())


def _summed_length(operation, transposed):
    """Return the length over which a matrix product sums."""
    shape = operation.inputs[0].shape
    return shape[-2] if operation.get_attr(transposed) else shape[-1]


_PRODUCTS = {
    "MatMul": lambda o: _size(o.outputs[0]) * _summed_length(o, "transpose_a"),
    "BatchMatMulV2": lambda o: _size(o.outputs[0]) * _summed_length(o, "adj_x"),
    "Conv2D": lambda o: _size(o.outputs[0]) * math.prod(o.inputs[1].shape[:3]),
    "DepthwiseConv2dNative": lambda o: _size(o.outputs[0]) * math.prod(o.inputs[1].shape[:2]),
}
