"""Building blocks that more than one architecture uses."""

from xraylab.layers.attention import MultiHeadAttention, attend, scaled_dot_product_attention
from xraylab.layers.base import Layer, kernel_initializer
from xraylab.layers.convolution import ConvNorm, SqueezeExcite, batch_norm, stochastic_depth
from xraylab.layers.tokens import (
    ClassToken,
    LearnedPositions,
    SinusoidalPositions,
    patchify,
    sinusoidal_positions,
    unpatchify,
)
from xraylab.layers.transformer import MLP, TransformerBlock

__all__ = [
    "MLP",
    "ClassToken",
    "ConvNorm",
    "Layer",
    "LearnedPositions",
    "MultiHeadAttention",
    "SinusoidalPositions",
    "SqueezeExcite",
    "TransformerBlock",
    "attend",
    "batch_norm",
    "kernel_initializer",
    "patchify",
    "scaled_dot_product_attention",
    "sinusoidal_positions",
    "stochastic_depth",
    "unpatchify",
]
