"""Multi-head attention: the equation, a memory-saving form of it, and the layer.

:func:`scaled_dot_product_attention` is the equation and returns the attention map. :func:`attend`
computes the same output without storing the map, so that an image of thousands of tokens fits.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from xraylab.arguments import invalid_argument, require_int
from xraylab.layers.base import Layer, Tensor, kernel_initializer

Transform = Callable[[Tensor], Tensor] | None

LARGEST_MAP = 2**20
"""Largest attention map per image (heads x queries x keys) that is computed in one piece."""


@contextlib.contextmanager
def whole_maps() -> Iterator[None]:
    """Compute attention in one piece in this context, however large the map is.

    For tracing a graph that is counted or exported, where a loop over blocks is in the way.
    """
    global LARGEST_MAP
    before, LARGEST_MAP = LARGEST_MAP, math.inf
    try:
        yield
    finally:
        LARGEST_MAP = before


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor = None, transform: Transform = None
) -> tuple[Tensor, Tensor]:
    """Compute softmax(Q·Kᵀ/√d + bias)·V and the attention map.

    The softmax is taken in float32, whatever the precision of the inputs.

    Shapes:
        query: (batch, heads, num_queries, head_dim).
        key: (batch, heads, num_keys, head_dim).
        value: (batch, heads, num_keys, value_dim).
        bias: broadcastable to (batch, heads, num_queries, num_keys), or None.
        returns: output (batch, heads, num_queries, value_dim) and
        attention (batch, heads, num_queries, num_keys), each row of which sums to 1.

    Args:
        transform: function of the attention map; its return value replaces the map.

    References: Vaswani et al. 2017 (``vaswani2017``), Eq. 1.
    """
    scale = query.shape[-1] ** -0.5
    scores = ops.matmul(query * scale, ops.transpose(key, (0, 1, 3, 2)))
    if bias is not None:
        scores = scores + ops.cast(bias, scores.dtype)
    weights = ops.cast(scores, "float32")
    # Keras warns of a softmax over a single key, which is 1 whatever the score.
    weights = ops.softmax(weights, axis=-1) if key.shape[2] > 1 else ops.exp(weights - weights)
    attention = ops.cast(weights, scores.dtype)
    if transform is not None:
        attention = transform(attention)
    return ops.matmul(attention, value), attention


def attend(query: Tensor, key: Tensor, value: Tensor, transform: Transform = None) -> Tensor:
    """Compute the output of :func:`scaled_dot_product_attention` without storing the map.

    Uses the fused attention of the backend where there is one (JAX, PyTorch). Where the map of one
    image would exceed :data:`LARGEST_MAP` entries, the queries are processed in blocks, and the
    gradient recomputes each block: memory then grows linearly with the number of tokens. Only with
    a ``transform`` is the map stored.

    Shapes:
        as in :func:`scaled_dot_product_attention`.

    References: Rabe and Staats 2021 (``rabe2021``).
    """
    if transform is not None:
        return scaled_dot_product_attention(query, key, value, transform=transform)[0]
    heads, num_queries, head_dim = query.shape[1:]
    num_keys = key.shape[2]
    if heads * num_queries * num_keys > LARGEST_MAP:
        return _blockwise(query, key, value, max(1, LARGEST_MAP // (heads * num_keys)))
    if keras.backend.backend() != "tensorflow" and value.shape[-1] == head_dim:
        # The fused kernels expect (batch, tokens, heads, head_dim).
        query, key, value = (ops.transpose(x, (0, 2, 1, 3)) for x in (query, key, value))
        return ops.transpose(ops.dot_product_attention(query, key, value), (0, 2, 1, 3))
    return scaled_dot_product_attention(query, key, value)[0]


def _blockwise(query, key, value, block_size):
    """Attend with ``block_size`` queries at a time; the gradient computes each map again."""

    @keras.remat
    def attend_block(block, key, value):
        key, value = (ops.cast(x, block.dtype) for x in (key, value))
        return scaled_dot_product_attention(block, key, value)[0]

    # The gradients of many blocks add up, in float32 also under mixed precision.
    key, value = (ops.cast(x, "float32") for x in (key, value))
    blocks = _to_blocks(query, block_size)
    output = ops.map(lambda block: attend_block(block, key, value), blocks)
    return _from_blocks(output, query.shape[2])


def _to_blocks(x, block_size):
    """(batch, heads, tokens, dim) → (num_blocks, batch, heads, block_size, dim), zero-padded."""
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


class MultiHeadAttention(Layer):
    """Multi-head attention with biases; embed_dim is split evenly over the heads.

    Without ``context``, tokens attend to each other (self-attention); with it, they attend to the
    context (cross-attention).

    Shapes:
        tokens: (batch, num_tokens, embed_dim); returned in the same shape.
        context: (batch, num_context, embed_dim), or None, or a tuple of such sequences, which are
        concatenated but projected one by one: a compiler can then reuse a projection.
        attention: (batch, heads, num_tokens, num_context or num_tokens).

    Args:
        num_heads: number of heads; must divide embed_dim.
        stddev: standard deviation of the initial weights, as for
            ``xraylab.layers.base.kernel_initializer``.

    Raises:
        ValueError: when built, if ``num_heads`` does not divide embed_dim.

    References: Vaswani et al. 2017 (``vaswani2017``), Sect. 3.2.2.
    """

    def __init__(self, num_heads: int, stddev: float | None = None, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.stddev = require_int("num_heads", num_heads, 1), stddev

    def create(self, embed_dim: int) -> None:
        """Create the query, key, value and output projections."""
        if embed_dim % self.num_heads:
            raise invalid_argument("num_heads", f"a divisor of {embed_dim}", self.num_heads)
        for name in ("query", "key", "value", "projection"):
            options = {"kernel_initializer": kernel_initializer(self.stddev), **self.policy}
            setattr(self, name, keras.layers.Dense(embed_dim, name=name, **options))

    def call(
        self, tokens: Tensor, context: Any = None, attention_transform: Transform = None
    ) -> Tensor:
        """Apply attention; ``attention_transform(attention)`` replaces the attention map."""
        context = tokens if context is None else context
        parts = context if isinstance(context, tuple) else (context,)
        query = self._split_heads(self.query(tokens))  # (batch, heads, num_tokens, head_dim)
        key = ops.concatenate([self._split_heads(self.key(part)) for part in parts], axis=2)
        value = ops.concatenate([self._split_heads(self.value(part)) for part in parts], axis=2)
        x = attend(query, key, value, transform=attention_transform)
        return self.projection(self._join_heads(x))

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
