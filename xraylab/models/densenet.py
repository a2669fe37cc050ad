"""DenseNet121, the densely connected network (``huang2017``), with the head of ``pham2026``.

A layer does not change its input. It computes a few new channels and appends them:
x_l = [x_0, H_1(x_0), …, H_l(x_0, …, x_{l-1})].
"""

from typing import Any

import keras
from keras import ops

from xraylab.layers.base import Layer, Shape, Sizes, Tensor
from xraylab.layers.convolution import batch_norm
from xraylab.models.cnn import KERAS_EPSILON, Chain, CNNClassifier, Stem


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

    def __init__(self, growth_rate: int, epsilon: float = KERAS_EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.growth_rate, self.epsilon = growth_rate, epsilon
        no_bias = {"use_bias": False, "padding": "same", **self.policy}
        branch = [
            batch_norm("0_bn", epsilon, **self.policy),
            keras.layers.ReLU(**self.policy),
            keras.layers.Conv2D(4 * growth_rate, 1, name="1_conv", **no_bias),
            batch_norm("1_bn", epsilon, **self.policy),
            keras.layers.ReLU(**self.policy),
            keras.layers.Conv2D(growth_rate, 3, name="2_conv", **no_bias),
        ]
        self.branch = Chain(branch, name="branch", **self.policy)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Append the new channels."""
        return ops.concatenate([x, self.branch(x, training=training)], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output."""
        return (*input_shape[:-1], input_shape[-1] + self.growth_rate)


class Transition(Layer):
    """Between two dense blocks: normalise, halve the channels, halve the map.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, height // 2, width // 2, channels // 2).

    Args:
        epsilon: added to the variance by batch normalisation.

    References: Huang et al. 2017 (``huang2017``), "Pooling layers" and "Compression", θ = 0.5.
    """

    def __init__(self, epsilon: float = KERAS_EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.norm = batch_norm("bn", epsilon, **self.policy)
        self.relu = keras.layers.ReLU(**self.policy)
        self.pool = keras.layers.AveragePooling2D(2, **self.policy)

    def build(self, input_shape: Shape) -> None:
        """Create the convolution, which halves the number of channels."""
        self.norm.build(input_shape)
        options = {"use_bias": False, "name": "conv", **self.policy}
        self.conv = keras.layers.Conv2D(input_shape[-1] // 2, 1, **options)
        self.conv.build(input_shape)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Normalise, rectify, halve the channels, average 2x2."""
        return self.pool(self.conv(self.relu(self.norm(x, training=training))))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output."""
        return self.pool.compute_output_shape((*input_shape[:-1], input_shape[-1] // 2))


class NormReLU(Layer):
    """The normalisation and ReLU after the last dense block.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.

    Args:
        epsilon: added to the variance by batch normalisation.
    """

    def __init__(self, epsilon: float = KERAS_EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.norm = batch_norm("bn", epsilon, **self.policy)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Normalise and rectify."""
        return ops.relu(self.norm(x, training=training))


def densenet_trunk(
    depths: Sizes,
    growth_rate: int,
    stem_width: int,
    epsilon: float = KERAS_EPSILON,
    dtype: Any = None,
) -> list:
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
        image_size: int = 64,
        num_labels: int = 14,
        depths: Sizes = (6, 12, 24, 16),
        growth_rate: int = 32,
        stem_width: int = 64,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        self.depths, self.growth_rate, self.stem_width = tuple(depths), growth_rate, stem_width
        self.trunk += densenet_trunk(depths, growth_rate, stem_width, **self.policy)
