"""DenseNet121, the densely connected network (``huang2017``), with the head of ``pham2026``.

A layer does not change its input. It computes a few new channels and appends them:
x_l = [x_0, H_1(x_0), …, H_l(x_0, …, x_{l-1})].
"""

import keras
from keras import ops

from xraylab.layers import Layer, batch_norm
from xraylab.models.cnn import KERAS_EPSILON, Chain, CNNClassifier, Stem


@keras.saving.register_keras_serializable("xraylab")
class DenseLayer(Layer):
    """[x, H(x)]: append ``growth_rate`` channels, computed from all channels of the input.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, height, width, channels + growth_rate).

    Args:
        growth_rate: number k of new channels; the 1x1 convolution before them has 4 k.
        epsilon: added to the variance by batch normalisation.

    References: Huang et al. 2017 (``huang2017``), Eq. 2 and "Bottleneck layers".
    """

    def __init__(self, growth_rate, epsilon=KERAS_EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.growth_rate, self.epsilon = growth_rate, epsilon
        policy = {"dtype": self.dtype_policy}
        no_bias = {"use_bias": False, "padding": "same", **policy}
        self.branch = Chain(
            [
                batch_norm("0_bn", epsilon, **policy),
                keras.layers.ReLU(**policy),
                keras.layers.Conv2D(4 * growth_rate, 1, name="1_conv", **no_bias),
                batch_norm("1_bn", epsilon, **policy),
                keras.layers.ReLU(**policy),
                keras.layers.Conv2D(growth_rate, 3, name="2_conv", **no_bias),
            ],
            name="branch",
            **policy,
        )

    def call(self, x, training=None):
        """Append the new channels."""
        return ops.concatenate([x, self.branch(x, training=training)], axis=-1)

    def compute_output_shape(self, input_shape):
        """Return the shape of the output."""
        return (*input_shape[:-1], input_shape[-1] + self.growth_rate)


@keras.saving.register_keras_serializable("xraylab")
class Transition(Layer):
    """Between two dense blocks: normalise, halve the channels, halve the map.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, height // 2, width // 2, channels // 2).

    Args:
        epsilon: added to the variance by batch normalisation.

    References: Huang et al. 2017 (``huang2017``), "Pooling layers" and "Compression", θ = 0.5.
    """

    def __init__(self, epsilon=KERAS_EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.norm = batch_norm("bn", epsilon, dtype=self.dtype_policy)
        self.relu = keras.layers.ReLU(dtype=self.dtype_policy)
        self.pool = keras.layers.AveragePooling2D(2, dtype=self.dtype_policy)

    def build(self, input_shape):
        """Create the convolution, which halves the number of channels."""
        self.norm.build(input_shape)
        self.conv = keras.layers.Conv2D(
            input_shape[-1] // 2, 1, use_bias=False, dtype=self.dtype_policy, name="conv"
        )
        self.conv.build(input_shape)

    def call(self, x, training=None):
        """Normalise, rectify, halve the channels, average 2x2."""
        return self.pool(self.conv(self.relu(self.norm(x, training=training))))

    def compute_output_shape(self, input_shape):
        """Return the shape of the output."""
        return self.pool.compute_output_shape((*input_shape[:-1], input_shape[-1] // 2))


@keras.saving.register_keras_serializable("xraylab")
class NormReLU(Layer):
    """The normalisation and ReLU after the last dense block.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.

    Args:
        epsilon: added to the variance by batch normalisation.
    """

    def __init__(self, epsilon=KERAS_EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.norm = batch_norm("bn", epsilon, dtype=self.dtype_policy)

    def call(self, x, training=None):
        """Normalise and rectify."""
        return ops.relu(self.norm(x, training=training))


def densenet_trunk(depths, growth_rate, stem_width, epsilon=KERAS_EPSILON, dtype=None):
    """Create the layers of a DenseNet, in the order in which they are applied.

    Args:
        depths: layers in each dense block.
        growth_rate: channels that each of them appends.
        stem_width: channels after the first convolution.
        epsilon: added to the variance by batch normalisation.
        dtype: dtype policy of the layers.
    """
    options = {"epsilon": epsilon, "dtype": dtype}
    trunk = [Stem(stem_width, name="conv1", **options)]
    for stage, depth in enumerate(depths, start=2):
        if stage > 2:
            trunk.append(Transition(name=f"pool{stage - 1}", **options))
        for i in range(depth):
            trunk.append(DenseLayer(growth_rate, name=f"conv{stage}_block{i + 1}", **options))
    return [*trunk, NormReLU(name="last", **options)]


@keras.saving.register_keras_serializable("xraylab")
class DenseNet(CNNClassifier):
    """Densely connected network; by default DenseNet121.

    Shapes:
        as in :class:`xraylab.models.cnn.CNNClassifier`.

    Args:
        image_size: side of the image in pixels, at least 32.
        num_labels: number of labels, at least 1.
        depths: layers in each dense block.
        growth_rate: channels k that each of them appends.
        stem_width: channels after the first convolution.
        kwargs: as for :class:`xraylab.models.cnn.CNNClassifier`.

    Raises:
        ValueError: if an argument is out of range.

    References: Huang et al. 2017 (``huang2017``), Table 1; head and input ``pham2026``.
    """

    # keras.applications.densenet.preprocess_input: (x - mean) / deviation of red, green and blue.
    imagenet_scale = (1 / 0.229, 1 / 0.224, 1 / 0.225)
    imagenet_offset = (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225)

    def __init__(
        self,
        image_size=64,
        num_labels=14,
        depths=(6, 12, 24, 16),
        growth_rate=32,
        stem_width=64,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        self.depths, self.growth_rate, self.stem_width = tuple(depths), growth_rate, stem_width
        self.trunk += densenet_trunk(depths, growth_rate, stem_width, dtype=self.dtype_policy)
