"""The two blocks of MedViT (``manzari2023``, public code of the first version).

An ECB mixes neighbours by grouped convolution; an LTB mixes distant places by attention, then
neighbours by convolution, and joins both. Both end in an LFFN, a feed-forward network with a
depthwise convolution inside. All maps are (batch, height, width, channels).
"""

import keras
from keras import ops

from xraylab.layers import DropPath, batch_norm
from xraylab.models.medvit_parts import (
    EMHSA,
    LFFN,
    MHCA,
    PatchEmbedding,
    attention_width,
)


@keras.saving.register_keras_serializable("xraylab")
class ECB(keras.layers.Layer):
    """Efficient convolution block: x += MHCA(x), then x + LFFN(BatchNorm(x)).

    As the LFFN has a residual connection of its own, the block returns x + n + f(n), n being the
    normalised x.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters).

    Args:
        filters: channels of the output, a multiple of ``head_dim``.
        strides: 1, or 2 to halve the map first.
        head_dim: channels a head.
        drop_path: rate at which the MHCA is dropped in training.
    """

    def __init__(self, filters, strides=1, head_dim=32, drop_path=0.0, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides, self.head_dim = filters, strides, head_dim
        self.drop_path = drop_path
        policy = self.dtype_policy
        self.patch_embedding = PatchEmbedding(
            filters, strides, dtype=policy, name="patch_embedding"
        )
        self.mhca = MHCA(head_dim, dtype=policy, name="mhca")
        self.mhca_path = DropPath(drop_path, dtype=policy, name="mhca_path")
        self.norm = batch_norm("norm", dtype=self.dtype_policy)
        self.lffn = LFFN(3, dtype=policy, name="lffn")

    def build(self, input_shape):
        """Build the parts, all of which but the first keep the map's shape."""
        self.patch_embedding.build(input_shape)
        shape = self.patch_embedding.compute_output_shape(input_shape)
        for layer in (self.mhca, self.norm, self.lffn):
            layer.build(shape)

    def call(self, x, training=None):
        """Return the map after one block."""
        x = self.patch_embedding(x, training=training)  # (batch, height, width, filters)
        x = x + self.mhca_path(self.mhca(x, training=training), training=training)
        return x + self.lffn(self.norm(x, training=training), training=training)

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "strides": self.strides,
            "head_dim": self.head_dim,
            "drop_path": self.drop_path,
        }


@keras.saving.register_keras_serializable("xraylab")
class LTB(keras.layers.Layer):
    """Local transformer block: attention, then a convolution of its result, both joined.

    Attention makes the first channels x, about ``mix_ratio`` of all. A projection z of them to the
    remaining channels takes z += MHCA(z). With y = [x, z], the block returns
    y + LFFN(BatchNorm(y)).

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters). With
        ``return_attention=True`` also attention (batch, heads, tokens, tokens // sr_ratio²), the
        tokens being the places of the output in raster order.

    Args:
        filters: channels of the output, a multiple of ``head_dim``.
        strides: 1, or 2 to halve the map first.
        sr_ratio: square root of the number of tokens in a key.
        head_dim: channels a head, of attention and of convolution.
        mix_ratio: share of the channels that attention makes.
        drop_path: rate of stochastic depth; attention takes ``mix_ratio`` of it, MHCA the rest.

    Raises:
        ValueError: if no channel is left for the convolution.
    """

    def __init__(
        self,
        filters,
        strides=1,
        sr_ratio=1,
        head_dim=32,
        mix_ratio=0.75,
        drop_path=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.strides, self.sr_ratio = filters, strides, sr_ratio
        self.head_dim, self.mix_ratio = head_dim, mix_ratio
        self.drop_path = drop_path
        policy = self.dtype_policy
        width = attention_width(filters, mix_ratio, head_dim)
        self.patch_embedding = PatchEmbedding(width, strides, dtype=policy, name="patch_embedding")
        self.attention_norm = batch_norm("attention_norm", dtype=self.dtype_policy)
        self.attention = EMHSA(head_dim, sr_ratio, dtype=policy, name="attention")
        self.attention_path = DropPath(drop_path * mix_ratio, dtype=policy, name="attention_path")
        self.projection = PatchEmbedding(filters - width, dtype=policy, name="projection")
        self.mhca = MHCA(head_dim, dtype=policy, name="mhca")
        self.mhca_path = DropPath(drop_path * (1 - mix_ratio), dtype=policy, name="mhca_path")
        self.norm = batch_norm("norm", dtype=self.dtype_policy)
        self.lffn = LFFN(2, dtype=policy, name="lffn")

    def build(self, input_shape):
        """Build the parts."""
        self.patch_embedding.build(input_shape)
        shape = self.patch_embedding.compute_output_shape(input_shape)
        batch, height, width, channels = shape
        self.attention_norm.build(shape)
        self.attention.build((batch, height * width, channels))
        self.projection.build(shape)
        self.mhca.build((*shape[:-1], self.filters - channels))
        for layer in (self.norm, self.lffn):
            layer.build((*shape[:-1], self.filters))

    def call(self, x, training=None, return_attention=False):
        """Return the map after one block (and the map of its attention, if asked)."""
        x = self.patch_embedding(x, training=training)  # (batch, height, width, attention width)
        _, height, width, channels = x.shape
        tokens = self.attention_norm(x, training=training)
        tokens = ops.reshape(tokens, (-1, height * width, channels))
        attention = None
        if return_attention:
            tokens, attention = self.attention(tokens, training=training, return_attention=True)
        else:
            tokens = self.attention(tokens, training=training)
        update = ops.reshape(tokens, (-1, height, width, channels))
        x = x + self.attention_path(update, training=training)

        z = self.projection(x, training=training)  # (batch, height, width, filters - channels)
        z = z + self.mhca_path(self.mhca(z, training=training), training=training)

        y = ops.concatenate([x, z], axis=-1)  # (batch, height, width, filters)
        y = y + self.lffn(self.norm(y, training=training), training=training)
        return (y, attention) if return_attention else y

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "strides": self.strides,
            "sr_ratio": self.sr_ratio,
            "head_dim": self.head_dim,
            "mix_ratio": self.mix_ratio,
            "drop_path": self.drop_path,
        }
