"""ViT, the vision transformer with a [CLS] token (``dosovitskiy2021``)."""

import keras
from keras import ops

from xraylab.arguments import require_int
from xraylab.layers.base import Shape, Tensor, build_chain
from xraylab.layers.tokens import LearnedPositions, LearnedTokens, patchify
from xraylab.layers.transformer import TransformerBlock, layer_norm, run_blocks
from xraylab.models.base import ImageModel


def default_patch_size(image_size: int) -> int:
    """Return the side of a patch in pixels: 4 below 64 px, 8 up to 128 px, 16 above."""
    return 4 if image_size < 64 else 8 if image_size <= 128 else 16


class ViT(ImageModel):
    """Vision transformer whose [CLS] token predicts the labels.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``attention``, a dict of the maps of ``block_0`` …
        (batch, num_heads, 1 + num_patches, 1 + num_patches); ``tokens``, the last
        (batch, 1 + num_patches, embed_dim), normalised; and ``features``, the patch tokens as a map
        (batch, rows, columns, embed_dim).

    Args:
        image_size: side of the image in pixels, a multiple of ``patch_size``.
        num_labels: number of labels, at least 1.
        patch_size: side of a patch in pixels; by default 4 below 64 px, 8 up to 128 px, 16 above.
        embed_dim: width D of a token.
        depth: number of blocks L.
        num_heads: attention heads; must divide ``embed_dim``.
        mlp_ratio: width of the MLP's hidden layer in units of ``embed_dim``; None for no MLPs.
        dropout: rate on the [CLS] token before the last layer.

    Raises:
        ValueError: if an argument is invalid.

    Attributes:
        final_norm: whether the tokens are normalised after the last block.
        position_stddev: standard deviation of the initial position embedding, that of the embedded
            patches of an image, which is 0.2 to 0.6.

    References: Dosovitskiy et al. 2021 (``dosovitskiy2021``), Eqs. 1 to 4; sizes also
        ``touvron2021``, Table 1.
    """

    transforms_attention = True
    final_norm = True
    position_stddev = 0.3

    def __init__(
        self,
        image_size: int = 64,
        num_labels: int = 14,
        patch_size: int | None = None,
        embed_dim: int = 192,
        depth: int = 12,
        num_heads: int = 3,
        mlp_ratio: float | None = 4,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        patch_size = default_patch_size(image_size) if patch_size is None else patch_size
        self.patch_size = require_int("patch_size", patch_size, 1)
        self.depth = require_int("depth", depth, 0)
        self.require_image_size(patch_size, reason="whole patches")
        self.embed_dim = require_int("embed_dim", embed_dim, 1)
        self.num_heads, self.mlp_ratio, self.dropout = num_heads, mlp_ratio, dropout
        self.side = self.image_size // self.patch_size
        policy = self.policy

        self.create_embedding()
        self.class_token = LearnedTokens(1, name="class_token", **policy)
        self.positions = LearnedPositions(self.position_stddev, name="positions", **policy)
        self.blocks = [
            TransformerBlock(num_heads, mlp_ratio, name=f"block_{i}", **policy)
            for i in range(depth)
        ]
        if self.final_norm:
            self.norm = layer_norm("norm", **policy)
        self.create_head()

    def create_embedding(self) -> None:
        """Create the layer that computes the tokens."""
        self.patch_embedding = keras.layers.Dense(
            self.embed_dim, name="patch_embedding", **self.policy
        )

    def create_head(self) -> None:
        """Create the last layers; the head comes last, as those who freeze all others expect."""
        self.head_dropout = keras.layers.Dropout(self.dropout, name="head_dropout", **self.policy)
        # Outputs stay in float32 under mixed precision, so that the loss does.
        self.head = keras.layers.Dense(self.num_labels, dtype="float32", name="head")

    def build_embedding(self, input_shape: Shape) -> None:
        """Create the weights of that layer."""
        self.patch_embedding.build((None, self.side**2, self.patch_size**2))

    def embed(self, images: Tensor, training: bool | None) -> tuple[Tensor, dict]:
        """Compute the tokens (batch, num_patches, embed_dim), and the dict of intermediates."""
        patches = patchify(images, self.patch_size)  # (batch, num_patches, patch_size²)
        return self.patch_embedding(patches), {}

    def build(self, input_shape: Shape) -> None:
        """Create the weights; they depend on ``image_size``, not on the batch."""
        self.build_embedding(input_shape)
        tokens = (None, self.side**2 + 1, self.embed_dim)
        self.class_token.build(tokens)
        last = [self.norm] if self.final_norm else []
        build_chain([self.positions, *self.blocks, *last], tokens)
        build_chain([self.head_dropout, self.head], (None, self.embed_dim))

    def forward(self, images, training, return_intermediates, attention_transform) -> dict:
        """Compute the logits."""
        x, intermediates = self.embed(images, training)  # (batch, num_patches, embed_dim)
        x = ops.concatenate([self.class_token(x), x], axis=1)  # (batch, 1 + num_patches, embed_dim)
        x = self.positions(x)
        x, attention = run_blocks(self.blocks, x, return_intermediates, attention_transform)
        x = self.norm(x) if self.final_norm else x
        logits = self.head(self.head_dropout(x[:, 0], training=training))  # (batch, num_labels)
        side = self.side
        return {
            "logits": logits,
            "attention": attention,
            "tokens": x,
            "features": ops.reshape(x[:, 1:], (-1, side, side, self.embed_dim)),
            **intermediates,
        }
