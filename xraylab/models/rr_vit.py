"""RR-ViT, the reconstruction-regularised vision transformer (``pham2026``).

A transformer without MLPs reads the image as 8x8 patches. From the last [CLS] token it answers the
findings; from the patch tokens one linear layer paints the image again. The second task is there
only to keep the encoder honest: its error joins the loss, weighted by λ.
"""

import keras
from keras import ops

from xraylab.layers import (
    ClassToken,
    LearnedPositions,
    MultiHeadAttention,
    patchify,
    unpatchify,
)
from xraylab.layers.transformer import EPSILON, run_blocks
from xraylab.models.arguments import require_heads, require_whole
from xraylab.models.base import ImageModel, ReconstructionMixin


@keras.saving.register_keras_serializable("xraylab")
class RRViTBlock(keras.layers.Layer):
    """One RR-ViT block: x + Attention(LayerNorm(x)), with no MLP behind it.

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.
    """

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.norm = keras.layers.LayerNormalization(
            epsilon=EPSILON, dtype=self.dtype_policy, name="norm"
        )
        self.attention = MultiHeadAttention(num_heads, dtype=self.dtype_policy, name="attention")

    def build(self, input_shape):
        """Build the two sub-layers."""
        self.norm.build(input_shape)
        self.attention.build(input_shape)

    def call(self, tokens, return_attention=False, attention_transform=None):
        """Return the tokens after attention, and the attention map if requested."""
        update = self.attention(
            self.norm(tokens),
            return_attention=return_attention,
            attention_transform=attention_transform,
        )
        if return_attention:
            return tokens + update[0], update[1]
        return tokens + update

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "num_heads": self.num_heads}


@keras.saving.register_keras_serializable("xraylab")
class RRViT(ReconstructionMixin, ImageModel):
    """Reconstruction-regularised vision transformer.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``reconstruction`` (batch, image_size, image_size, 1), unbounded;
        ``attention``, a dict of the maps of ``block_0`` …
        (batch, num_heads, 1 + num_patches, 1 + num_patches); ``tokens``, the last
        (batch, 1 + num_patches, embed_dim); and ``features``, the patch tokens as a map
        (batch, rows, columns, embed_dim).

    Args:
        image_size: side of the image in pixels, a multiple of ``patch_size``.
        num_labels: number of labels, at least 1.
        patch_size: side of a patch in pixels.
        embed_dim: width D of a token.
        depth: number of blocks L.
        num_heads: attention heads; must divide ``embed_dim``.
        dropout: rate on the [CLS] token before the last layer. The source gives none.
        reconstruction_weight: factor λ of the mean squared reconstruction error, which the model
            adds to its loss; 0 adds nothing. The source does not give its value.

    Raises:
        ValueError: if an argument is out of range or the sizes do not divide.

    Source: ``pham2026``, slides "RR-ViT".
    """

    transforms_attention = True

    def __init__(
        self,
        image_size=64,
        num_labels=14,
        patch_size=8,
        embed_dim=128,
        depth=4,
        num_heads=4,
        dropout=0.1,
        reconstruction_weight=1.0,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        require_whole(1, patch_size=patch_size)
        require_whole(0, depth=depth)
        require_heads(embed_dim, num_heads)
        self.require_image_size(patch_size, reason="whole patches")
        self.patch_size = patch_size
        self.embed_dim = embed_dim
        self.depth = depth
        self.num_heads = num_heads
        self.dropout = dropout
        self.reconstruction_weight = reconstruction_weight
        policy = {"dtype": self.dtype_policy}

        self.patch_embedding = keras.layers.Dense(embed_dim, name="patch_embedding", **policy)
        self.class_token = ClassToken(name="class_token", **policy)
        # As large as the embedded patches of an image, which spread by 0.2 to 0.6.
        self.positions = LearnedPositions(stddev=0.3, name="positions", **policy)
        self.blocks = [RRViTBlock(num_heads, name=f"block_{i}", **policy) for i in range(depth)]
        self.head_dropout = keras.layers.Dropout(dropout, name="head_dropout", **policy)
        # Outputs stay in float32 under mixed precision, so that the loss does.
        self.head = keras.layers.Dense(num_labels, dtype="float32", name="head")
        self.decoder = keras.layers.Dense(patch_size**2, dtype="float32", name="decoder")

    def build(self, input_shape):
        """Create the weights; they depend on ``image_size``, not on the batch."""
        num_patches = (self.image_size // self.patch_size) ** 2
        patch_shape = (None, num_patches, self.embed_dim)
        token_shape = (None, 1 + num_patches, self.embed_dim)
        self.patch_embedding.build((None, num_patches, self.patch_size**2))
        self.class_token.build(patch_shape)
        self.positions.build(token_shape)
        for block in self.blocks:
            block.build(token_shape)
        self.head.build((None, self.embed_dim))
        self.decoder.build(patch_shape)

    def forward(self, images, training, return_intermediates, attention_transform):
        """Compute the logits and the reconstruction."""
        x = patchify(images, self.patch_size)  # (batch, num_patches, patch_size²)
        x = self.patch_embedding(x)  # (batch, num_patches, embed_dim)
        x = self.class_token(x)  # (batch, 1 + num_patches, embed_dim)
        x = self.positions(x)

        x, attention = run_blocks(self.blocks, x, return_intermediates, attention_transform)

        logits = self.head(self.head_dropout(x[:, 0], training=training))  # (batch, num_labels)
        patches = self.decoder(x[:, 1:])  # (batch, num_patches, patch_size²)
        reconstruction = unpatchify(patches, self.patch_size, self.image_size, self.image_size)
        self.add_reconstruction_loss(images, reconstruction)
        out = {"logits": logits, "reconstruction": reconstruction}
        if return_intermediates:
            side = self.image_size // self.patch_size
            features = ops.reshape(x[:, 1:], (-1, side, side, self.embed_dim))
            out |= {"attention": attention, "tokens": x, "features": features}
        return out

    def get_config(self):
        """Return the arguments that make an equal model."""
        return {
            **super().get_config(),
            "patch_size": self.patch_size,
            "embed_dim": self.embed_dim,
            "depth": self.depth,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "reconstruction_weight": self.reconstruction_weight,
        }
