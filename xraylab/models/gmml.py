"""GMML, group masked model learning: an encoder learns without labels (``atito2022``).

Large parts of an image are painted over (:func:`xraylab.training.corrupt`), and from what is left
the model paints what was there. Only the encoder is kept: :func:`load_encoder` puts it into an
LT-ViT, whose label tokens then learn from labels.
"""

import keras
from keras import ops

from xraylab.models.base import ImageModel
from xraylab.models.lt_vit import LTViT
from xraylab.models.weights import require_model, stored_architecture

ENCODER_ARGUMENTS = ("image_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio")
"""The arguments of LT-ViT that decide what becomes of the image."""


@keras.saving.register_keras_serializable("xraylab")
class GMML(ImageModel):
    """The image encoder of LT-ViT and a light decoder that paints the image.

    The encoder is an LT-ViT of which only the image's part is used: all blocks, those too that will
    carry label tokens. What is decoded is the normalised mean behind four of them, see
    :meth:`LTViT.encode`. The decoder is three times a linear layer and GELU, as wide as a token,
    and a transposed convolution whose kernel is one patch: patches do not overlap.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1], corrupted for training.
        returns: the reconstruction (batch, image_size, image_size, 1), unbounded. With
        ``return_intermediates=True`` a dict of ``reconstruction``; ``attention``, a dict of the
        maps of ``block_0`` … (batch, num_heads, num_patches, num_patches); ``encoded``, the input
        of the decoder (batch, num_patches, embed_dim); and ``features``, the same as a map
        (batch, rows, columns, embed_dim).

    Args:
        image_size: side of the image in pixels, a multiple of ``patch_size``.
        patch_size, embed_dim, depth, num_heads, mlp_ratio: as in :class:`LTViT`.

    Raises:
        ValueError: if an argument is out of range or the sizes do not divide.

    Source: ``atito2022``, in the public code; as pre-training of LT-ViT ``marikkar2023``. Of our
    choice are Keras's first weights and the first answer, grey 1/2, the middle of the range: the
    public code's images have mean 0.
    """

    output = "reconstruction"
    transforms_attention = True

    def __init__(
        self,
        image_size=64,
        patch_size=None,
        embed_dim=192,
        depth=12,
        num_heads=3,
        mlp_ratio=4,
        **kwargs,
    ):
        super().__init__(image_size, num_labels=None, **kwargs)
        policy = {"dtype": self.dtype_policy}
        self.encoder = LTViT(
            image_size,
            1,
            patch_size,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio,
            num_label_blocks=1,
            name="encoder",
            **policy,
        )
        # There is no LT-ViT without a label, but this one takes no part.
        self.encoder.label_tokens.trainable = self.encoder.head.trainable = False
        patch_size = self.encoder.patch_size
        side = image_size // patch_size
        self.decoder = keras.Sequential(
            [
                *(
                    keras.layers.Dense(embed_dim, "gelu", name=f"linear_{i}", **policy)
                    for i in range(3)
                ),
                keras.layers.Reshape((side, side, embed_dim), name="to_map", **policy),
                # The answer stays in float32 under mixed precision, so that the loss does.
                keras.layers.Conv2DTranspose(
                    1,
                    kernel_size=patch_size,
                    strides=patch_size,
                    bias_initializer=keras.initializers.Constant(0.5),
                    dtype="float32",
                    name="to_pixels",
                ),
            ],
            name="decoder",
        )

    def build(self, input_shape):
        """Create the weights; they depend on ``image_size``, not on the batch."""
        self.encoder.build(input_shape)
        self.decoder.build((None, *self.encoder.positions.table.shape[1:]))

    def forward(self, images, training, return_intermediates, attention_transform):
        """Compute the reconstruction."""
        if not return_intermediates and attention_transform is None:
            return {"reconstruction": self.decoder(self.encoder.encode(images))}
        inside = self.encoder(
            images, return_intermediates=True, attention_transform=attention_transform
        )
        encoded = inside["encoded"]  # (batch, num_patches, embed_dim)
        return {
            "reconstruction": self.decoder(encoded),
            "attention": inside["attention"],
            "encoded": encoded,
            "features": ops.reshape(encoded, (-1, *inside["features"].shape[1:])),
        }

    def get_config(self):
        """Return the arguments that make an equal model."""
        return {**super().get_config(), **_arguments(self.encoder)}


def load_encoder(model, source):
    """Put a pre-trained encoder into an LT-ViT that is to be fine-tuned.

    Patch embedding, positions, blocks and their last normalisation are copied; label tokens and
    head stay as they are.

    Args:
        model: a built :class:`LTViT`, with any labels and label blocks.
        source: a built :class:`GMML`, or the path of its ``.weights.h5`` or ``.keras`` file.

    Returns:
        The model.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the model is no LT-ViT, or the source no GMML of the same sizes; the message
            names those that differ, and the model keeps its weights.
    """
    require_model(model, LTViT)
    if isinstance(source, keras.Model):
        require_model(source, GMML)
        _require_same(model, _arguments(source.encoder), source.name)
        pretrained = source
    else:
        pretrained = _read(source, model)
    pairs = zip(_variables(model), _variables(pretrained.encoder), strict=True)
    for variable, value in pairs:
        variable.assign(value)
    return model


def _read(path, model):
    """Return the GMML that a file holds, if its encoder has the sizes of the model's."""
    arguments = stored_architecture(path)
    architecture = arguments.pop("architecture")
    if architecture != GMML.__name__:
        raise ValueError(
            f"{path} holds the weights of a model of class {architecture}, not of GMML; "
            "load whole models with load_weights"
        )
    _require_same(model, arguments, path)
    pretrained = GMML(**arguments)
    pretrained.build((None, model.image_size, model.image_size, 1))
    pretrained.load_weights(path)
    return pretrained


def _require_same(model, theirs, source):
    """Refuse an encoder that computes otherwise than the model's."""
    ours = _arguments(model)
    differ = [
        f"{name} is {theirs[name]} there and {ours[name]} here"
        for name in ENCODER_ARGUMENTS
        if theirs[name] != ours[name]
    ]
    if differ:
        raise ValueError(
            f"the encoder of {source} does not fit into {model.name}: {'; '.join(differ)}. Build "
            "the LT-ViT with the sizes of the pre-training; this one keeps its weights"
        )


def _arguments(encoder):
    """Return the arguments that decide what becomes of the image."""
    return {name: getattr(encoder, name) for name in ENCODER_ARGUMENTS}


def _variables(encoder):
    """Return the weights of the image's part of an LT-ViT."""
    if not encoder.built:
        raise ValueError(f"{encoder.name} has no weights yet: build it, as models.build does")
    layers = [encoder.patch_embedding, encoder.positions, *encoder.blocks, encoder.norm]
    return [variable for layer in layers for variable in layer.variables]
