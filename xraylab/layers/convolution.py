"""Blocks of convolutional networks that more than one architecture uses."""

from typing import Any

import keras
from keras import ops

from xraylab.layers.base import Layer, Shape, Tensor, kernel_initializer

BATCH_NORM_MOMENTUM = 0.9
"""PyTorch's momentum. With the 0.99 of ``keras.applications``, the running statistics need several
hundred steps to forget the initial weights, and short runs would be evaluated on those."""


def batch_norm(
    name: str, epsilon: float = 1e-5, dtype: Any = None, **options: Any
) -> keras.layers.Layer:
    """Create batch normalisation with the momentum of all models here (``ioffe2015``).

    Args:
        name: name of the layer.
        epsilon: added to the variance; the default is PyTorch's.
        dtype: dtype policy of the layer.
        options: further arguments of ``keras.layers.BatchNormalization``.
    """
    return keras.layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=epsilon, name=name, dtype=dtype, **options
    )


def convolution(filters: int | None, kernel_size: int, **options: Any) -> keras.layers.Layer:
    """Create a convolution without bias, depthwise if ``filters`` is None.

    Args:
        options: arguments of ``keras.layers.Conv2D``.
    """
    options["use_bias"] = False
    if filters is not None:
        return keras.layers.Conv2D(filters, kernel_size, **options)
    options["depthwise_initializer"] = options.pop("kernel_initializer")
    return keras.layers.DepthwiseConv2D(kernel_size, **options)


class ConvNorm(Layer):
    """A convolution without bias, batch normalisation and an optional activation.

    Images are padded by ``kernel_size // 2`` on all four sides, as in PyTorch, so that public
    weights fit. Keras's ``"same"`` pads unevenly when it strides.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters).

    Args:
        filters: channels of the output; None makes the convolution depthwise.
        kernel_size: side of the kernel, odd.
        strides: step in pixels.
        activation: name of a Keras activation, or None.
        gamma: initial scale of the normalisation; with 0 a residual branch starts at zero.
        stddev: standard deviation of the initial weights, as for
            :func:`xraylab.layers.kernel_initializer`.

    References: Ioffe and Szegedy 2015 (``ioffe2015``).
    """

    def __init__(
        self,
        filters: int | None,
        kernel_size: int = 1,
        strides: int = 1,
        activation: str | None = None,
        gamma: float = 1.0,
        stddev: float | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        self.activation, self.gamma, self.stddev = activation, gamma, stddev
        options = {
            "strides": strides,
            "padding": "valid" if strides > 1 else "same",
            "kernel_initializer": kernel_initializer(stddev),
            "name": "convolution",
            **self.policy,
        }
        self.convolution = convolution(filters, kernel_size, **options)
        gamma_initializer = keras.initializers.Constant(gamma)
        self.norm = batch_norm("norm", gamma_initializer=gamma_initializer, **self.policy)
        # A convolution that strides is padded here, any other one by Keras.
        self.padding = kernel_size // 2 if strides > 1 else 0

    def build(self, input_shape: Shape) -> None:
        """Build convolution and normalisation."""
        batch, height, width, channels = input_shape
        # Without the padding, Keras takes a map of 2x2 as too small to stride.
        padded = [None if n is None else n + 2 * self.padding for n in (height, width)]
        self.convolution.build((batch, *padded, channels))
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Convolve, normalise and apply the activation."""
        if p := self.padding:
            x = ops.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
        x = self.norm(self.convolution(x), training=training)
        return keras.activations.get(self.activation)(x)


class SqueezeExcite(Layer):
    """Scale every channel by a gate that is computed from the means of all channels.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.

    Args:
        squeeze: width of the hidden layer.
        activation: activation of the hidden layer.
        gate: activation of the gate.
        kernel_initializer: Keras initializer of both layers.

    References: Hu et al. 2018 (``hu2018``), Sect. 3.
    """

    def __init__(
        self,
        squeeze: int,
        activation: str = "relu",
        gate: str = "sigmoid",
        kernel_initializer: Any = "glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.squeeze, self.activation, self.gate = squeeze, activation, gate
        self.kernel_initializer = kernel_initializer

    def create(self, channels: int) -> None:
        """Create the two linear layers."""
        initializer = keras.initializers.get(self.kernel_initializer)

        def dense(units, activation, name):
            options = {"kernel_initializer": initializer.clone(), "name": name, **self.policy}
            return keras.layers.Dense(units, activation, **options)

        self.reduce = dense(self.squeeze, self.activation, "reduce")
        self.expand = dense(channels, self.gate, "expand")

    def call(self, x: Tensor) -> Tensor:
        """Scale the channels."""
        weights = self.expand(self.reduce(ops.mean(x, axis=(1, 2))))  # (batch, channels)
        return x * weights[:, None, None, :]


def stochastic_depth(rate: float, name: str, dtype: Any = None) -> keras.layers.Layer:
    """Create stochastic depth: in training, set a residual branch to zero for some images.

    The branches of the other images are divided by 1 - rate, which preserves the mean.

    Args:
        rate: probability of dropping a branch.
        name: name of the layer.
        dtype: dtype policy of the layer.

    References: Huang et al. 2016 (``huang2016``).
    """
    return keras.layers.Dropout(rate, noise_shape=(None, 1, 1, 1), dtype=dtype, name=name)
