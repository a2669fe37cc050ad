"""GMML, group masked model learning: pre-training of an encoder without labels (``atito2022``).

Large parts of an image are corrupted (:func:`xraylab.training.corrupt`), and the model reconstructs
the image. Only the encoder is used further: :func:`load_encoder` copies it into an LT-ViT, whose
label tokens are then trained with labels.
"""

import keras
from keras import ops

from xraylab.models.base import ImageModel
from xraylab.models.convert.state_dict import require_model
from xraylab.models.lt_vit import LTViT
from xraylab.models.weights import differences, recorded_architecture

ENCODER_ARGUMENTS = ("image_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio")
"""The arguments of LT-ViT that determine its image tokens."""


@keras.saving.register_keras_serializable("xraylab")
class GMML(ImageModel):
    """The image encoder of LT-ViT and a light decoder that reconstructs the image.

    The encoder is an LT-ViT of which only the image tokens are used, in all blocks. The decoder
    reads the normalised mean of the tokens after four of them, see :meth:`LTViT.encode`. It has
    three linear layers with GELU, as wide as a token, and a transposed convolution whose kernel is
    one patch, so that patches do not overlap.

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
        ValueError: if an argument is out of range.

    References: ``atito2022``, in the public code; as pre-training of LT-ViT ``marikkar2023``.
        Keras's initializers and the initial output, grey 1/2, are our choice: the images of the
        public code have mean 0.
    """

    output_name = "reconstruction"
    transforms_attention = True
    not_arguments = ("num_labels", "classifier_activation")

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
        # An LT-ViT needs a label; its token and head stay untrained and unused.
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
        self.encoder.label_tokens.trainable = self.encoder.head.trainable = False
        for name, value in _arguments(self.encoder).items():
            setattr(self, name, value)
        side = image_size // self.patch_size
        linear = [
            keras.layers.Dense(embed_dim, "gelu", name=f"linear_{i}", **policy) for i in range(3)
        ]
        self.decoder = keras.Sequential(
            [
                *linear,
                keras.layers.Reshape((side, side, embed_dim), name="to_map", **policy),
                # The output stays in float32 under mixed precision, so that the loss does.
                keras.layers.Conv2DTranspose(
                    1,
                    kernel_size=self.patch_size,
                    strides=self.patch_size,
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

    def compute_output_shape(self, input_shape):
        """Return the shape of the reconstruction."""
        return input_shape


def load_encoder(model, source):
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
    """Load the GMML of a file, if its encoder has the sizes of the model's."""
    arguments = recorded_architecture(path)
    architecture = arguments.pop("architecture")
    if architecture != GMML.__name__:
        raise ValueError(
            f"Wrong weights in {path}. Expected: those of a GMML. Received: those of a "
            f"{architecture}. Load whole models with load_weights"
        )
    _require_same(model, arguments, path)
    pretrained = GMML(**arguments)
    pretrained.build((None, model.image_size, model.image_size, 1))
    pretrained.load_weights(path)
    return pretrained


def _require_same(model, theirs, source):
    """Raise a ValueError if an encoder differs in size from the model's."""
    if different := differences(theirs, _arguments(model)):
        raise ValueError(
            f"The encoder of {source} does not fit into {model.name}: {different}. "
            "Build the LT-ViT with the sizes of the pre-training"
        )


def _arguments(encoder):
    """Return the arguments that determine the image tokens."""
    return {name: getattr(encoder, name) for name in ENCODER_ARGUMENTS}


def _variables(encoder):
    """Return the weights of the image part of an LT-ViT."""
    if not encoder.built:
        raise ValueError(f"{encoder.name} has no weights yet. Build it, as models.build does")
    layers = [encoder.patch_embedding, encoder.positions, *encoder.blocks, encoder.norm]
    return [variable for layer in layers for variable in layer.variables]
