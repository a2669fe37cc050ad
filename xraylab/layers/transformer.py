"""The standard pre-norm transformer block and its parts."""

from functools import partial

import keras
from keras import ops

from xraylab.layers.attention import MultiHeadAttention

EPSILON = 1e-6
"""What layer normalisation adds to the variance, as vision transformers have it."""


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
        if return_attention:
            tokens, attention[block.name] = block(
                tokens, return_attention=True, attention_transform=transform
            )
        else:
            tokens = block(tokens, attention_transform=transform)
    return tokens, attention


@keras.saving.register_keras_serializable("xraylab")
class MLP(keras.layers.Layer):
    """Two linear layers with a GELU between them (``dosovitskiy2021``, Sect. 3.1).

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.

    Args:
        mlp_ratio: width of the hidden layer in units of embed_dim.
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
        self.widen.build(input_shape)
        self.narrow.build((*input_shape[:-1], width))

    def call(self, tokens):
        """Treat every token by itself."""
        return self.narrow(ops.gelu(self.widen(tokens), approximate=False))

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "mlp_ratio": self.mlp_ratio}


@keras.saving.register_keras_serializable("xraylab")
class TransformerBlock(keras.layers.Layer):
    """x + Attention(LayerNorm(x)), then x + MLP(LayerNorm(x)) (``dosovitskiy2021``, Eqs. 2, 3).

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape. With
        ``return_attention=True`` also attention (batch, heads, num_tokens, num_tokens).

    Args:
        num_heads: attention heads; must divide embed_dim.
        mlp_ratio: width of the MLP's hidden layer in units of embed_dim.
    """

    def __init__(self, num_heads, mlp_ratio, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio

        def norm(name):
            return keras.layers.LayerNormalization(
                epsilon=EPSILON, dtype=self.dtype_policy, name=name
            )

        self.attention_norm = norm("attention_norm")
        self.attention = MultiHeadAttention(num_heads, dtype=self.dtype_policy, name="attention")
        self.mlp_norm = norm("mlp_norm")
        self.mlp = MLP(mlp_ratio, dtype=self.dtype_policy, name="mlp")

    def build(self, input_shape):
        """Build the four sub-layers."""
        for layer in (self.attention_norm, self.attention, self.mlp_norm, self.mlp):
            layer.build(input_shape)

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
        tokens = tokens + self.mlp(self.mlp_norm(tokens))
        return (tokens, attention) if return_attention else tokens

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
        }
