"""Multi-head self-attention, written out so that its map can be looked at."""

import keras
from keras import ops


def scaled_dot_product_attention(query, key, value):
    """Return softmax(Q·Kᵀ/√d)·V and the attention map (``vaswani2017``, Eq. 1).

    Shapes:
        query: (batch, heads, num_queries, head_dim)
        key, value: (batch, heads, num_keys, head_dim)
        returns: output (batch, heads, num_queries, head_dim) and
        attention (batch, heads, num_queries, num_keys), each row of which sums to 1.
    """
    scale = query.shape[-1] ** -0.5
    scores = ops.matmul(query * scale, ops.transpose(key, (0, 1, 3, 2)))
    attention = ops.softmax(scores, axis=-1)
    return ops.matmul(attention, value), attention


@keras.saving.register_keras_serializable("xraylab")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention with biases, embed_dim split evenly over the heads.

    Shapes:
        tokens: (batch, num_tokens, embed_dim); returned in the same shape. With
        ``return_attention=True`` also attention (batch, heads, num_tokens, num_tokens).

    Args:
        num_heads: number of heads; must divide embed_dim.

    Source: ``vaswani2017``, Sect. 3.2.2.
    """

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, input_shape):
        """Create the projections to queries, keys and values, and the one back."""
        embed_dim = input_shape[-1]
        if embed_dim % self.num_heads:
            raise ValueError(
                f"embed_dim {embed_dim} does not divide into num_heads {self.num_heads}; "
                "choose a number of heads that divides embed_dim"
            )
        for name in ("query", "key", "value", "projection"):
            dense = keras.layers.Dense(embed_dim, dtype=self.dtype_policy, name=name)
            dense.build(input_shape)
            setattr(self, name, dense)

    def call(self, tokens, return_attention=False):
        """Let every token read from every token."""
        _, num_tokens, embed_dim = tokens.shape
        query = self._split_heads(self.query(tokens))  # (batch, heads, num_tokens, head_dim)
        key = self._split_heads(self.key(tokens))
        value = self._split_heads(self.value(tokens))
        x, attention = scaled_dot_product_attention(query, key, value)
        x = ops.transpose(x, (0, 2, 1, 3))  # (batch, num_tokens, heads, head_dim)
        x = self.projection(ops.reshape(x, (-1, num_tokens, embed_dim)))
        return (x, attention) if return_attention else x

    def _split_heads(self, x):
        """(batch, num_tokens, embed_dim) → (batch, heads, num_tokens, head_dim)."""
        _, num_tokens, embed_dim = x.shape
        x = ops.reshape(x, (-1, num_tokens, self.num_heads, embed_dim // self.num_heads))
        return ops.transpose(x, (0, 2, 1, 3))

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "num_heads": self.num_heads}
