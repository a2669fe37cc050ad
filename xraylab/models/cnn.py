"""What the convolutional baselines share: three channels in, one pooled map, one small head.

The source took its baselines from ``keras.applications``. The networks here are the same to the
last parameter, and tests hold them to the same answers, but they are written out, for three
reasons: a chapter can show the block that runs; a probe can ask for every map on the way; and the
builders of ``keras.applications`` that take depths and widths, which the small variants need, are
not public. Layers keep the names they have there, so that ImageNet weights find their place.
"""

import keras
import numpy as np
from keras import ops

from xraylab.layers import batch_norm
from xraylab.models.base import ImageModel


class CNNClassifier(ImageModel):
    """A convolutional trunk, global average pooling, Dense(256, ReLU), Dense(num_labels).

    A subclass appends to ``self.trunk`` the layers that the image goes through, one after the other.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1]; the grey channel is repeated.
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``maps``, the output of each layer of the trunk by name,
        (batch, height, width, channels); and ``features``, the last of them.

    Args:
        image_size: side of the image in pixels, at least 32.
        num_labels: number of labels, at least 1.
        hidden_dim: width of the layer between pooling and logits.
        pixels: ``"unit"`` hands the trunk grey levels in [0, 1]; ``"imagenet"`` scales them as they
            were when the trunk's ImageNet weights were trained.

    Raises:
        ValueError: if an argument is out of range.

    Source: ``pham2026``, slides "Baselines".
    """

    imagenet_scale = (1.0, 1.0, 1.0)
    imagenet_offset = (0.0, 0.0, 0.0)

    def __init__(self, image_size=64, num_labels=14, hidden_dim=256, pixels="unit", **kwargs):
        super().__init__(image_size, num_labels, **kwargs)
        self.require_image_size(least=32, reason="it is halved five times")
        if pixels not in ("unit", "imagenet"):
            raise ValueError(f"pixels must be 'unit' or 'imagenet'; {pixels!r} came")
        self.hidden_dim, self.pixels = hidden_dim, pixels
        self.trunk = []
        self.hidden = keras.layers.Dense(hidden_dim, "relu", dtype=self.dtype_policy, name="hidden")
        self.head = keras.layers.Dense(num_labels, dtype="float32", name="head")

    def build(self, input_shape=None):
        """Build the trunk from below, then the head."""
        shape = build_trunk(self.trunk, (None, self.image_size, self.image_size, 3))
        self.hidden.build((None, shape[-1]))
        self.head.build((None, self.hidden_dim))

    def forward(self, images, training, return_intermediates, attention_transform):
        """Compute the logits."""
        x = ops.repeat(images, 3, axis=-1)  # (batch, image_size, image_size, 3)
        if self.pixels == "imagenet":
            scale, offset = np.array([self.imagenet_scale, self.imagenet_offset], "float32")
            x = ops.cast(x, "float32") * scale + offset
        x, maps = run_trunk(self.trunk, x, training, return_intermediates)
        out = {"logits": self.classify(x, training)}
        if return_intermediates:
            out |= {"maps": maps, "features": x}
        return out

    def classify(self, features, training=None):
        """Compute the logits from the last feature map."""
        pooled = ops.mean(features, axis=(1, 2))  # (batch, channels)
        return self.head(self.hidden(pooled))  # (batch, num_labels)

    def get_config(self):
        """Return the arguments that make an equal model."""
        return {**super().get_config(), "hidden_dim": self.hidden_dim, "pixels": self.pixels}


def build_trunk(layers, input_shape):
    """Build layers, each from what the one before returns; return the shape after the last."""
    for layer in layers:
        layer.build(input_shape)
        input_shape = layer.compute_output_shape(input_shape)
    return input_shape


def run_trunk(layers, x, training=None, keep_maps=False):
    """Send an image through layers one after the other.

    Shapes:
        x: (batch, image_size, image_size, channels).
        returns: the last map (batch, height, width, channels), and a dict of what each layer
        returned, by its name; empty unless ``keep_maps``.
    """
    maps = {}
    for layer in layers:
        x = layer(x, training=training)
        if keep_maps:
            maps[layer.name] = x
    return x, maps


class Chain(keras.layers.Layer):
    """Layers one after the other, a part of a block (``keras.Sequential`` builds a graph of them,
    which takes ten times as long).

    Shapes:
        x: (batch, height, width, channels); returns what the last layer returns.

    Args:
        layers: built from a shape, each from what the one before returns.
    """

    def __init__(self, layers, **kwargs):
        super().__init__(**kwargs)
        self.layers = layers

    def build(self, input_shape):
        """Build the layers."""
        build_trunk(self.layers, input_shape)

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
    """A 7x7 convolution and a 3x3 maximum, both of stride 2, both padded evenly (``he2016``).

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / 4), ceil(width / 4), filters).

    Args:
        filters: channels of the output.
        use_bias: whether the convolution adds a bias.
        epsilon: what batch normalisation adds to the variance.
    """

    def __init__(self, filters, use_bias=False, epsilon=1.001e-5, **kwargs):
        super().__init__([], **kwargs)
        self.filters, self.use_bias, self.epsilon = filters, use_bias, epsilon
        policy = {"dtype": self.dtype_policy}
        self.layers += [
            keras.layers.ZeroPadding2D(3, **policy),
            keras.layers.Conv2D(filters, 7, strides=2, use_bias=use_bias, name="conv", **policy),
            batch_norm("bn", epsilon, **policy),
            keras.layers.ReLU(**policy),
            keras.layers.ZeroPadding2D(1, **policy),  # nothing is below zero after the ReLU
            keras.layers.MaxPooling2D(3, strides=2, **policy),
        ]

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "use_bias": self.use_bias,
            "epsilon": self.epsilon,
        }
