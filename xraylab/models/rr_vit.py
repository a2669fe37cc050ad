"""RR-ViT: a vision transformer regularised by reconstruction (``pham2026``).

A transformer without MLPs processes the image as 8x8 patches. The last [CLS] token predicts the
labels; one linear layer reconstructs the image from the patch tokens. The reconstruction error,
weighted by λ, is added to the loss and regularises the encoder.
"""

import keras
from keras import ops

from xraylab.layers.base import Shape
from xraylab.layers.tokens import unpatchify
from xraylab.losses import reconstruction_error
from xraylab.models.vit import ViT


class RRViT(ViT):
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
        mlp_ratio: width of the blocks' MLPs in units of ``embed_dim``; None for no MLPs.
        final_norm: whether the tokens are normalised after the last block.

    Raises:
        ValueError: if an argument is invalid.

    References: ``pham2026``, slides "RR-ViT".
    """

    def __init__(
        self,
        image_size: int = 64,
        num_labels: int = 14,
        patch_size: int = 8,
        embed_dim: int = 128,
        depth: int = 4,
        num_heads: int = 4,
        dropout: float = 0.1,
        reconstruction_weight: float = 1.0,
        mlp_ratio: float | None = None,
        final_norm: bool = False,
        **kwargs,
    ):
        self.final_norm, self.reconstruction_weight = final_norm, reconstruction_weight
        sizes = (patch_size, embed_dim, depth, num_heads, mlp_ratio)
        super().__init__(image_size, num_labels, *sizes, dropout, **kwargs)

    def create_head(self) -> None:
        """Create the decoder, as the head in float32, and the head."""
        self.decoder = keras.layers.Dense(self.patch_size**2, dtype="float32", name="decoder")
        super().create_head()

    def build(self, input_shape: Shape) -> None:
        """Create the weights; they depend on ``image_size``, not on the batch."""
        super().build(input_shape)
        self.decoder.build((None, self.side**2, self.embed_dim))

    def forward(self, images, training, return_intermediates, attention_transform) -> dict:
        """Compute the logits and the reconstruction."""
        outputs = super().forward(images, training, return_intermediates, attention_transform)
        patches = self.decoder(outputs["tokens"][:, 1:])  # (batch, num_patches, patch_size²)
        reconstruction = unpatchify(patches, self.patch_size, self.image_size, self.image_size)
        if self.reconstruction_weight:
            errors = reconstruction_error(images, reconstruction)
            self.add_loss(self.reconstruction_weight * ops.mean(errors))
        return {**outputs, "reconstruction": reconstruction}
