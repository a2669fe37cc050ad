"""Hybrid RR-ViT: RR-ViT on the map of a small convolutional network (``pham2026``).

Three convolutions reduce the image to one token per 4x4 pixels: 256 tokens at 64 px, 3136 at
224 px. Full transformer blocks, with MLP, follow. As in RR-ViT, the [CLS] token predicts the labels
and every other token reconstructs its own pixels.

Attention between 3137 tokens has a map of 79 million entries per image and block. The slides report
no result beyond 128 px; :func:`xraylab.layers.attend` holds only a slice of the map at a time.
"""

import keras
from keras import ops

from xraylab.arguments import require_int
from xraylab.layers import (
    ClassToken,
    Layer,
    LearnedPositions,
    TransformerBlock,
    batch_norm,
    unpatchify,
)
from xraylab.layers.base import build_chain
from xraylab.layers.convolution import strided_shape
from xraylab.layers.transformer import layer_norm, run_blocks
from xraylab.models.base import ImageModel, ReconstructionMixin, require_heads, require_ints

STRIDE = 4
"""Side in pixels of the square that one token represents."""


@keras.saving.register_keras_serializable("xraylab")
class ConvolutionalStem(Layer):
    """Three 3x3 convolutions with bias, each followed by batch normalisation and ReLU.

    The first two have stride 2; the receptive field of a token is 15x15 pixels.

    Shapes:
        images: (batch, height, width, channels), height and width multiples of 4.
        returns: (batch, height / 4, width / 4, filters[-1]).

    Args:
        filters: channels after each of the three convolutions.

    Raises:
        ValueError: if there are not three.

    References: ``pham2026``, slides "Hybrid RR-ViT". Strides, ReLU, momentum and ε are our choice.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = require_ints("filters", filters, 1)
        if len(self.filters) != 3:
            raise ValueError(
                "The stem has three convolutions. Expected: three widths, as (32, 64, 256). "
                f"Received: {filters!r}"
            )
        policy = {"dtype": self.dtype_policy}
        self.convolutions = [
            keras.layers.Conv2D(
                width, 3, strides=strides, padding="same", name=f"convolution_{i}", **policy
            )
            for i, (width, strides) in enumerate(zip(self.filters, (2, 2, 1), strict=True))
        ]
        self.norms = [batch_norm(f"norm_{i}", **policy) for i in range(3)]

    def build(self, input_shape):
        """Build the convolutions and their normalisations."""
        for stage in zip(self.convolutions, self.norms, strict=True):
            input_shape = build_chain(stage, input_shape)

    def call(self, x, training=None):
        """Compute the map of tokens."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = ops.relu(norm(convolution(x), training=training))
        return x

    def compute_output_shape(self, input_shape):
        """Return the shape of the map of tokens."""
        return strided_shape(input_shape, STRIDE, self.filters[-1])


@keras.saving.register_keras_serializable("xraylab")
class HybridRRViT(ReconstructionMixin, ImageModel):
    """Reconstruction-regularised vision transformer with a convolutional stem.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``reconstruction`` (batch, image_size, image_size, 1), unbounded;
        ``stem_features``, the last convolutional map (batch, rows, columns, embed_dim);
        ``attention``, a dict of the maps of ``block_0`` …
        (batch, num_heads, 1 + num_tokens, 1 + num_tokens), which at 224 px take 315 MB per image
        and block; ``tokens``, the last (batch, 1 + num_tokens, embed_dim), normalised; and
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

    References: ``pham2026``, slides "Hybrid RR-ViT".
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
        self.depth = require_int("depth", depth, 0)
        require_heads(embed_dim, num_heads)
        self.require_image_size(STRIDE, reason="one token per 4x4 pixels")
        self.stem_filters = tuple(stem_filters)
        self.embed_dim, self.num_heads, self.mlp_ratio = embed_dim, num_heads, mlp_ratio
        self.dropout, self.reconstruction_weight = dropout, reconstruction_weight
        policy = {"dtype": self.dtype_policy}

        self.stem = ConvolutionalStem((*self.stem_filters, embed_dim), name="stem", **policy)
        self.class_token = ClassToken(name="class_token", **policy)
        # As large as the tokens of the initial stem, whose standard deviation over the positions of
        # an image is 0.55.
        self.positions = LearnedPositions(stddev=0.5, name="positions", **policy)
        self.blocks = [
            TransformerBlock(num_heads, mlp_ratio, name=f"block_{i}", **policy)
            for i in range(depth)
        ]
        self.norm = layer_norm("norm", self.dtype_policy)
        self.head_dropout = keras.layers.Dropout(dropout, name="head_dropout", **policy)
        # Outputs stay in float32 under mixed precision, so that the loss does.
        self.head = keras.layers.Dense(num_labels, dtype="float32", name="head")
        self.decoder = keras.layers.Dense(STRIDE**2, dtype="float32", name="decoder")

    def build(self, input_shape):
        """Create the weights; they depend on ``image_size``, not on the batch."""
        num_tokens = (self.image_size // STRIDE) ** 2
        token_shape = (None, num_tokens, self.embed_dim)
        self.stem.build(input_shape)
        encoder = [self.class_token, self.positions, *self.blocks, self.norm]
        build_chain(encoder, token_shape)
        build_chain([self.head_dropout, self.head], (None, self.embed_dim))
        self.decoder.build(token_shape)

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
        return {
            "logits": logits,
            "reconstruction": reconstruction,
            "stem_features": stem,
            "attention": attention,
            "tokens": x,
            "features": ops.reshape(x[:, 1:], (-1, side, side, self.embed_dim)),
        }
