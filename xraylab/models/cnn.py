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
from xraylab.layers import Layer, batch_norm
from xraylab.layers.base import build_chain
from xraylab.models.base import ImageModel

KERAS_EPSILON = 1.001e-5
"""Added to the variance by the batch normalisations of ``keras.applications``."""


class CNNClassifier(ImageModel):
    """A convolutional trunk, global average pooling, Dense(256, ReLU), Dense(num_labels).

    A subclass appends the layers that are applied in order to ``self.trunk``.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1]; repeated to three channels.
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``maps``, the output of each layer of the trunk by name,
        (batch, height, width, channels); and ``features``, the last of them.

    Args:
        image_size: side of the image in pixels, at least 32.
        num_labels: number of labels, at least 1.
        hidden_dim: width of the layer between pooling and logits.
        pixels: ``"unit"`` passes grey levels in [0, 1] to the trunk; ``"imagenet"`` scales them as
            in the training of the ImageNet weights.

    Raises:
        ValueError: if an argument is out of range.

    References: ``pham2026``, slides "Baselines".
    """

    imagenet_scale = (1.0, 1.0, 1.0)
    imagenet_offset = (0.0, 0.0, 0.0)

    def __init__(self, image_size=64, num_labels=14, hidden_dim=256, pixels="unit", **kwargs):
        super().__init__(image_size, num_labels, **kwargs)
        self.require_image_size(minimum=32, reason="it is halved five times")
        self.hidden_dim = hidden_dim
        self.pixels = require_choice("pixels", pixels, ("unit", "imagenet"))
        self.trunk = []

    def build(self, input_shape):
        """Build the trunk, then create the head, which follows it in ``summary()``."""
        shape = build_chain(self.trunk, (*input_shape[:-1], 3))
        self.hidden = keras.layers.Dense(
            self.hidden_dim, "relu", dtype=self.dtype_policy, name="hidden"
        )
        self.head = keras.layers.Dense(self.num_labels, dtype="float32", name="head")
        build_chain([self.hidden, self.head], (shape[0], shape[-1]))

    def forward(self, images, training, return_intermediates, attention_transform):
        """Compute the logits."""
        x = ops.repeat(images, 3, axis=-1)  # (batch, image_size, image_size, 3)
        if self.pixels == "imagenet":
            scale, offset = np.array([self.imagenet_scale, self.imagenet_offset], "float32")
            x = ops.cast(x, "float32") * scale + offset
        maps = run_trunk(self.trunk, x, training)
        features = list(maps.values())[-1]
        return {"logits": self.classify(features, training), "maps": maps, "features": features}

    def classify(self, features, training=None):
        """Compute the logits from the last feature map."""
        pooled = ops.mean(features, axis=(1, 2))  # (batch, channels)
        return self.head(self.hidden(pooled))  # (batch, num_labels)


def run_trunk(layers, x, training=None):
    """Apply layers in order and return the output of each by its name.

    Shapes:
        x: (batch, image_size, image_size, channels).
        returns: dict of (batch, height, width, channels).
    """
    maps = {}
    for layer in layers:
        maps[layer.name] = x = layer(x, training=training)
    return maps


class Chain(Layer):
    """Layers applied in order, a part of a block.

    ``keras.Sequential`` builds a graph of them, which takes ten times as long.

    Shapes:
        x: (batch, height, width, channels); returns the output of the last layer.

    Args:
        layers: the layers.
    """

    def __init__(self, layers, **kwargs):
        super().__init__(**kwargs)
        self.layers = layers

    def call(self, x, training=None):
        """Apply the layers."""
        for layer in self.layers:
            is_norm = isinstance(layer, keras.layers.BatchNormalization)
            x = layer(x, training=training) if is_norm else layer(x)
        return x

    def compute_output_shape(self, input_shape):
        """Return the shape after the last layer."""
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape


@keras.saving.register_keras_serializable("xraylab")
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

    def __init__(self, filters, use_bias=False, epsilon=KERAS_EPSILON, **kwargs):
        super().__init__([], **kwargs)
        self.filters, self.use_bias, self.epsilon = filters, use_bias, epsilon
        policy = {"dtype": self.dtype_policy}
        self.layers += [
            keras.layers.ZeroPadding2D(3, **policy),
            keras.layers.Conv2D(filters, 7, strides=2, use_bias=use_bias, name="conv", **policy),
            batch_norm("bn", epsilon, **policy),
            keras.layers.ReLU(**policy),
            keras.layers.ZeroPadding2D(1, **policy),  # no value is below zero after the ReLU
            keras.layers.MaxPooling2D(3, strides=2, **policy),
        ]
