"""ResNet50, the residual network of 50 layers (``he2016``), with the head of ``pham2026``.

A block computes not its output but a correction of its input: y = ReLU(x + F(x)).
"""

import keras

from xraylab.layers.base import Layer, Shape, Sizes, Tensor
from xraylab.layers.convolution import batch_norm
from xraylab.models.cnn import KERAS_EPSILON, Chain, CNNClassifier, Stem


class ResidualBlock(Layer):
    """ReLU(shortcut(x) + F(x)), where F is a bottleneck of 1x1, 3x3 and 1x1 convolutions.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), 4 * filters).

    Args:
        filters: channels of the 3x3 convolution.
        strides: step in pixels of the first convolution and of the shortcut.
        project: whether the shortcut is a 1x1 convolution, as it must be where the shape changes.
        residual: False omits the shortcut, for comparison: ReLU(F(x)).

    References: He et al. 2016 (``he2016``), Fig. 5 (right) and Sect. 3.3, option B.
    """

    def __init__(
        self, filters: int, strides: int = 1, project: bool = False, residual: bool = True, **kwargs
    ):
        super().__init__(**kwargs)
        self.filters, self.strides = filters, strides
        self.project, self.residual = project, residual

        def conv_norm(number, channels, size, step=1):
            # The biases have no effect before a normalisation; but the source's networks have
            # them, and count them.
            options = {"padding": "same", "name": f"{number}_conv", **self.policy}
            convolution = keras.layers.Conv2D(channels, size, strides=step, **options)
            return [convolution, batch_norm(f"{number}_bn", KERAS_EPSILON, **self.policy)]

        branch = [
            *conv_norm(1, filters, 1, strides),
            keras.layers.ReLU(**self.policy),
            *conv_norm(2, filters, 3),
            keras.layers.ReLU(**self.policy),
            *conv_norm(3, 4 * filters, 1),
        ]
        self.branch = Chain(branch, name="branch", **self.policy)
        self.shortcut = None
        if project and residual:
            shortcut = conv_norm(0, 4 * filters, 1, strides)
            self.shortcut = Chain(shortcut, name="shortcut", **self.policy)
        self.relu = keras.layers.ReLU(name="relu", **self.policy)

    def build(self, input_shape: Shape) -> None:
        """Build the branch, and the shortcut if it has weights."""
        self.branch.build(input_shape)
        if self.shortcut:
            self.shortcut.build(input_shape)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Add the branch to the shortcut and rectify."""
        update = self.branch(x, training=training)  # (batch, height, width, 4 * filters)
        if not self.residual:
            return self.relu(update)
        if self.shortcut:
            x = self.shortcut(x, training=training)
        return self.relu(x + update)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output."""
        return self.branch.compute_output_shape(input_shape)


class ResNet(CNNClassifier):
    """Residual network of bottleneck blocks; by default ResNet50.

    Shapes:
        as in :class:`xraylab.models.cnn.CNNClassifier`; the map of stage i has
        (ceil(image_size / 2^(i + 1)), the same, 4 * widths[i - 1]).

    Args:
        image_size: side of the image in pixels, at least 32.
        num_labels: number of labels, at least 1.
        depths: blocks per stage.
        widths: channels of the 3x3 convolutions per stage; a block returns four times as many.
        stem_width: channels after the first convolution.
        residual: False omits all shortcuts: a plain network of the same depth.
        kwargs: as for :class:`xraylab.models.cnn.CNNClassifier`.

    Raises:
        ValueError: if an argument is out of range.

    References: He et al. 2016 (``he2016``), Table 1; head and input ``pham2026``.
    """

    # keras.applications.resnet.preprocess_input: 255 x, minus the means of blue, green and red.
    imagenet_scale = (255.0, 255.0, 255.0)
    imagenet_offset = (-103.939, -116.779, -123.68)

    def __init__(
        self,
        image_size: int = 64,
        num_labels: int = 14,
        depths: Sizes = (3, 4, 6, 3),
        widths: Sizes = (64, 128, 256, 512),
        stem_width: int = 64,
        residual: bool = True,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        self.depths, self.widths = tuple(depths), tuple(widths)
        self.stem_width, self.residual = stem_width, residual
        self.trunk.append(Stem(stem_width, use_bias=True, name="conv1", **self.policy))
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=2):
            for i in range(depth):
                strides = 2 if i == 0 and stage > 2 else 1
                options = {"name": f"conv{stage}_block{i + 1}", **self.policy}
                self.trunk.append(ResidualBlock(width, strides, i == 0, residual, **options))
