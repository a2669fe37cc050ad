"""RR-ViT: a vision transformer regularised by reconstruction (``pham2026``).

A transformer without MLPs processes the image as 8x8 patches. The last [CLS] token predicts the
labels; one linear layer reconstructs the image from the patch tokens. The reconstruction error,
weighted by λ, is added to the loss and regularises the encoder.
"""

import keras
from keras import ops

from xraylab.arguments import require_int
from xraylab.layers import ClassToken, LearnedPositions, TransformerBlock, patchify, unpatchify
from xraylab.layers.base import build_chain
from xraylab.layers.transformer import run_blocks
from xraylab.models.base import ImageModel, ReconstructionMixin, require_heads


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

    References: ``pham2026``, slides "RR-ViT".
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
        self.patch_size = require_int("patch_size", patch_size, 1)
        self.depth = require_int("depth", depth, 0)
        require_heads(embed_dim, num_heads)
        self.require_image_size(patch_size, reason="whole patches")
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.dropout, self.reconstruction_weight = dropout, reconstruction_weight
        policy = {"dtype": self.dtype_policy}

        self.patch_embedding = keras.layers.Dense(embed_dim, name="patch_embedding", **policy)
        self.class_token = ClassToken(name="class_token", **policy)
        # As large as the embedded patches of an image, whose standard deviation is 0.2 to 0.6.
        self.positions = LearnedPositions(stddev=0.3, name="positions", **policy)
        self.blocks = [
            TransformerBlock(num_heads, None, name=f"block_{i}", **policy) for i in range(depth)
        ]
        self.head_dropout = keras.layers.Dropout(dropout, name="head_dropout", **policy)
        # Outputs stay in float32 under mixed precision, so that the loss does.
        self.head = keras.layers.Dense(num_labels, dtype="float32", name="head")
        self.decoder = keras.layers.Dense(patch_size**2, dtype="float32", name="decoder")

    def build(self, input_shape):
        """Create the weights; they depend on ``image_size``, not on the batch."""
        num_patches = (self.image_size // self.patch_size) ** 2
        encoder = [self.patch_embedding, self.class_token, self.positions, *self.blocks]
        build_chain(encoder, (None, num_patches, self.patch_size**2))
        build_chain([self.head_dropout, self.head], (None, self.embed_dim))
        self.decoder.build((None, num_patches, self.embed_dim))

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
        side = self.image_size // self.patch_size
        return {
            "logits": logits,
            "reconstruction": reconstruction,
            "attention": attention,
            "tokens": x,
            "features": ops.reshape(x[:, 1:], (-1, side, side, self.embed_dim)),
        }
