"""What a model costs, read off the model itself: parameters, multiply-adds, tokens, shapes."""

import contextlib
import math

import keras

from xraylab.layers import attention
from xraylab.models.stored import Cost


def cost(model):
    """Return the :class:`Cost` of a model at its image size.

    Raises:
        RuntimeError: if the back end is not TensorFlow, whose graph is counted.
    """
    return Cost(
        parameters=model.count_params(),
        trainable=sum(math.prod(v.shape) for v in model.trainable_weights),
        multiply_adds=multiply_adds(model),
        tokens=num_tokens(model),
    )


def num_tokens(model):
    """Return the number of tokens that ask in a model's first attention, or None.

    Where attention stays inside windows, a model says by ``num_tokens`` how many places its map
    has, for the map may have been filled up to whole windows.
    """
    if hasattr(model, "num_tokens"):
        return model.num_tokens
    out = model.compute_output_spec(_image(model), return_intermediates=True)
    maps = list(out.get("attention", {}).values())
    if not maps:
        return None
    return maps[0].shape[-2]


def multiply_adds(model):
    """Return the multiply-adds of one image, counted in the traced graph.

    Raises:
        RuntimeError: if the back end is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"multiply-adds are counted in TensorFlow's graph; the back end is "
            f"{keras.backend.backend()}. Set KERAS_BACKEND=tensorflow"
        )
    import tensorflow as tf

    image = tf.TensorSpec((1, model.image_size, model.image_size, 1), tf.float32)
    traced = tf.function(lambda images: model(images, training=False), autograph=False)
    with _attention_in_one_piece():
        graph = traced.get_concrete_function(image).graph
    return sum(_PRODUCTS[o.type](o) for o in _operations(graph) if o.type in _PRODUCTS)


def layer_shapes(model):
    """Return ``[(layer, shape of its output), …]`` for a model's own layers, in order of use.

    The shape is that of one image, without the batch; a layer that answers with several arrays shows
    the first one's, and one that is called several times appears each time.
    """
    own = {id(layer): layer for layer in model.layers}
    rows = []
    call = keras.Layer.__call__

    def recorded(layer, *arguments, **options):
        output = call(layer, *arguments, **options)
        if id(layer) in own:
            first = keras.tree.flatten(output)[0]
            rows.append((layer, tuple(first.shape[1:])))
        return output

    keras.Layer.__call__ = recorded
    try:
        model.compute_output_spec(_image(model))
    finally:
        keras.Layer.__call__ = call
    return rows


def _image(model):
    """Return a symbolic image of a model's size."""
    return keras.KerasTensor((1, model.image_size, model.image_size, 1), dtype="float32")


@contextlib.contextmanager
def _attention_in_one_piece():
    """Trace attention without its loop over blocks, which would be counted once."""
    former, attention.LARGEST_MAP = attention.LARGEST_MAP, math.inf
    try:
        yield
    finally:
        attention.LARGEST_MAP = former


def _operations(graph):
    """Return the operations of a graph and of the functions that it calls."""
    for operation in graph.get_operations():
        yield operation
        if operation.type in ("StatefulPartitionedCall", "PartitionedCall"):
            name = operation.get_attr("f").name
            yield from _operations(graph._get_function(name).graph)


def _size(tensor):
    """Number of entries of a tensor, one image in the batch."""
    return math.prod(side or 1 for side in tensor.shape.as_list())


_PRODUCTS = {
    "MatMul": lambda o: _size(o.outputs[0]) * _inner(o, "transpose_a"),
    "BatchMatMulV2": lambda o: _size(o.outputs[0]) * _inner(o, "adj_x"),
    "Conv2D": lambda o: _size(o.outputs[0]) * math.prod(o.inputs[1].shape[:3]),
    "DepthwiseConv2dNative": lambda o: _size(o.outputs[0]) * math.prod(o.inputs[1].shape[:2]),
}


def _inner(operation, transposed):
    """Return the length that a matrix product sums over."""
    shape = operation.inputs[0].shape
    return shape[-2] if operation.get_attr(transposed) else shape[-1]
