"""DBCT, the dual-branch cross-attention transformer (``pham2026``).

Two branches read the same image. A transformer reads patches and mixes them all: the global branch.
Two convolutions and a projection make a finer map of what lies within a few pixels: the local
branch. Then every patch of the one asks every place of the other, by cross-attention, and the mean
of what they learn answers the findings.
"""

import math

import keras
from keras import ops

from xraylab.layers import MultiHeadAttention, SinusoidalPositions, TransformerBlock, patchify
from xraylab.layers.transformer import EPSILON, named_transform, run_blocks
from xraylab.models.arguments import require_each, require_heads, require_whole
from xraylab.models.base import ImageModel

LOCAL_STRIDE = 4
"""Side, in pixels, of the square that one token of the local branch stands for."""


@keras.saving.register_keras_serializable("xraylab")
class DBCT(ImageModel):
    """Dual-branch cross-attention transformer.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``attention``, a dict of the maps of ``block_0`` …
        (batch, num_heads, num_patches, num_patches); ``cross_attention``, a dict of one map,
        ``cross_attention`` (batch, num_heads, num_patches, num_local), what each patch takes from
        each place of the local map, in raster order; ``tokens`` (batch, num_patches, embed_dim),
        the patches before they read it; ``local_features``
        (batch, image_size / 4, image_size / 4, embed_dim), that map; and ``features``
        (batch, rows, columns, embed_dim), the fused patches put where they lie: their mean goes
        into the last layer, so each label's logit is the mean of a map plus a bias.

    Args:
        image_size: side of the image in pixels, a multiple of ``patch_size`` and of 4.
        num_labels: number of labels, at least 1.
        patch_size: side of a patch in pixels; None takes 16 from 224 px up, and 8 below.
        embed_dim: width D of a token, even.
        depth: number of transformer blocks L.
        num_heads: heads of each attention, the crossing one too; must divide ``embed_dim``.
        mlp_ratio: width of an MLP's hidden layer in units of ``embed_dim``.
        local_channels: channels after the two convolutions of the local branch.
        residual: whether a patch keeps what it was and adds what it reads. The equation of the
            source replaces the patch, after which nothing in the model knows where on the image
            anything lies; the parameter count is the same.

    Raises:
        ValueError: if an argument is out of range or the sizes do not divide.

    Source: ``pham2026``, slides "Dual Branch Cross-Attention Transformer".
    """

    transforms_attention = True

    def __init__(
        self,
        image_size=64,
        num_labels=14,
        patch_size=None,
        embed_dim=256,
        depth=4,
        num_heads=8,
        mlp_ratio=2,
        local_channels=(16, 32),
        residual=True,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        if patch_size is None:
            patch_size = 16 if image_size >= 224 else 8
        require_whole(1, patch_size=patch_size)
        require_whole(0, depth=depth)
        require_heads(embed_dim, num_heads)
        self.require_image_size(
            math.lcm(patch_size, LOCAL_STRIDE),
            reason=f"whole patches of {patch_size} px, and {LOCAL_STRIDE} px a local token",
        )
        if len(local_channels) != 2:
            raise ValueError(
                "local_channels must be the channels after the two convolutions, such as (16, 32); "
                f"{local_channels!r} came"
            )
        require_each(1, local_channels=local_channels)
        self.patch_size = patch_size
        self.embed_dim = embed_dim
        self.depth = depth
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.local_channels = tuple(local_channels)
        self.residual = residual
        policy = {"dtype": self.dtype_policy}

        self.patch_embedding = keras.layers.Dense(embed_dim, name="patch_embedding", **policy)
        self.positions = SinusoidalPositions(name="positions", **policy)
        self.blocks = [
            TransformerBlock(num_heads, mlp_ratio, name=f"block_{i}", **policy)
            for i in range(depth)
        ]
        # First weights by ``he_normal``, or the places would begin thirty times smaller than the
        # patches, and attention between them flat.
        self.convolutions = [
            keras.layers.Conv2D(
                channels,
                3,
                strides=2,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"convolution_{i}",
                **policy,
            )
            for i, channels in enumerate(self.local_channels)
        ]
        self.local_projection = keras.layers.Dense(
            embed_dim, kernel_initializer="he_normal", name="local_projection", **policy
        )
        self.cross_attention = MultiHeadAttention(num_heads, name="cross_attention", **policy)
        self.norm = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm", **policy)
        # The answer stays in float32 under mixed precision, so that the loss does.
        self.head = keras.layers.Dense(num_labels, dtype="float32", name="head")

    def build(self, input_shape):
        """Create the weights; none of them depends on the number of tokens."""
        num_patches = (self.image_size // self.patch_size) ** 2
        tokens = (None, num_patches, self.embed_dim)
        self.patch_embedding.build((None, num_patches, self.patch_size**2))
        for layer in (self.positions, *self.blocks, self.cross_attention, self.norm):
            layer.build(tokens)
        side, channels = self.image_size, 1
        for convolution in self.convolutions:
            convolution.build((None, side, side, channels))
            side, channels = side // 2, convolution.filters
        self.local_projection.build((None, side, side, channels))
        self.head.build((None, self.embed_dim))

    def forward(self, images, training, return_intermediates, attention_transform):
        """Compute the logits."""
        # From -1 to 1: about zero, the images differ more than they have in common. Ours.
        images = 2.0 * images - 1.0

        # The global branch: every patch reads from every other.
        x = patchify(images, self.patch_size)  # (batch, num_patches, patch_size²)
        x = self.positions(self.patch_embedding(x))  # (batch, num_patches, embed_dim)
        x, attention = run_blocks(self.blocks, x, return_intermediates, attention_transform)

        # The local branch: each place knows the 7x7 pixels about it, and not where it lies.
        local = images
        for convolution in self.convolutions:
            local = convolution(local)  # (batch, size / 2, …), then (batch, size / 4, …)
        local = self.local_projection(local)  # a 1x1 convolution: (…, embed_dim)
        side = self.image_size // LOCAL_STRIDE
        context = ops.reshape(local, (-1, side * side, self.embed_dim))

        # The patches ask, the local map answers.
        fused = self.cross_attention(  # (batch, num_patches, embed_dim)
            x,
            context,
            return_attention=return_intermediates,
            attention_transform=named_transform(attention_transform, self.cross_attention.name),
        )
        fused, cross_attention = fused if return_intermediates else (fused, None)
        fused = self.norm(x + fused if self.residual else fused)
        rows = self.image_size // self.patch_size
        features = ops.reshape(fused, (-1, rows, rows, self.embed_dim))
        out = {"logits": self.classify(features, training)}
        if not return_intermediates:
            return out
        return out | {
            "attention": attention,
            "cross_attention": {self.cross_attention.name: cross_attention},
            "tokens": x,
            "local_features": local,
            "features": features,
        }

    def classify(self, features, training=None):
        """Compute the logits from the map of fused patches."""
        return self.head(ops.mean(features, axis=(1, 2)))  # (batch, num_labels)

    def get_config(self):
        """Return the arguments that make an equal model."""
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "embed_dim": self.embed_dim,
            "depth": self.depth,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "local_channels": self.local_channels,
            "residual": self.residual,
        }
