"""Gradients of a function of tensors under TensorFlow and JAX."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def gradient(function: Callable[[list], Any], inputs: list) -> list:
    """Compute the derivatives of ``sum(function(inputs))`` with respect to each input.

    Args:
        function: takes the list of inputs and returns a tensor of any shape.
        inputs: list of tensors.

    Returns:
        List of tensors with the shapes of the inputs.

    Raises:
        RuntimeError: if the backend is neither TensorFlow nor JAX.
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
        return tape.gradient(total, inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    raise RuntimeError(
        f"Gradients are not available. Expected: KERAS_BACKEND=tensorflow or jax. Received: "
        f"{backend!r}. Restart Python with one of these."
    )
