"""Random weights and images by rule, so that recorded outputs can be stored without them."""

import numpy as np


def random_state(shapes, seed=0, gain=1.0):
    """Return a state dict with the rule's values, name by name in sorted order.

    Args:
        shapes: the shape of every array of the state dict by its name.
        seed: seed of NumPy's default generator, which draws in the order of the sorted names.
        gain: factor on the weights of convolutions and linear layers. Where many residual branches
            follow each other, values grow with depth; a gain below 1 keeps them near one.
    """
    rng = np.random.default_rng(seed)
    state = {}
    for name in sorted(shapes):
        shape = tuple(shapes[name])
        if name.endswith("num_batches_tracked"):
            continue
        is_norm_weight = name.endswith("weight") and len(shape) == 1
        if is_norm_weight or name.endswith("running_var"):
            values = rng.uniform(0.5, 1.5, shape)
        elif name.endswith(("bias", "running_mean")):
            values = rng.normal(size=shape) * 0.1
        elif name.endswith("attention_biases"):
            values = rng.normal(size=shape)
        else:
            values = rng.normal(size=shape) * gain / np.sqrt(max(1, np.prod(shape[1:])))
        state[name] = values.astype(np.float32)
    return state


def random_images(count, size, seed=0):
    """Return images of 8x8 random squares, which differ enough to give different outputs.

    Shapes:
        returns: (count, size, size, 1) float32 in [0, 1]; size must be a multiple of 8.
    """
    squares = np.random.default_rng(seed).random((count, 8, 8, 1)).astype(np.float32)
    return squares.repeat(size // 8, axis=1).repeat(size // 8, axis=2)
