"""Building blocks that more than one architecture uses."""

from xraylab.layers.attention import MultiHeadAttention, attend, scaled_dot_product_attention
from xraylab.layers.tokens import patchify, sinusoidal_positions, unpatchify
from xraylab.layers.transformer import MLP, TransformerBlock

__all__ = [
    "MLP",
    "MultiHeadAttention",
    "TransformerBlock",
    "attend",
    "patchify",
    "scaled_dot_product_attention",
    "sinusoidal_positions",
    "unpatchify",
]
