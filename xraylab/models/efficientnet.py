"""EfficientNet-B0 (``tan2019``), with the head of ``pham2026``.

A block widens the map with a 1x1 convolution, looks about with a depthwise one, weighs the channels
(squeeze and excitation), and narrows again: an inverted bottleneck, MBConv.
"""

import keras
from keras import ops

from xraylab.layers import DropPath, SqueezeExcite, batch_norm
from xraylab.models.cnn import Chain, CNNClassifier

EPSILON = 1e-3  # of all its batch normalisations
FIRST_WEIGHTS = {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"}

B0_STAGES = (  # width, depth, strides, kernel size, expansion
    (16, 1, 1, 3, 1),
    (24, 2, 2, 3, 6),
    (40, 2, 2, 5, 6),
    (80, 3, 2, 3, 6),
    (112, 3, 1, 5, 6),
    (192, 4, 2, 5, 6),
    (320, 1, 1, 3, 6),
)
"""The stages of EfficientNet-B0 (``tan2019``, Table 1)."""


@keras.saving.register_keras_serializable("xraylab")
class ChannelNormalization(keras.layers.Layer):
    """(x - mean) / √variance, channel by channel, with statistics that come with the weights.

    Fresh ones change nothing. ``count`` is the number of pixels they were measured on; nothing
    reads it, but it is stored, and counted, as ``keras.layers.Normalization`` does.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.
    """

    def build(self, input_shape):
        """Create the statistics."""
        shape = (input_shape[-1],)
        fixed = {"trainable": False, "dtype": "float32", "autocast": False}
        self.mean = self.add_weight(name="mean", shape=shape, initializer="zeros", **fixed)
        self.variance = self.add_weight(name="variance", shape=shape, initializer="ones", **fixed)
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", **fixed)

    def call(self, x, training=None):
        """Normalise; the statistics stay what they are."""
        x = ops.cast(x, "float32") - self.mean
        x = x / ops.maximum(ops.sqrt(self.variance), keras.config.epsilon())
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Return the shape of the output."""
        return input_shape


@keras.saving.register_keras_serializable("xraylab")
class ConvNormSwish(Chain):
    """A convolution without bias, batch normalisation, swish: first and last layer of the trunk.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters).

    Args:
        filters: channels of the output.
        kernel_size: side of the kernel.
        strides: step in pixels.
    """

    def __init__(self, filters, kernel_size=1, strides=1, **kwargs):
        super().__init__([], **kwargs)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        policy = {"dtype": self.dtype_policy}
        self.layers += [
            keras.layers.Conv2D(filters, kernel_size, strides, name="conv", **_conv(policy)),
            batch_norm("bn", EPSILON, **policy),
            keras.layers.Activation("swish", **policy),
        ]

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }


@keras.saving.register_keras_serializable("xraylab")
class MBConv(keras.layers.Layer):
    """Inverted bottleneck: widen, convolve each channel alone, weigh the channels, narrow.

    What came is added again where its shape allows.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters).

    Args:
        filters: channels of the output.
        kernel_size: side of the depthwise kernel.
        strides: step in pixels of the depthwise convolution.
        expansion: how many times wider the block is inside; 1 leaves the widening out.
        drop_rate: in training, share of images for which the block is skipped.

    Source: ``tan2019``, Sect. 4; squeeze and excitation ``hu2018``; skipping ``huang2016``.
    """

    def __init__(self, filters, kernel_size=3, strides=1, expansion=6, drop_rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        self.expansion, self.drop_rate = expansion, drop_rate

    def build(self, input_shape):
        """Create the layers, whose widths depend on the channels that come."""
        channels = input_shape[-1]
        inside = channels * self.expansion
        policy = {"dtype": self.dtype_policy}
        widen = [
            keras.layers.Conv2D(inside, 1, name="expand_conv", **_conv(policy)),
            batch_norm("expand_bn", EPSILON, **policy),
            keras.layers.Activation("swish", **policy),
        ]
        depthwise = [
            keras.layers.DepthwiseConv2D(
                self.kernel_size,
                strides=self.strides,
                padding="same",
                use_bias=False,
                depthwise_initializer=keras.initializers.VarianceScaling(**FIRST_WEIGHTS),
                name="dwconv",
                **policy,
            ),
            batch_norm("bn", EPSILON, **policy),
            keras.layers.Activation("swish", **policy),
        ]
        narrow = [
            keras.layers.Conv2D(self.filters, 1, name="project_conv", **_conv(policy)),
            batch_norm("project_bn", EPSILON, **policy),
        ]
        self.look = Chain(
            widen + depthwise if self.expansion > 1 else depthwise, name="look", **policy
        )
        # The squeeze is a quarter of the channels that come, not of those inside.
        self.weigh = SqueezeExcite(
            max(1, channels // 4),
            "swish",
            kernel_initializer=keras.initializers.VarianceScaling(**FIRST_WEIGHTS),
            name="se",
            **policy,
        )
        self.narrow = Chain(narrow, name="narrow", **policy)
        self.skips = self.strides == 1 and channels == self.filters
        self.drop = DropPath(self.drop_rate, name="drop", **policy) if self.skips else None

        self.look.build(input_shape)
        inside_shape = self.look.compute_output_shape(input_shape)
        self.weigh.build(inside_shape)
        self.narrow.build(inside_shape)

    def call(self, x, training=None):
        """Return what the block computes, added to what came where the shapes agree."""
        update = self.look(x, training=training)  # (batch, height, width, expansion * channels)
        update = self.weigh(update)
        update = self.narrow(update, training=training)  # (batch, height, width, filters)
        return x + self.drop(update, training=training) if self.skips else update

    def compute_output_shape(self, input_shape):
        """Return the shape of the output."""
        batch, height, width, _ = input_shape
        return (batch, -(-height // self.strides), -(-width // self.strides), self.filters)

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "expansion": self.expansion,
            "drop_rate": self.drop_rate,
        }


@keras.saving.register_keras_serializable("xraylab")
class EfficientNet(CNNClassifier):
    """EfficientNet; by default B0.

    ``keras.applications`` divides by 255 inside and wants grey levels up to 255; images in [0, 1]
    are what stands behind that division, so it is left out.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: as :class:`xraylab.models.cnn.CNNClassifier`.

    Args:
        image_size: side of the image in pixels, at least 32.
        num_labels: number of labels, at least 1.
        stages: (width, depth, strides, kernel size, expansion) of each stage.
        stem_width: channels after the first convolution.
        top_width: channels of the last map.
        drop_rate: share of images that skip a block in training, rising linearly towards this
            rate over the blocks.
        kwargs: as :class:`xraylab.models.cnn.CNNClassifier`.

    Raises:
        ValueError: if an argument is out of range.

    Source: ``tan2019``, Table 1; head and input ``pham2026``.
    """

    # pixels="imagenet" changes nothing by itself: mean and variance are weights of the first layer.

    def __init__(
        self,
        image_size=64,
        num_labels=14,
        stages=B0_STAGES,
        stem_width=32,
        top_width=1280,
        drop_rate=0.2,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        self.stages = tuple(tuple(stage) for stage in stages)
        self.stem_width, self.top_width, self.drop_rate = stem_width, top_width, drop_rate
        policy = {"dtype": self.dtype_policy}

        self.trunk += [
            ChannelNormalization(name="normalization", **policy),
            ConvNormSwish(stem_width, kernel_size=3, strides=2, name="stem", **policy),
        ]
        num_blocks = sum(depth for _, depth, *_ in self.stages)
        for stage, (width, depth, strides, kernel_size, expansion) in enumerate(self.stages):
            for i in range(depth):
                so_far = len(self.trunk) - 2
                block = MBConv(
                    width,
                    kernel_size,
                    strides=strides if i == 0 else 1,
                    expansion=expansion,
                    drop_rate=drop_rate * so_far / num_blocks,
                    name=f"block{stage + 1}{'abcdefghijklmnopqrstuvwxyz'[i]}",
                    **policy,
                )
                self.trunk.append(block)
        self.trunk.append(ConvNormSwish(top_width, name="top", **policy))

    def get_config(self):
        """Return the arguments that make an equal model."""
        return {
            **super().get_config(),
            "stages": self.stages,
            "stem_width": self.stem_width,
            "top_width": self.top_width,
            "drop_rate": self.drop_rate,
        }


def _conv(policy):
    """Return what all its full convolutions have in common."""
    initializer = keras.initializers.VarianceScaling(**FIRST_WEIGHTS)
    return {
        "padding": "same",
        "use_bias": False,
        "kernel_initializer": initializer,
        **policy,
    }
