"""Hybrid RR-ViT: RR-ViT on the map of a small convolutional network (``pham2026``).

Three convolutions look at the image before a transformer does, and leave one token for every 4x4
pixels: 256 tokens at 64 px, 3136 at 224 px. Full transformer blocks, with MLP, follow. As in RR-ViT
the findings come from [CLS] and every other token paints its own pixels again.

Attention between 3137 tokens has a map of 79 million entries an image and block. The slides stopped
there; :func:`xraylab.layers.attend` never holds more than a slice of it.
"""

import keras
from keras import ops

from xraylab.layers import (
    ClassToken,
    LearnedPositions,
    TransformerBlock,
    batch_norm,
    unpatchify,
)
from xraylab.layers.transformer import EPSILON, run_blocks
from xraylab.models.arguments import require_each, require_heads, require_whole
from xraylab.models.base import ImageModel, ReconstructionMixin

STRIDE = 4
"""Side in pixels of the square that one token answers for."""


@keras.saving.register_keras_serializable("xraylab")
class ConvolutionalStem(keras.layers.Layer):
    """Three 3x3 convolutions with bias, each followed by batch normalisation and ReLU.

    The first two take every second pixel; a token sees 15x15 pixels of the image.

    Shapes:
        images: (batch, height, width, channels), height and width multiples of 4.
        returns: (batch, height / 4, width / 4, filters[-1]).

    Args:
        filters: channels after each of the three convolutions.

    Raises:
        ValueError: if there are not three.

    Source: ``pham2026``, slides "Hybrid RR-ViT". Strides, ReLU, momentum and ε are our choice.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        if len(self.filters) != 3:
            raise ValueError(f"the stem takes three widths, as (32, 64, 256); {filters!r} came")
        require_each(1, filters=self.filters)
        self.stages = []
        for i, (width, stride) in enumerate(zip(self.filters, (2, 2, 1), strict=True)):
            convolution = keras.layers.Conv2D(
                width,
                kernel_size=3,
                strides=stride,
                padding="same",
                dtype=self.dtype_policy,
                name=f"convolution_{i}",
            )
            norm = batch_norm(f"norm_{i}", dtype=self.dtype_policy)
            self.stages.append((convolution, norm))

    def build(self, input_shape):
        """Build the convolutions and their normalisations."""
        for convolution, norm in self.stages:
            convolution.build(input_shape)
            input_shape = convolution.compute_output_shape(input_shape)
            norm.build(input_shape)

    def call(self, x, training=None):
        """Turn the image into a map of tokens."""
        for convolution, norm in self.stages:
            x = ops.relu(norm(convolution(x), training=training))
        return x

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("xraylab")
class HybridRRViT(ReconstructionMixin, ImageModel):
    """Reconstruction-regularised vision transformer with a convolutional stem.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``reconstruction`` (batch, image_size, image_size, 1), unbounded;
        ``stem_features``, the last convolutional map
        (batch, rows, columns, embed_dim); ``attention``, a dict of the maps of ``block_0`` …
        (batch, num_heads, 1 + num_tokens, 1 + num_tokens), which at 224 px take 315 MB an image and
        block; ``tokens``, the last (batch, 1 + num_tokens, embed_dim), normalised; and
        ``features``, the patch tokens as a map (batch, rows, columns, embed_dim).

    Args:
        image_size: side of the image in pixels, a multiple of 4.
        num_labels: number of labels, at least 1.
        stem_filters: channels of the first two convolutions; the third has ``embed_dim``.
        embed_dim: width D of a token.
        depth: number of blocks L.
        num_heads: attention heads; must divide ``embed_dim``.
        mlp_ratio: width of the MLP's hidden layer in units of ``embed_dim``.
        dropout: rate on the [CLS] token before the last layer. The source gives none.
        reconstruction_weight: factor λ of the mean squared reconstruction error, which the model
            adds to its loss; 0 adds nothing. The source does not give its value.

    Raises:
        ValueError: if an argument is out of range or the sizes do not divide.

    Source: ``pham2026``, slides "Hybrid RR-ViT".
    """

    transforms_attention = True

    def __init__(
        self,
        image_size=64,
        num_labels=14,
        stem_filters=(32, 64),
        embed_dim=256,
        depth=8,
        num_heads=8,
        mlp_ratio=2,
        dropout=0.1,
        reconstruction_weight=1.0,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        require_whole(0, depth=depth)
        require_heads(embed_dim, num_heads)
        self.require_image_size(STRIDE, reason="one token for every 4x4 pixels")
        self.stem_filters = tuple(stem_filters)
        self.embed_dim = embed_dim
        self.depth = depth
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.reconstruction_weight = reconstruction_weight
        policy = {"dtype": self.dtype_policy}

        self.stem = ConvolutionalStem((*self.stem_filters, embed_dim), name="stem", **policy)
        self.class_token = ClassToken(name="class_token", **policy)
        # As large as the fresh stem's tokens, which vary by 0.55 from place to place of an image.
        self.positions = LearnedPositions(stddev=0.5, name="positions", **policy)
        self.blocks = [
            TransformerBlock(num_heads, mlp_ratio, name=f"block_{i}", **policy)
            for i in range(depth)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm", **policy)
        self.head_dropout = keras.layers.Dropout(dropout, name="head_dropout", **policy)
        # Outputs stay in float32 under mixed precision, so that the loss does.
        self.head = keras.layers.Dense(num_labels, dtype="float32", name="head")
        self.decoder = keras.layers.Dense(STRIDE**2, dtype="float32", name="decoder")

    def build(self, input_shape):
        """Create the weights; they depend on ``image_size``, not on the batch."""
        num_tokens = (self.image_size // STRIDE) ** 2
        map_shape = (None, num_tokens, self.embed_dim)
        token_shape = (None, 1 + num_tokens, self.embed_dim)
        self.stem.build((None, self.image_size, self.image_size, 1))
        self.class_token.build(map_shape)
        self.positions.build(token_shape)
        for block in self.blocks:
            block.build(token_shape)
        self.norm.build(token_shape)
        self.head.build((None, self.embed_dim))
        self.decoder.build(map_shape)

    def forward(self, images, training, return_intermediates, attention_transform):
        """Compute the logits and the reconstruction."""
        side = self.image_size // STRIDE
        stem = self.stem(images, training=training)  # (batch, side, side, embed_dim)
        x = ops.reshape(stem, (-1, side * side, self.embed_dim))  # (batch, num_tokens, embed_dim)
        x = self.class_token(x)  # (batch, 1 + num_tokens, embed_dim)
        x = self.positions(x)

        x, attention = run_blocks(self.blocks, x, return_intermediates, attention_transform)
        x = self.norm(x)

        logits = self.head(self.head_dropout(x[:, 0], training=training))  # (batch, num_labels)
        pixels = self.decoder(x[:, 1:])  # (batch, num_tokens, 16)
        reconstruction = unpatchify(pixels, STRIDE, self.image_size, self.image_size)
        self.add_reconstruction_loss(images, reconstruction)
        out = {"logits": logits, "reconstruction": reconstruction}
        if return_intermediates:
            features = ops.reshape(x[:, 1:], (-1, side, side, self.embed_dim))
            out |= {"stem_features": stem, "attention": attention}
            out |= {"tokens": x, "features": features}
        return out

    def get_config(self):
        """Return the arguments that make an equal model."""
        return {
            **super().get_config(),
            "stem_filters": self.stem_filters,
            "embed_dim": self.embed_dim,
            "depth": self.depth,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "dropout": self.dropout,
            "reconstruction_weight": self.reconstruction_weight,
        }
