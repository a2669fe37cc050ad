"""Blocks of convolutional networks that more than one architecture uses."""

import keras
from keras import ops

from xraylab.layers.initial import first_weights

BATCH_NORM_MOMENTUM = 0.9
"""PyTorch's. ``keras.applications`` has 0.99, which needs several hundred steps before the running
means can be used; short runs would be scored on statistics of the first weights. Long runs see no
difference."""


def batch_norm(name, epsilon=1e-5, dtype=None, **options):
    """Return batch normalisation with the momentum of all our models (``ioffe2015``).

    Args:
        name: name of the layer.
        epsilon: what is added to the variance; by default PyTorch's.
        dtype: the layer's policy.
        options: further arguments of ``keras.layers.BatchNormalization``.
    """
    return keras.layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=epsilon, name=name, dtype=dtype, **options
    )


@keras.saving.register_keras_serializable("xraylab")
class ConvNorm(keras.layers.Layer):
    """A convolution without bias, batch normalisation, and an activation if one is named.

    Images are padded by ``kernel_size // 2`` on all four sides, as PyTorch does, so that weights
    of public models fit. Keras's own ``"same"`` pads unevenly when it strides.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters).

    Args:
        filters: channels of the output; None makes the convolution depthwise.
        kernel_size: side of the kernel, odd.
        strides: step in pixels.
        activation: name of a Keras activation, or None.
        gamma: first value of the normalisation's scale; 0 makes a residual branch start as nothing.
        stddev: standard deviation of the first weights, cut off at two of them; None takes Keras's
            own.

    Source: ``ioffe2015``.
    """

    def __init__(
        self,
        filters,
        kernel_size=1,
        strides=1,
        activation=None,
        gamma=1.0,
        stddev=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides
        self.gamma, self.stddev = gamma, stddev
        options = {
            "strides": strides,
            "padding": "valid" if strides > 1 else "same",
            "use_bias": False,
            "dtype": self.dtype_policy,
            "name": "convolution",
        }
        if filters is None:
            options["depthwise_initializer"] = first_weights(stddev)
            self.convolution = keras.layers.DepthwiseConv2D(kernel_size, **options)
        else:
            options["kernel_initializer"] = first_weights(stddev)
            self.convolution = keras.layers.Conv2D(filters, kernel_size, **options)
        self.norm = batch_norm(
            "norm", dtype=self.dtype_policy, gamma_initializer=keras.initializers.Constant(gamma)
        )
        self.activation = keras.activations.get(activation)
        # A convolution that strides is padded here, any other one by Keras.
        self._margin = kernel_size // 2 if strides > 1 else 0

    def build(self, input_shape):
        """Build convolution and normalisation."""
        batch, height, width, channels = input_shape
        margin = 2 * self._margin  # without it, Keras takes a map of 2x2 for too small to stride
        padded = [None if side is None else side + margin for side in (height, width)]
        self.convolution.build((batch, *padded, channels))
        self.norm.build((*input_shape[:-1], self.filters or input_shape[-1]))

    def call(self, x, training=None):
        """Convolve, normalise, activate."""
        if margin := self._margin:
            x = ops.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
        return self.activation(self.norm(self.convolution(x), training=training))

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "activation": keras.activations.serialize(self.activation),
            "gamma": self.gamma,
            "stddev": self.stddev,
        }


@keras.saving.register_keras_serializable("xraylab")
class SqueezeExcite(keras.layers.Layer):
    """Weigh every channel by a number in (0, 1) that is computed from all channels' means.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.

    Args:
        squeeze: width of the hidden layer.
        activation: name of the hidden layer's activation.
        gate: name of the activation that makes the weights.
        kernel_initializer: Keras initialiser of both layers.

    Source: ``hu2018``, Sect. 3.
    """

    def __init__(
        self,
        squeeze,
        activation="relu",
        gate="sigmoid",
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.squeeze, self.activation, self.gate = squeeze, activation, gate
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        """Create the two linear layers."""
        channels = input_shape[-1]
        self.reduce = keras.layers.Dense(
            self.squeeze,
            activation=self.activation,
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name="reduce",
        )
        self.expand = keras.layers.Dense(
            channels,
            activation=self.gate,
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name="expand",
        )
        self.reduce.build((None, channels))
        self.expand.build((None, self.squeeze))

    def call(self, x):
        """Return the weighted channels."""
        weights = self.expand(self.reduce(ops.mean(x, axis=(1, 2))))  # (batch, channels)
        return x * weights[:, None, None, :]

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "squeeze": self.squeeze,
            "activation": self.activation,
            "gate": self.gate,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("xraylab")
class DropPath(keras.layers.Layer):
    """Stochastic depth: in training, drop a residual branch for some images of the batch.

    What is kept is divided by 1 - rate, so that its mean stays.

    Shapes:
        x: (batch, …), returned in the same shape.

    Args:
        rate: probability of dropping, in [0, 1).

    Source: ``huang2016``.
    """

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"the rate of DropPath must lie in [0, 1); {rate} came")
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator() if rate else None

    def call(self, x, training=None):
        """Drop in training; otherwise return what came."""
        if not training or not self.rate:
            return x
        keep = 1.0 - self.rate
        shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        kept = keras.random.uniform(shape, seed=self.seed_generator) < keep
        return x * ops.cast(kept, x.dtype) / keep

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "rate": self.rate}
