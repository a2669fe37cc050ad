"""Tokens that do not come from the image: the class token and the position embeddings."""

import keras
import numpy as np
from keras import ops

from xraylab.layers.base import Layer


@keras.saving.register_keras_serializable("xraylab")
class ClassToken(Layer):
    """Prepend one learned [CLS] token to a sequence.

    Shapes:
        tokens: (batch, num_tokens, embed_dim); returns (batch, 1 + num_tokens, embed_dim).

    References: Dosovitskiy et al. 2021 (``dosovitskiy2021``), Eq. 1.
    """

    def build(self, input_shape):
        """Create the token."""
        self.token = self.add_weight(
            name="token",
            shape=(1, 1, input_shape[-1]),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )

    def call(self, tokens):
        """Prepend the token."""
        token = ops.broadcast_to(self.token, (ops.shape(tokens)[0], 1, tokens.shape[-1]))
        return ops.concatenate([ops.cast(token, tokens.dtype), tokens], axis=1)

    def compute_output_shape(self, input_shape):
        """Return the shape of the longer sequence."""
        batch, num_tokens, embed_dim = input_shape
        return (batch, num_tokens + 1, embed_dim)


@keras.saving.register_keras_serializable("xraylab")
class LearnedPositions(Layer):
    """Add a learned one-dimensional position embedding.

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.

    Args:
        stddev: standard deviation of the initial embedding. It should be near that of the tokens'
            content: if it is much smaller, attention ignores positions for many steps.

    References: Dosovitskiy et al. 2021 (``dosovitskiy2021``), Eq. 1.
    """

    def __init__(self, stddev=0.02, **kwargs):
        super().__init__(**kwargs)
        self.stddev = stddev

    def build(self, input_shape):
        """Create one vector per position of the sequence."""
        self.table = self.add_weight(
            name="table",
            shape=(1, input_shape[1], input_shape[2]),
            initializer=keras.initializers.TruncatedNormal(stddev=self.stddev),
        )

    def call(self, tokens):
        """Add the position embedding."""
        return tokens + ops.cast(self.table, tokens.dtype)


def sinusoidal_positions(num_tokens, embed_dim):
    """Compute the fixed one-dimensional position embedding.

    Position n holds sin(n·ω_i) at 2i and cos(n·ω_i) at 2i + 1, with
    ω_i = 10000^(-2i / embed_dim).

    Shapes:
        returns: (num_tokens, embed_dim) float64 NumPy array in [-1, 1].

    Raises:
        ValueError: if ``embed_dim`` is odd.

    References: Vaswani et al. 2017 (``vaswani2017``), Sect. 3.5.
    """
    if embed_dim % 2:
        raise ValueError(
            "Sinusoidal positions pair a sine with a cosine. Expected: an even embed_dim. "
            f"Received: embed_dim={embed_dim}"
        )
    frequencies = 10000.0 ** (-np.arange(0, embed_dim, 2) / embed_dim)
    angles = np.arange(num_tokens)[:, None] * frequencies  # (num_tokens, embed_dim / 2)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(num_tokens, embed_dim)


@keras.saving.register_keras_serializable("xraylab")
class SinusoidalPositions(Layer):
    """Add :func:`sinusoidal_positions`, which have no weights.

    Positions count along the sequence, row after row of the image: the last patch of a row and the
    first of the next have adjacent positions although they are far apart.

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.

    Raises:
        ValueError: when built, if embed_dim is odd.
    """

    def build(self, input_shape):
        """Compute one vector per position of the sequence."""
        self.table = sinusoidal_positions(*input_shape[1:])

    def call(self, tokens):
        """Add the position embedding."""
        return tokens + ops.cast(self.table, tokens.dtype)
