"""The standard pre-norm transformer block and its parts."""

from functools import partial

import keras
from keras import ops

from xraylab.layers.attention import MultiHeadAttention
from xraylab.layers.base import Layer

EPSILON = 1e-6
"""Added to the variance by layer normalisation, as in vision transformers."""


def layer_norm(name, dtype=None):
    """Create layer normalisation with the ε of vision transformers."""
    return keras.layers.LayerNormalization(epsilon=EPSILON, dtype=dtype, name=name)


def named_transform(attention_transform, name):
    """Bind the name of an attention map to a transform; None stays None."""
    return None if attention_transform is None else partial(attention_transform, name)


def run_blocks(blocks, tokens, return_attention=False, attention_transform=None):
    """Apply transformer blocks in order.

    Shapes:
        tokens: (batch, num_tokens, embed_dim).
        returns: the tokens after the last block, and a dict of each block's attention map
        (batch, heads, num_tokens, num_tokens) by its name; empty unless ``return_attention``.

    Args:
        attention_transform: ``f(block_name, attention) -> attention``, applied to each map before
            use.
    """
    attention = {}
    for block in blocks:
        transform = named_transform(attention_transform, block.name)
        tokens = block(tokens, return_attention=return_attention, attention_transform=transform)
        if return_attention:
            tokens, attention[block.name] = tokens
    return tokens, attention


@keras.saving.register_keras_serializable("xraylab")
class MLP(Layer):
    """Two linear layers with a GELU between them.

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.

    Args:
        mlp_ratio: width of the hidden layer in units of embed_dim.

    References: Dosovitskiy et al. 2021 (``dosovitskiy2021``), Sect. 3.1.
    """

    def __init__(self, mlp_ratio, **kwargs):
        super().__init__(**kwargs)
        self.mlp_ratio = mlp_ratio

    def build(self, input_shape):
        """Create the two linear layers."""
        embed_dim = input_shape[-1]
        width = int(embed_dim * self.mlp_ratio)
        self.widen = keras.layers.Dense(width, dtype=self.dtype_policy, name="widen")
        self.narrow = keras.layers.Dense(embed_dim, dtype=self.dtype_policy, name="narrow")
        super().build(input_shape)

    def call(self, tokens):
        """Apply the MLP to every token."""
        return self.narrow(ops.gelu(self.widen(tokens), approximate=False))


@keras.saving.register_keras_serializable("xraylab")
class TransformerBlock(Layer):
    """x + Attention(LayerNorm(x)), then x + MLP(LayerNorm(x)).

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape. With
        ``return_attention=True`` also attention (batch, heads, num_tokens, num_tokens).
        context: as for :class:`MultiHeadAttention`, normalised by the caller.

    Args:
        num_heads: attention heads; must divide embed_dim.
        mlp_ratio: width of the MLP's hidden layer in units of embed_dim; None leaves the MLP out.

    References: Dosovitskiy et al. 2021 (``dosovitskiy2021``), Eqs. 2 and 3.
    """

    def __init__(self, num_heads, mlp_ratio, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.mlp_ratio = num_heads, mlp_ratio
        policy = self.dtype_policy
        self.attention_norm = layer_norm("attention_norm", policy)
        self.attention = MultiHeadAttention(num_heads, dtype=policy, name="attention")
        if mlp_ratio is not None:
            self.mlp_norm = layer_norm("mlp_norm", policy)
            self.mlp = MLP(mlp_ratio, dtype=policy, name="mlp")

    def call(self, tokens, context=None, return_attention=False, attention_transform=None):
        """Return the tokens after one block, and the attention map if requested."""
        update = self.attention(
            self.attention_norm(tokens),
            context=context,
            return_attention=return_attention,
            attention_transform=attention_transform,
        )
        update, attention = update if return_attention else (update, None)
        tokens = tokens + update
        if self.mlp_ratio is not None:
            tokens = tokens + self.mlp(self.mlp_norm(tokens))
        return (tokens, attention) if return_attention else tokens
