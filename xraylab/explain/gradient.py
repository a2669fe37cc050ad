"""The gradient of a model's answer by anything on the way to it, on either back end."""

import keras
from keras import ops


def gradient(function, inputs):
    """Return the derivative of ``sum(function(inputs))`` by each of the inputs.

    Args:
        function: takes the list of inputs and returns a tensor of any shape.
        inputs: list of tensors.

    Returns:
        List of tensors, shaped as the inputs.

    Raises:
        RuntimeError: under a back end other than TensorFlow and JAX.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.grad(lambda values: ops.sum(function(values)))(inputs)
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            total = ops.sum(function(inputs))
        return tape.gradient(total, inputs, unconnected_gradients="zero")
    raise RuntimeError(
        f"gradients are taken under TensorFlow or JAX; KERAS_BACKEND is {backend!r}. Start Python "
        "with one of these"
    )
