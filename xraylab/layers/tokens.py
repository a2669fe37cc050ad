"""Tokens that do not come from the image: the class token and the position table."""

import keras
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
