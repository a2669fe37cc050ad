"""Hybrid RR-ViT: RR-ViT on the map of a small convolutional network (``pham2026``).

Three convolutions reduce the image to one token per 4x4 pixels: 256 tokens at 64 px, 3136 at
224 px. Full transformer blocks, with MLP, follow. As in RR-ViT, the [CLS] token predicts the labels
and every other token reconstructs its own pixels. Stem, MLPs and final normalisation can be left
out, so that the differences from RR-ViT can be studied one at a time.

Attention between 3137 tokens has a map of 79 million entries per image and block. The slides report
no result beyond 128 px; :func:`xraylab.layers.attend` holds only a slice of the map at a time.
"""

import keras
from keras import ops

from xraylab.arguments import require, require_ints
from xraylab.layers.base import Layer, Shape, Sizes, Tensor, build_chain
from xraylab.layers.convolution import batch_norm
from xraylab.models.rr_vit import RRViT

STRIDE = 4
"""Side in pixels of the square that one token represents."""


class ConvolutionalStem(Layer):
    """Three 3x3 convolutions with bias, each followed by batch normalisation and ReLU.

    The first two have stride 2; the receptive field of a token is 15x15 pixels.

    Shapes:
        images: (batch, height, width, channels), height and width multiples of 4.
        returns: (batch, height / 4, width / 4, filters[-1]).

    Args:
        filters: channels after each of the three convolutions.

    References: ``pham2026``, slides "Hybrid RR-ViT". Strides, ReLU, momentum and ε are our choice.
    """

    def __init__(self, filters: Sizes, **kwargs):
        super().__init__(**kwargs)
        self.filters = require_ints("filters", filters, 1)
        options = {"padding": "same", **self.policy}
        self.convolutions = [
            keras.layers.Conv2D(width, 3, strides=strides, name=f"convolution_{i}", **options)
            for i, (width, strides) in enumerate(zip(self.filters, (2, 2, 1), strict=True))
        ]
        self.norms = [batch_norm(f"norm_{i}", **self.policy) for i in range(3)]

    def build(self, input_shape: Shape) -> None:
        """Build the convolutions and their normalisations."""
        for stage in zip(self.convolutions, self.norms, strict=True):
            input_shape = build_chain(stage, input_shape)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Compute the map of tokens."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = ops.relu(norm(convolution(x), training=training))
        return x

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the map of tokens."""
        for convolution in self.convolutions:
            input_shape = convolution.compute_output_shape(input_shape)
        return input_shape


class HybridRRViT(RRViT):
    """Reconstruction-regularised vision transformer with a convolutional stem.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``reconstruction`` (batch, image_size, image_size, 1), unbounded;
        ``stem_features``, the last convolutional map (batch, rows, columns, embed_dim), if there is
        a stem;
        ``attention``, a dict of the maps of ``block_0`` …
        (batch, num_heads, 1 + num_tokens, 1 + num_tokens), which at 224 px take 315 MB per image
        and block; ``tokens``, the last (batch, 1 + num_tokens, embed_dim), normalised; and
        ``features``, the patch tokens as a map (batch, rows, columns, embed_dim).

    Args:
        image_size: side of the image in pixels, a multiple of ``patch_size``.
        num_labels: number of labels, at least 1.
        stem_filters: channels of the first two convolutions; the third has ``embed_dim``. None
            embeds patches linearly instead, as RR-ViT does.
        embed_dim: width D of a token.
        depth: number of blocks L.
        num_heads: attention heads; must divide ``embed_dim``.
        mlp_ratio: width of the MLP's hidden layer in units of ``embed_dim``; None for no MLPs.
        patch_size: side in pixels of the square that one token represents; 4 with the stem.
        final_norm: whether the tokens are normalised after the last block.
        dropout: rate on the [CLS] token before the last layer. The source gives none.
        reconstruction_weight: factor λ of the mean squared reconstruction error, which the model
            adds to its loss; 0 adds nothing. The source does not give its value.

    Raises:
        ValueError: if an argument is invalid.

    References: ``pham2026``, slides "Hybrid RR-ViT".
    """

    def __init__(
        self,
        image_size: int = 64,
        num_labels: int = 14,
        stem_filters: Sizes | None = (32, 64),
        embed_dim: int = 256,
        depth: int = 8,
        num_heads: int = 8,
        mlp_ratio: float | None = 2,
        patch_size: int = STRIDE,
        final_norm: bool = True,
        **kwargs,
    ):
        self.stem_filters = None
        if stem_filters is not None:
            self.stem_filters = tuple(stem_filters)
            hint = "Pass stem_filters=None for patches of another size."
            require(patch_size == STRIDE, "patch_size", f"{STRIDE}, as the stem", patch_size, hint)
            # As large as the tokens of the initial stem, whose standard deviation over the
            # positions of an image is 0.55.
            self.position_stddev = 0.5
        kwargs |= {"mlp_ratio": mlp_ratio, "final_norm": final_norm}
        super().__init__(image_size, num_labels, patch_size, embed_dim, depth, num_heads, **kwargs)

    def create_embedding(self) -> None:
        """Create the stem, or the linear embedding."""
        if self.stem_filters is None:
            super().create_embedding()
        else:
            filters = (*self.stem_filters, self.embed_dim)
            self.stem = ConvolutionalStem(filters, name="stem", **self.policy)

    def build_embedding(self, input_shape: Shape) -> None:
        """Create the weights of the stem, or of the linear embedding."""
        if self.stem_filters is None:
            super().build_embedding(input_shape)
        else:
            self.stem.build(input_shape)

    def embed(self, images: Tensor, training: bool | None) -> tuple[Tensor, dict]:
        """Compute the tokens from the last map of the stem, or from patches."""
        if self.stem_filters is None:
            return super().embed(images, training)
        x = self.stem(images, training=training)  # (batch, side, side, embed_dim)
        return ops.reshape(x, (-1, self.side**2, self.embed_dim)), {"stem_features": x}
