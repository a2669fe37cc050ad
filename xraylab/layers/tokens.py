"""Tokens that do not come from the image: the class token and the position tables."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("xraylab")
class ClassToken(keras.layers.Layer):
    """Prepend one learned [CLS] token to a sequence (``dosovitskiy2021``, Eq. 1).

    Shapes:
        tokens: (batch, num_tokens, embed_dim); returns (batch, 1 + num_tokens, embed_dim).
    """

    def build(self, input_shape):
        """Create the token."""
        self.token = self.add_weight(
            name="token",
            shape=(1, 1, input_shape[-1]),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )

    def call(self, tokens):
        """Return the sequence with [CLS] in front."""
        token = ops.broadcast_to(self.token, (ops.shape(tokens)[0], 1, tokens.shape[-1]))
        return ops.concatenate([ops.cast(token, tokens.dtype), tokens], axis=1)

    def compute_output_shape(self, input_shape):
        """Return the shape of the longer sequence."""
        batch, num_tokens, embed_dim = input_shape
        return (batch, num_tokens + 1, embed_dim)


@keras.saving.register_keras_serializable("xraylab")
class LearnedPositions(keras.layers.Layer):
    """Add a learned one-dimensional position table (``dosovitskiy2021``, Eq. 1).

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.

    Args:
        stddev: standard deviation of the first positions. It should be near that of the tokens'
            content: much smaller, and attention cannot tell places apart for many steps.
    """

    def __init__(self, stddev=0.02, **kwargs):
        super().__init__(**kwargs)
        self.stddev = stddev

    def build(self, input_shape):
        """Create one vector for every place in the sequence."""
        self.table = self.add_weight(
            name="table",
            shape=(1, input_shape[1], input_shape[2]),
            initializer=keras.initializers.TruncatedNormal(stddev=self.stddev),
        )

    def call(self, tokens):
        """Return the tokens with their positions added."""
        return tokens + ops.cast(self.table, tokens.dtype)

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "stddev": self.stddev}


def sinusoidal_positions(num_tokens, embed_dim):
    """Return the fixed one-dimensional position table (``vaswani2017``, Sect. 3.5).

    Place n holds sin(n·ω_i) at 2i and cos(n·ω_i) at 2i + 1, with ω_i = 10000^(-2i / embed_dim).

    Shapes:
        returns: (num_tokens, embed_dim) float64 NumPy array in [-1, 1].

    Raises:
        ValueError: if ``embed_dim`` is odd.
    """
    if embed_dim % 2:
        raise ValueError(
            f"a sinusoidal position pairs a sine with a cosine; embed_dim={embed_dim} is odd. "
            "Choose an even one"
        )
    frequencies = 10000.0 ** (-np.arange(0, embed_dim, 2) / embed_dim)
    angles = np.arange(num_tokens)[:, None] * frequencies  # (num_tokens, embed_dim / 2)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(num_tokens, embed_dim)


@keras.saving.register_keras_serializable("xraylab")
class SinusoidalPositions(keras.layers.Layer):
    """Add the table of :func:`sinusoidal_positions`, which has no weights.

    The places count along the sequence, row after row of the image: the table does not know that
    the last patch of a row and the first of the next are far apart.

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.

    Raises:
        ValueError: when built, if embed_dim is odd.
    """

    def build(self, input_shape):
        """Compute one vector for every place in the sequence."""
        self.table = sinusoidal_positions(*input_shape[1:])

    def call(self, tokens):
        """Return the tokens with their positions added."""
        return tokens + ops.cast(self.table, tokens.dtype)
