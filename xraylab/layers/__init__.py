"""Building blocks that more than one architecture uses."""

from xraylab.layers.attention import SelfAttention, scaled_dot_product_attention
from xraylab.layers.patches import patchify, unpatchify
from xraylab.layers.tokens import ClassToken, LearnedPositions

__all__ = [
    "ClassToken",
    "LearnedPositions",
    "SelfAttention",
    "patchify",
    "scaled_dot_product_attention",
    "unpatchify",
]
