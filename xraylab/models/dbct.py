"""DBCT, the dual-branch cross-attention transformer (``pham2026``).

Two branches process the image. The global branch is a transformer on patches. The local branch,
two convolutions and a projection, computes a finer map with a small receptive field. By
cross-attention each patch then reads from all positions of the local map, and the mean of the fused
patches predicts the labels. For comparison, patches can be concatenated with the local map instead.
"""

import math

import keras
from keras import ops

from xraylab.arguments import invalid_argument, require_choice, require_int, require_ints
from xraylab.layers.attention import MultiHeadAttention
from xraylab.layers.base import Shape, Sizes, Tensor, build_chain
from xraylab.layers.tokens import SinusoidalPositions, patchify
from xraylab.layers.transformer import TransformerBlock, layer_norm, recorder, run_blocks
from xraylab.models.base import ImageModel

LOCAL_STRIDE = 4
"""Side in pixels of the square that one token of the local branch represents."""


class DBCT(ImageModel):
    """Dual-branch cross-attention transformer.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``attention``, a dict of the maps of ``block_0`` …
        (batch, num_heads, num_patches, num_patches); ``cross_attention``, a dict of one map,
        ``cross_attention`` (batch, num_heads, num_patches, num_local), from patches to positions of
        the local map in raster order, empty where patches are concatenated; ``tokens``
        (batch, num_patches, embed_dim), the patches before the fusion; ``local_features``
        (batch, image_size / 4, image_size / 4, embed_dim), the local map; and ``features``
        (batch, rows, columns, embed_dim), the fused patches as a map. Their mean is the input of
        the last layer, so each logit is the mean of a map plus a bias.

    Args:
        image_size: side of the image in pixels, a multiple of ``patch_size`` and of 4.
        num_labels: number of labels, at least 1.
        patch_size: side of a patch in pixels; by default 16 from 224 px up, and 8 below.
        embed_dim: width D of a token, even.
        depth: number of transformer blocks L.
        num_heads: heads of each attention, cross-attention included; must divide ``embed_dim``.
        mlp_ratio: width of an MLP's hidden layer in units of ``embed_dim``.
        local_channels: channels after the two convolutions of the local branch.
        residual: whether the cross-attention is added to the patches. The equation of the source
            replaces the patches, which then affect the logits by the attention weights alone; the
            parameter count is the same. With concatenation, whether the patches are added to the
            projection.
        fusion: ``"cross_attention"``, or ``"concatenation"`` of each patch with the mean of the
            local tokens at its position, projected to D: a control, not of the source.

    Raises:
        ValueError: if an argument is invalid.

    References: ``pham2026``, slides "Dual Branch Cross-Attention Transformer".
    """

    transforms_attention = True
    other_sizes_refused = (
        "its sinusoidal positions count patches row after row, and other sizes have longer rows"
    )

    def __init__(
        self,
        image_size: int = 64,
        num_labels: int = 14,
        patch_size: int | None = None,
        embed_dim: int = 256,
        depth: int = 4,
        num_heads: int = 8,
        mlp_ratio: float = 2,
        local_channels: Sizes = (16, 32),
        residual: bool = True,
        fusion: str = "cross_attention",
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        if patch_size is None:
            patch_size = 16 if image_size >= 224 else 8
        self.patch_size = require_int("patch_size", patch_size, 1)
        self.depth = require_int("depth", depth, 0)
        self.require_image_size(
            math.lcm(patch_size, LOCAL_STRIDE),
            reason=f"whole patches of {patch_size} px, and {LOCAL_STRIDE} px per local token",
        )
        self.local_channels = require_ints("local_channels", local_channels, 1)
        self.embed_dim = require_int("embed_dim", embed_dim, 1)
        self.num_heads, self.mlp_ratio = num_heads, mlp_ratio
        self.residual = residual
        self.fusion = require_choice("fusion", fusion, ("cross_attention", "concatenation"))
        if fusion == "concatenation" and patch_size % LOCAL_STRIDE:
            expected = f"a multiple of {LOCAL_STRIDE} with fusion='concatenation'"
            raise invalid_argument("patch_size", expected, patch_size)
        policy = self.policy

        self.patch_embedding = keras.layers.Dense(embed_dim, name="patch_embedding", **policy)
        self.positions = SinusoidalPositions(name="positions", **policy)
        self.blocks = [
            TransformerBlock(num_heads, mlp_ratio, name=f"block_{i}", **policy)
            for i in range(depth)
        ]
        # With Glorot's initializer the local tokens would be thirty times smaller than the patches,
        # and the cross-attention uniform.
        he_normal = {"kernel_initializer": "he_normal", **policy}
        options = {"strides": 2, "padding": "same", "activation": "relu", **he_normal}
        self.convolutions = [
            keras.layers.Conv2D(channels, 3, name=f"convolution_{i}", **options)
            for i, channels in enumerate(self.local_channels)
        ]
        self.local_projection = keras.layers.Dense(embed_dim, name="local_projection", **he_normal)
        if fusion == "cross_attention":
            self.cross_attention = MultiHeadAttention(num_heads, name="cross_attention", **policy)
        else:
            self.fusion_projection = keras.layers.Dense(
                embed_dim, name="fusion_projection", **policy
            )
        self.norm = layer_norm("norm", **policy)
        # Logits stay in float32 under mixed precision, so that the loss does.
        self.head = keras.layers.Dense(num_labels, dtype="float32", name="head")

    def build(self, input_shape: Shape) -> None:
        """Create the weights; none of them depends on the number of tokens."""
        num_patches = (self.image_size // self.patch_size) ** 2
        encoder = [self.patch_embedding, self.positions, *self.blocks]
        tokens = build_chain(encoder, (None, num_patches, self.patch_size**2))
        if self.fusion == "cross_attention":
            self.cross_attention.build(tokens)
        else:
            self.fusion_projection.build((*tokens[:-1], 2 * self.embed_dim))
        self.norm.build(tokens)
        build_chain([*self.convolutions, self.local_projection], input_shape)
        self.head.build((None, self.embed_dim))

    def forward(self, images, training, return_intermediates, attention_transform) -> dict:
        """Compute the logits."""
        # Centred on zero, images differ more than they have in common. Our choice.
        images = 2.0 * images - 1.0

        # Global branch: self-attention between patches.
        x = patchify(images, self.patch_size)  # (batch, num_patches, patch_size²)
        x = self.positions(self.patch_embedding(x))  # (batch, num_patches, embed_dim)
        x, attention = run_blocks(self.blocks, x, return_intermediates, attention_transform)

        # Local branch: a receptive field of 7x7 pixels, without positions.
        local = images
        for convolution in self.convolutions:
            local = convolution(local)  # (batch, size / 2, …), then (batch, size / 4, …)
        local = self.local_projection(local)  # a 1x1 convolution: (…, embed_dim)

        cross_attention = {} if return_intermediates else None
        if self.fusion == "cross_attention":
            # Queries from the patches, keys and values from the local map.
            side = self.image_size // LOCAL_STRIDE
            context = ops.reshape(local, (-1, side * side, self.embed_dim))
            transform = recorder("cross_attention", attention_transform, cross_attention)
            fused = self.cross_attention(x, context, attention_transform=transform)
        else:
            context = ops.average_pool(local, self.patch_size // LOCAL_STRIDE)
            context = ops.reshape(context, (-1, *x.shape[1:]))  # (batch, num_patches, embed_dim)
            fused = self.fusion_projection(ops.concatenate([x, context], axis=-1))
        fused = self.norm(x + fused if self.residual else fused)
        rows = self.image_size // self.patch_size
        features = ops.reshape(fused, (-1, rows, rows, self.embed_dim))
        return {
            "logits": self.classify(features, training),
            "attention": attention,
            "cross_attention": cross_attention,
            "tokens": x,
            "local_features": local,
            "features": features,
        }

    def classify(self, features: Tensor, training: bool | None = None) -> Tensor:
        """Compute the logits from the map of fused patches."""
        return self.head(ops.mean(features, axis=(1, 2)))  # (batch, num_labels)
