"""EfficientNet-B0 (``tan2019``), with the head of ``pham2026``.

A block widens the map with a 1x1 convolution, applies a depthwise convolution, reweights the
channels (squeeze and excitation) and narrows again: an inverted bottleneck, MBConv.
"""

import string
from collections.abc import Iterable

import keras
from keras import ops

from xraylab.layers.base import Layer, Shape, Sizes, Tensor
from xraylab.layers.convolution import SqueezeExcite, batch_norm, convolution, stochastic_depth
from xraylab.models.cnn import Chain, CNNClassifier

EPSILON = 1e-3
"""Added to the variance by all its batch normalisations."""

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


def _initializer():
    """Create the initializer of its convolutions."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def _conv_norm(filters, kernel_size, names, strides=1, swish=False, **policy):
    """Create a convolution (depthwise if ``filters`` is None), its normalisation and activation."""
    options = {"strides": strides, "padding": "same", "kernel_initializer": _initializer()}
    layers = [
        convolution(filters, kernel_size, name=names[0], **options, **policy),
        batch_norm(names[1], EPSILON, **policy),
    ]
    return [*layers, keras.layers.Activation("swish", **policy)] if swish else layers


class ChannelNormalization(Layer):
    """(x - mean) / √variance per channel, with statistics that are loaded with the weights.

    The initial statistics change nothing. ``count`` is the number of pixels that they were computed
    from; it is unused, but stored and counted as ``keras.layers.Normalization`` does.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.
    """

    def build(self, input_shape: Shape) -> None:
        """Create the statistics."""
        shape = (input_shape[-1],)
        fixed = {"trainable": False, "dtype": "float32", "autocast": False}
        self.mean = self.add_weight(name="mean", shape=shape, initializer="zeros", **fixed)
        self.variance = self.add_weight(name="variance", shape=shape, initializer="ones", **fixed)
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", **fixed)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Normalise with the stored statistics."""
        x = ops.cast(x, "float32") - self.mean
        x = x / ops.maximum(ops.sqrt(self.variance), keras.config.epsilon())
        return ops.cast(x, self.compute_dtype)


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

    not_arguments = ("layers",)

    def __init__(self, filters: int, kernel_size: int = 1, strides: int = 1, **kwargs):
        super().__init__([], **kwargs)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        names = ("conv", "bn")
        self.layers += _conv_norm(filters, kernel_size, names, strides, swish=True, **self.policy)


class MBConv(Layer):
    """Inverted bottleneck: widen, convolve depthwise, reweight the channels, narrow.

    The input is added where its shape allows.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters).

    Args:
        filters: channels of the output.
        kernel_size: side of the depthwise kernel.
        strides: step in pixels of the depthwise convolution.
        expansion: width inside the block in units of the input channels; 1 omits the widening.
        drop_rate: probability of skipping the block for an image in training.

    References: Tan and Le 2019 (``tan2019``), Sect. 4; squeeze and excitation ``hu2018``;
        stochastic depth ``huang2016``.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        strides: int = 1,
        expansion: int = 6,
        drop_rate: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        self.expansion, self.drop_rate = expansion, drop_rate

    def create(self, channels: int) -> None:
        """Create the layers, whose widths depend on the input channels."""
        policy = self.policy
        wide = {"swish": True, **policy}
        widen = _conv_norm(channels * self.expansion, 1, ("expand_conv", "expand_bn"), **wide)
        depthwise = _conv_norm(None, self.kernel_size, ("dwconv", "bn"), self.strides, **wide)
        narrow = _conv_norm(self.filters, 1, ("project_conv", "project_bn"), **policy)
        spatial = widen + depthwise if self.expansion > 1 else depthwise
        self.spatial = Chain(spatial, name="spatial", **policy)
        # The squeeze is a quarter of the input channels, not of those inside.
        self.squeeze_excite = SqueezeExcite(
            max(1, channels // 4), "swish", kernel_initializer=_initializer(), name="se", **policy
        )
        self.narrow = Chain(narrow, name="narrow", **policy)
        self.drop = None
        if self.strides == 1 and channels == self.filters:
            self.drop = stochastic_depth(self.drop_rate, "drop", **policy)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Return the output of the block, added to the input where the shapes agree."""
        update = self.spatial(x, training=training)  # (batch, height, width, expansion * channels)
        update = self.squeeze_excite(update)
        update = self.narrow(update, training=training)  # (batch, height, width, filters)
        return update if self.drop is None else x + self.drop(update, training=training)


class EfficientNet(CNNClassifier):
    """EfficientNet; by default B0.

    ``keras.applications`` expects grey levels up to 255 and divides by 255 inside; the images here
    are in [0, 1] already. ``pixels="imagenet"`` has no effect: mean and variance are weights of the
    first layer.

    Shapes:
        as in :class:`xraylab.models.cnn.CNNClassifier`.

    Args:
        image_size: side of the image in pixels, at least 32.
        num_labels: number of labels, at least 1.
        stages: (width, depth, strides, kernel size, expansion) of each stage.
        stem_width: channels after the first convolution.
        top_width: channels of the last map.
        drop_rate: probability of skipping a block in training, rising linearly over the blocks
            towards this rate.
        kwargs: as for :class:`xraylab.models.cnn.CNNClassifier`.

    Raises:
        ValueError: if an argument is out of range.

    References: Tan and Le 2019 (``tan2019``), Table 1; head and input ``pham2026``.
    """

    def __init__(
        self,
        image_size: int = 64,
        num_labels: int = 14,
        stages: Iterable[Sizes] = B0_STAGES,
        stem_width: int = 32,
        top_width: int = 1280,
        drop_rate: float = 0.2,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        self.stages = tuple(tuple(stage) for stage in stages)
        self.stem_width, self.top_width, self.drop_rate = stem_width, top_width, drop_rate
        blocks = []
        num_blocks = sum(depth for _, depth, *_ in self.stages)
        for stage, (width, depth, strides, kernel_size, expansion) in enumerate(self.stages):
            for i in range(depth):
                rate = drop_rate * len(blocks) / num_blocks
                options = {"name": f"block{stage + 1}{string.ascii_lowercase[i]}", **self.policy}
                step = strides if i == 0 else 1
                blocks.append(MBConv(width, kernel_size, step, expansion, rate, **options))
        self.trunk += [
            ChannelNormalization(name="normalization", **self.policy),
            ConvNormSwish(stem_width, kernel_size=3, strides=2, name="stem", **self.policy),
            *blocks,
            ConvNormSwish(top_width, name="top", **self.policy),
        ]
