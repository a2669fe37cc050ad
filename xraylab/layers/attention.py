"""Multi-head attention: one function for every architecture, and the layer around it.

:func:`scaled_dot_product_attention` is the equation, map included. :func:`attend` is what models
call: the same answer, but it keeps no map, so that an image of thousands of tokens fits.
"""

import keras
from keras import ops

from xraylab.layers.initial import first_weights

LARGEST_MAP = 2**20
"""Entries of an image's attention map (heads x queries x keys) above which it is cut into blocks."""


def scaled_dot_product_attention(query, key, value, bias=None, transform=None):
    """Return softmax(Q·Kᵀ/√d + bias)·V and the attention map (``vaswani2017``, Eq. 1).

    The softmax is taken in float32, whatever the precision of the inputs.

    Shapes:
        query: (batch, heads, num_queries, head_dim)
        key: (batch, heads, num_keys, head_dim)
        value: (batch, heads, num_keys, value_dim)
        bias: broadcastable to (batch, heads, num_queries, num_keys), or None.
        returns: output (batch, heads, num_queries, value_dim) and
        attention (batch, heads, num_queries, num_keys), each row of which sums to 1.

    Args:
        transform: function of the attention map; its return value is used in the map's place.
    """
    scale = query.shape[-1] ** -0.5
    scores = ops.matmul(query * scale, ops.transpose(key, (0, 1, 3, 2)))
    if bias is not None:
        scores = scores + ops.cast(bias, scores.dtype)
    weights = ops.cast(scores, "float32")
    # Keras takes a softmax over a single key for a mistake. It is 1, whatever the score.
    weights = ops.softmax(weights, axis=-1) if key.shape[2] > 1 else ops.exp(weights - weights)
    attention = ops.cast(weights, scores.dtype)
    if transform is not None:
        attention = transform(attention)
    return ops.matmul(attention, value), attention


def attend(query, key, value, bias=None):
    """Return the output of :func:`scaled_dot_product_attention` without keeping its map.

    Uses the back end's own fused attention where it has one (JAX, PyTorch). Where the map of one
    image would exceed :data:`LARGEST_MAP` entries, queries are taken a block at a time, and the
    gradient computes each block anew: memory then grows with the number of tokens, not its square
    (``rabe2021``).

    Shapes:
        as in :func:`scaled_dot_product_attention`.

    Raises:
        ValueError: if a bias comes with a map that has to be cut into blocks.
    """
    heads, num_queries, head_dim = query.shape[1:]
    num_keys = key.shape[2]
    if heads * num_queries * num_keys > LARGEST_MAP:
        if bias is not None:
            raise ValueError(
                f"attention with a bias keeps its whole map; one of {heads} heads x {num_queries} "
                f"queries x {num_keys} keys is above the {LARGEST_MAP:,} entries an image may have. "
                "Take smaller windows or images"
            )
        return _blockwise(max(1, LARGEST_MAP // (heads * num_keys)))(query, key, value)
    if keras.backend.backend() != "tensorflow" and value.shape[-1] == head_dim:
        # The fused kernels want (batch, tokens, heads, head_dim).
        query, key, value = (ops.transpose(x, (0, 2, 1, 3)) for x in (query, key, value))
        return ops.transpose(ops.dot_product_attention(query, key, value, bias=bias), (0, 2, 1, 3))
    return scaled_dot_product_attention(query, key, value, bias)[0]


def _blockwise(block_size):
    """Return attention that holds the map of ``block_size`` queries at a time."""

    def to_float32(x):
        return ops.cast(x, "float32")

    @ops.custom_gradient
    def attention(query, key, value):
        num_queries = query.shape[2]
        rows = _to_blocks(query, block_size)

        def gradient(*arguments, upstream=None):
            upstream = arguments[-1] if upstream is None else upstream
            scale = query.shape[-1] ** -0.5
            upstream_rows = _to_blocks(upstream, block_size)

            def add_block(i, totals):
                by_query, by_key, by_value = totals
                some, some_upstream = ops.take(rows, i, axis=0), ops.take(upstream_rows, i, axis=0)
                _, weights = scaled_dot_product_attention(some, key, value)
                by_weight = ops.matmul(some_upstream, ops.transpose(value, (0, 1, 3, 2)))
                weighted = ops.cast(weights * by_weight, "float32")
                mean = ops.cast(ops.sum(weighted, axis=-1, keepdims=True), weights.dtype)
                by_score = weights * (by_weight - mean) * scale
                by_some = ops.expand_dims(ops.matmul(by_score, key), 0)
                by_query = ops.slice_update(by_query, (i, 0, 0, 0, 0), by_some)
                by_key += to_float32(ops.matmul(ops.transpose(by_score, (0, 1, 3, 2)), some))
                by_value += to_float32(
                    ops.matmul(ops.transpose(weights, (0, 1, 3, 2)), some_upstream)
                )
                return by_query, by_key, by_value

            # Many blocks add up: totals stay in float32 under mixed precision.
            nothing = (
                ops.zeros_like(rows),
                ops.zeros_like(key, dtype="float32"),
                ops.zeros_like(value, dtype="float32"),
            )
            by_query, by_key, by_value = ops.fori_loop(0, rows.shape[0], add_block, nothing)
            by_key, by_value = ops.cast(by_key, key.dtype), ops.cast(by_value, value.dtype)
            return _from_blocks(by_query, num_queries), by_key, by_value

        answers = ops.map(lambda some: scaled_dot_product_attention(some, key, value)[0], rows)
        return _from_blocks(answers, num_queries), gradient

    return attention


def _to_blocks(x, block_size):
    """(batch, heads, tokens, dim) → (num_blocks, batch, heads, block_size, dim), zeros behind."""
    _, heads, num_tokens, dim = x.shape
    num_blocks = -(-num_tokens // block_size)
    x = ops.pad(x, ((0, 0), (0, 0), (0, num_blocks * block_size - num_tokens), (0, 0)))
    x = ops.reshape(x, (-1, heads, num_blocks, block_size, dim))
    return ops.transpose(x, (2, 0, 1, 3, 4))


def _from_blocks(blocks, num_tokens):
    """Undo :func:`_to_blocks`."""
    num_blocks, _, heads, block_size, dim = blocks.shape
    x = ops.transpose(blocks, (1, 2, 0, 3, 4))  # (batch, heads, num_blocks, block_size, dim)
    return ops.reshape(x, (-1, heads, num_blocks * block_size, dim))[:, :, :num_tokens]


def _join(parts):
    """[(batch, heads, num_context, head_dim), …] → one such, the parts behind each other."""
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=2)


@keras.saving.register_keras_serializable("xraylab")
class MultiHeadAttention(keras.layers.Layer):
    """Multi-head attention with biases, embed_dim split evenly over the heads.

    Without ``context``, tokens read from each other (self-attention); with it, they read from the
    context (cross-attention).

    Shapes:
        tokens: (batch, num_tokens, embed_dim); returned in the same shape.
        context: (batch, num_context, embed_dim), or None, or a tuple of such sequences, read as one
        but projected one by one: a compiler then sees that it has projected one of them before.
        With ``return_attention=True`` also attention
        (batch, heads, num_tokens, num_context or num_tokens).

    Args:
        num_heads: number of heads; must divide embed_dim.
        stddev: standard deviation of the first weights, cut off at two of them; None takes Keras's
            own.

    Raises:
        ValueError: when built, if ``num_heads`` does not divide embed_dim.

    Source: ``vaswani2017``, Sect. 3.2.2.
    """

    def __init__(self, num_heads, stddev=None, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.stddev = num_heads, stddev

    def build(self, input_shape):
        """Create the projections to queries, keys and values, and the one back."""
        embed_dim = input_shape[-1]
        if embed_dim % self.num_heads:
            raise ValueError(
                f"embed_dim {embed_dim} does not divide into num_heads {self.num_heads}; "
                "choose a number of heads that divides embed_dim"
            )
        for name in ("query", "key", "value", "projection"):
            dense = keras.layers.Dense(
                embed_dim,
                kernel_initializer=first_weights(self.stddev),
                dtype=self.dtype_policy,
                name=name,
            )
            dense.build(input_shape)
            setattr(self, name, dense)

    def call(self, tokens, context=None, return_attention=False, attention_transform=None):
        """Let every token read from every token of the context."""
        context = tokens if context is None else context
        parts = context if isinstance(context, tuple) else (context,)
        query = self._split_heads(self.query(tokens))  # (batch, heads, num_tokens, head_dim)
        key = _join([self._split_heads(self.key(part)) for part in parts])
        value = _join([self._split_heads(self.value(part)) for part in parts])
        if not return_attention and attention_transform is None:
            return self.projection(self._join_heads(attend(query, key, value)))
        x, attention = scaled_dot_product_attention(
            query, key, value, transform=attention_transform
        )
        x = self.projection(self._join_heads(x))
        return (x, attention) if return_attention else x

    def _split_heads(self, x):
        """(batch, num_tokens, embed_dim) → (batch, heads, num_tokens, head_dim)."""
        _, num_tokens, embed_dim = x.shape
        x = ops.reshape(x, (-1, num_tokens, self.num_heads, embed_dim // self.num_heads))
        return ops.transpose(x, (0, 2, 1, 3))

    def _join_heads(self, x):
        """(batch, heads, num_tokens, head_dim) → (batch, num_tokens, embed_dim)."""
        _, heads, num_tokens, head_dim = x.shape
        x = ops.transpose(x, (0, 2, 1, 3))  # (batch, num_tokens, heads, head_dim)
        return ops.reshape(x, (-1, num_tokens, heads * head_dim))

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "num_heads": self.num_heads, "stddev": self.stddev}
