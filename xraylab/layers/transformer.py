"""The standard pre-norm transformer block and its parts."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from xraylab.layers.attention import MultiHeadAttention, Transform
from xraylab.layers.base import Layer, Tensor

NamedTransform = Callable[[str, Tensor], Tensor] | None
"""A function of the name of an attention map and the map, whose return value replaces the map."""

EPSILON = 1e-6
"""Added to the variance by layer normalisation, as in vision transformers."""


def layer_norm(name: str, dtype: Any = None) -> keras.layers.Layer:
    """Create layer normalisation with the ε of vision transformers."""
    return keras.layers.LayerNormalization(epsilon=EPSILON, dtype=dtype, name=name)


def recorder(
    name: str, attention_transform: NamedTransform, maps: dict | None, key: str | None = None
) -> Transform:
    """Create the transform of one attention map; None if there is nothing to do.

    Args:
        name: name of the map, which ``attention_transform`` receives.
        attention_transform: applied to the map, unless None.
        maps: where the result is stored, unless None.
        key: under which it is stored, by default its name.
    """
    if attention_transform is None and maps is None:
        return None

    def record(attention):
        if attention_transform is not None:
            attention = attention_transform(name, attention)
        if maps is not None:
            maps[key or name] = attention
        return attention

    return record


def run_blocks(
    blocks: Iterable[Layer],
    tokens: Tensor,
    return_attention: bool = False,
    attention_transform: NamedTransform = None,
) -> tuple[Tensor, dict]:
    """Apply transformer blocks in order.

    Shapes:
        tokens: (batch, num_tokens, embed_dim).
        returns: the tokens after the last block, and a dict of each block's attention map
        (batch, heads, num_tokens, num_tokens) by its name; empty unless ``return_attention``.

    Args:
        attention_transform: ``f(block_name, attention) -> attention``, applied to each map before
            use.
    """
    maps = {}
    for block in blocks:
        transform = recorder(block.name, attention_transform, maps if return_attention else None)
        tokens = block(tokens, attention_transform=transform)
    return tokens, maps


class MLP(Layer):
    """Two linear layers with a GELU between them.

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.

    Args:
        mlp_ratio: width of the hidden layer in units of embed_dim.

    References: Dosovitskiy et al. 2021 (``dosovitskiy2021``), Sect. 3.1.
    """

    def __init__(self, mlp_ratio: float, **kwargs):
        super().__init__(**kwargs)
        self.mlp_ratio = mlp_ratio

    def create(self, embed_dim: int) -> None:
        """Create the two linear layers."""
        width = int(embed_dim * self.mlp_ratio)
        self.widen = keras.layers.Dense(width, name="widen", **self.policy)
        self.narrow = keras.layers.Dense(embed_dim, name="narrow", **self.policy)

    def call(self, tokens: Tensor) -> Tensor:
        """Apply the MLP to every token."""
        return self.narrow(ops.gelu(self.widen(tokens), approximate=False))


class TransformerBlock(Layer):
    """x + Attention(LayerNorm(x)), then x + MLP(LayerNorm(x)).

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.
        context: as for :class:`MultiHeadAttention`, normalised by the caller.

    Args:
        num_heads: attention heads; must divide embed_dim.
        mlp_ratio: width of the MLP's hidden layer in units of embed_dim; None leaves the MLP out.

    References: Dosovitskiy et al. 2021 (``dosovitskiy2021``), Eqs. 2 and 3.
    """

    def __init__(self, num_heads: int, mlp_ratio: float | None, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.mlp_ratio = num_heads, mlp_ratio
        self.attention_norm = layer_norm("attention_norm", **self.policy)
        self.attention = MultiHeadAttention(num_heads, name="attention", **self.policy)
        if mlp_ratio is not None:
            self.mlp_norm = layer_norm("mlp_norm", **self.policy)
            self.mlp = MLP(mlp_ratio, name="mlp", **self.policy)

    def call(
        self, tokens: Tensor, context: Any = None, attention_transform: Transform = None
    ) -> Tensor:
        """Apply attention, then the MLP; ``attention_transform(attention)`` replaces the map."""
        normed = self.attention_norm(tokens)
        tokens = tokens + self.attention(normed, context, attention_transform=attention_transform)
        if self.mlp_ratio is not None:
            tokens = tokens + self.mlp(self.mlp_norm(tokens))
        return tokens
