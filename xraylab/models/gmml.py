"""GMML, group masked model learning: pre-training of an encoder without labels (``atito2022``).

Large parts of an image are corrupted (:func:`xraylab.training.corrupt`), and the model reconstructs
the image. Only the encoder is used further: :func:`load_encoder` copies it into an LT-ViT, whose
label tokens are then trained with labels.
"""

from pathlib import Path

import keras

from xraylab.layers.base import Shape
from xraylab.models.base import ImageModel
from xraylab.models.convert.state_dict import require_model
from xraylab.models.lt_vit import LTViT
from xraylab.models.weights import differences

ENCODER_ARGUMENTS = ("image_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio")
"""The arguments of LT-ViT that determine its image tokens."""


class GMML(ImageModel):
    """The image encoder of LT-ViT and a light decoder that reconstructs the image.

    The encoder is an LT-ViT of which only the image tokens are used, in all blocks. The decoder
    reads the normalised mean of the tokens after four of them, see :meth:`LTViT.encode`. It has
    three linear layers with GELU, as wide as a token, and a transposed convolution whose kernel is
    one patch, so that patches do not overlap.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1], corrupted for training.
        returns: the reconstruction (batch, image_size, image_size, 1), unbounded. With
        ``return_intermediates=True`` a dict of ``reconstruction`` and ``encoded``, the input of the
        decoder (batch, num_patches, embed_dim). Attention maps are those of ``encoder``.

    Args:
        image_size: side of the image in pixels, a multiple of ``patch_size``.
        patch_size, embed_dim, depth, num_heads, mlp_ratio: as in :class:`LTViT`.

    Raises:
        ValueError: if an argument is out of range.

    References: ``atito2022``, in the public code; as pre-training of LT-ViT ``marikkar2023``.
        Keras's initializers and the initial output, grey 1/2, are our choice: the images of the
        public code have mean 0.
    """

    output_name = "reconstruction"
    not_arguments = ("num_labels", "classifier_activation")

    def __init__(
        self,
        image_size: int = 64,
        patch_size: int | None = None,
        embed_dim: int = 192,
        depth: int = 12,
        num_heads: int = 3,
        mlp_ratio: float = 4,
        **kwargs,
    ):
        super().__init__(image_size, num_labels=None, **kwargs)
        policy = self.policy
        # An LT-ViT needs a label; its token and head stay untrained and unused.
        sizes = (patch_size, embed_dim, depth, num_heads, mlp_ratio)
        options = {"num_label_blocks": 1, "name": "encoder", **policy}
        self.encoder = LTViT(image_size, 1, *sizes, **options)
        self.encoder.label_tokens.trainable = self.encoder.head.trainable = False
        for name, value in _arguments(self.encoder).items():
            setattr(self, name, value)
        side = image_size // self.patch_size
        decoder = [
            keras.layers.Dense(embed_dim, "gelu", name=f"linear_{i}", **policy) for i in range(3)
        ]
        decoder.append(keras.layers.Reshape((side, side, embed_dim), name="to_map", **policy))
        # The output stays in float32 under mixed precision, so that the loss does.
        grey = keras.initializers.Constant(0.5)
        options = {"bias_initializer": grey, "dtype": "float32", "name": "to_pixels"}
        patch = self.patch_size
        decoder.append(keras.layers.Conv2DTranspose(1, patch, strides=patch, **options))
        self.decoder = keras.Sequential(decoder, name="decoder")

    def build(self, input_shape: Shape) -> None:
        """Create the weights; they depend on ``image_size``, not on the batch."""
        self.encoder.build(input_shape)
        self.decoder.build((None, *self.encoder.positions.table.shape[1:]))

    def forward(self, images, training, return_intermediates, attention_transform) -> dict:
        """Compute the reconstruction."""
        encoded = self.encoder.encode(images)
        return {"reconstruction": self.decoder(encoded), "encoded": encoded}

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the reconstruction."""
        return input_shape


def load_encoder(model: LTViT, source: GMML | str | Path) -> LTViT:
    """Copy a pre-trained encoder into an LT-ViT that is to be fine-tuned.

    Patch embedding, positions, blocks and their last normalisation are copied; label tokens and
    head are unchanged.

    Args:
        model: a built :class:`LTViT`, with any labels and label blocks.
        source: a built :class:`GMML`, or the path of its ``.weights.h5`` or ``.keras`` file.

    Returns:
        The model.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the model is no LT-ViT, or the source no GMML of the same sizes; the message
            names those that differ, and the model is unchanged.
    """
    require_model(model, LTViT)
    if isinstance(source, str | Path):
        path, source = source, GMML(**_arguments(model), name="gmml")
        source.build((None, model.image_size, model.image_size, 1))
        source.load_weights(path)
    require_model(source, GMML)
    expected = {"architecture": "GMML", **_arguments(model)}
    if different := differences(source.architecture(), expected):
        raise ValueError(
            f"The encoder of {source.name} does not fit into {model.name}: {different}. "
            "Build the LT-ViT with the sizes of the pre-training"
        )
    for variable, value in zip(_variables(model), _variables(source.encoder), strict=True):
        variable.assign(value)
    return model


def _arguments(encoder):
    """Return the arguments that determine the image tokens."""
    return {name: getattr(encoder, name) for name in ENCODER_ARGUMENTS}


def _variables(encoder):
    """Return the weights of the image part of an LT-ViT."""
    layers = [encoder.patch_embedding, encoder.positions, *encoder.blocks, encoder.norm]
    return [variable for layer in layers for variable in layer.variables]
