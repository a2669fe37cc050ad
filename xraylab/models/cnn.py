"""The base of the convolutional baselines: three input channels, a trunk, pooling, a small head.

The source took its baselines from ``keras.applications``. The networks here have the same weights
and outputs, which the tests check, but are written out: a chapter can show the block that runs,
every intermediate map is available, and the depths and widths of the small variants can be chosen,
which the public functions of ``keras.applications`` do not allow. Layers keep their names there, so
that ImageNet weights can be assigned.
"""

import keras
import numpy as np
from keras import ops

from xraylab.arguments import require_choice
from xraylab.layers.base import Layer, Shape, Tensor, build_chain
from xraylab.layers.convolution import batch_norm
from xraylab.models.base import ImageModel

KERAS_EPSILON = 1.001e-5
"""Added to the variance by the batch normalisations of ``keras.applications``."""


class CNNClassifier(ImageModel):
    """A convolutional trunk, global average pooling, Dense(256, ReLU), Dense(num_labels).

    A subclass appends the layers that are applied in order to ``self.trunk``. Where their input is
    not the image in three channels, it overrides :meth:`prepare` and :attr:`channels`.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1]; repeated to three channels.
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``maps``, the output of each layer of the trunk by name,
        (batch, height, width, channels); and ``features``, the last of them.

    Args:
        image_size: side of the image in pixels, at least 32.
        num_labels: number of labels, at least 1.
        hidden_dim: width of the layer between pooling and logits; None omits it.
        pixels: ``"unit"`` passes grey levels in [0, 1] to the trunk; ``"imagenet"`` scales them as
            in the training of the ImageNet weights.

    Attributes:
        channels: channels of the input of the trunk.
        imagenet_scale, imagenet_offset: factor and summand of each channel for ``"imagenet"``.

    Raises:
        ValueError: if an argument is out of range.

    References: ``pham2026``, slides "Baselines".
    """

    channels = 3
    imagenet_scale = (1.0, 1.0, 1.0)
    imagenet_offset = (0.0, 0.0, 0.0)

    def __init__(
        self,
        image_size: int = 64,
        num_labels: int = 14,
        hidden_dim: int | None = 256,
        pixels: str = "unit",
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        self.require_image_size(minimum=32, reason="it is halved five times")
        self.hidden_dim = hidden_dim
        self.pixels = require_choice("pixels", pixels, ("unit", "imagenet"))
        self.trunk = []

    def build(self, input_shape: Shape | None = None) -> None:
        """Build the trunk, then create the head, which follows it in ``summary()``."""
        width = build_chain(self.trunk, (None, *[self.image_size] * 2, self.channels))[-1]
        self.hidden = None
        if self.hidden_dim is not None:
            self.hidden = keras.layers.Dense(self.hidden_dim, "relu", name="hidden", **self.policy)
            self.hidden.build((None, width))
        self.head = keras.layers.Dense(self.num_labels, dtype="float32", name="head")
        self.head.build((None, self.hidden_dim or width))

    def prepare(self, images: Tensor) -> Tensor:
        """Compute the input of the trunk."""
        x = ops.repeat(images, 3, axis=-1)  # (batch, image_size, image_size, 3)
        if self.pixels == "imagenet":
            scale, offset = np.array([self.imagenet_scale, self.imagenet_offset], "float32")
            x = ops.cast(x, "float32") * scale + offset
        return x

    def forward(self, images, training, return_intermediates, attention_transform) -> dict:
        """Compute the logits."""
        x, maps = self.prepare(images), {}
        for layer in self.trunk:
            maps[layer.name] = x = layer(x, training=training)
        return {"logits": self.classify(x, training), "maps": maps, "features": x}

    def classify(self, features: Tensor, training: bool | None = None) -> Tensor:
        """Compute the logits from the last feature map."""
        x = ops.mean(features, axis=(1, 2))  # (batch, channels)
        return self.head(x if self.hidden is None else self.hidden(x))  # (batch, num_labels)


class Chain(Layer):
    """Layers applied in order, a part of a block.

    ``keras.Sequential`` builds a graph of them, which takes ten times as long.

    Shapes:
        x: (batch, height, width, channels); returns the output of the last layer.

    Args:
        layers: the layers.
    """

    def __init__(self, layers: list, **kwargs):
        super().__init__(**kwargs)
        self.layers = layers

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Apply the layers."""
        for layer in self.layers:
            is_norm = isinstance(layer, keras.layers.BatchNormalization)
            x = layer(x, training=training) if is_norm else layer(x)
        return x

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape after the last layer."""
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape


class Stem(Chain):
    """A 7x7 convolution and a 3x3 maximum pooling, both of stride 2, both padded evenly.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / 4), ceil(width / 4), filters).

    Args:
        filters: channels of the output.
        use_bias: whether the convolution has a bias.
        epsilon: added to the variance by batch normalisation.

    References: He et al. 2016 (``he2016``).
    """

    not_arguments = ("layers",)

    def __init__(
        self, filters: int, use_bias: bool = False, epsilon: float = KERAS_EPSILON, **kwargs
    ):
        super().__init__([], **kwargs)
        self.filters, self.use_bias, self.epsilon = filters, use_bias, epsilon
        options = {"use_bias": use_bias, "name": "conv", **self.policy}
        self.layers += [
            keras.layers.ZeroPadding2D(3, **self.policy),
            keras.layers.Conv2D(filters, 7, strides=2, **options),
            batch_norm("bn", epsilon, **self.policy),
            keras.layers.ReLU(**self.policy),
            keras.layers.ZeroPadding2D(1, **self.policy),  # no value is below zero after the ReLU
            keras.layers.MaxPooling2D(3, strides=2, **self.policy),
        ]
