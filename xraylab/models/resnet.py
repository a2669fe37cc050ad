"""ResNet50, the residual network of 50 layers (``he2016``), with the head of ``pham2026``.

A block computes not its output but a correction of its input: y = ReLU(x + F(x)).
"""

import keras

from xraylab.layers import Layer, batch_norm
from xraylab.models.cnn import KERAS_EPSILON, Chain, CNNClassifier, Stem


@keras.saving.register_keras_serializable("xraylab")
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

    def __init__(self, filters, strides=1, project=False, residual=True, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides = filters, strides
        self.project, self.residual = project, residual
        policy = {"dtype": self.dtype_policy}

        def conv(channels, size, name, step=1):
            # The biases have no effect before a normalisation; but the source's networks have
            # them, and count them.
            return keras.layers.Conv2D(
                channels, size, strides=step, padding="same", name=name, **policy
            )

        self.branch = Chain(
            [
                conv(filters, 1, "1_conv", strides),
                batch_norm("1_bn", KERAS_EPSILON, **policy),
                keras.layers.ReLU(**policy),
                conv(filters, 3, "2_conv"),
                batch_norm("2_bn", KERAS_EPSILON, **policy),
                keras.layers.ReLU(**policy),
                conv(4 * filters, 1, "3_conv"),
                batch_norm("3_bn", KERAS_EPSILON, **policy),
            ],
            name="branch",
            **policy,
        )
        self.shortcut = None
        if project and residual:
            norm = batch_norm("0_bn", KERAS_EPSILON, **policy)
            self.shortcut = Chain(
                [conv(4 * filters, 1, "0_conv", strides), norm], name="shortcut", **policy
            )
        self.relu = keras.layers.ReLU(name="relu", **policy)

    def build(self, input_shape):
        """Build the branch, and the shortcut if it has weights."""
        self.branch.build(input_shape)
        if self.shortcut:
            self.shortcut.build(input_shape)

    def call(self, x, training=None):
        """Add the branch to the shortcut and rectify."""
        update = self.branch(x, training=training)  # (batch, height, width, 4 * filters)
        if not self.residual:
            return self.relu(update)
        if self.shortcut:
            x = self.shortcut(x, training=training)
        return self.relu(x + update)

    def compute_output_shape(self, input_shape):
        """Return the shape of the output."""
        return self.branch.compute_output_shape(input_shape)


@keras.saving.register_keras_serializable("xraylab")
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
        image_size=64,
        num_labels=14,
        depths=(3, 4, 6, 3),
        widths=(64, 128, 256, 512),
        stem_width=64,
        residual=True,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        if len(depths) != len(widths):
            raise ValueError(
                "depths and widths must have one value per stage. Expected: the same number of "
                f"values. Received: depths={depths}, widths={widths}"
            )
        self.depths, self.widths = tuple(depths), tuple(widths)
        self.stem_width, self.residual = stem_width, residual
        policy = {"dtype": self.dtype_policy}
        self.trunk.append(Stem(stem_width, use_bias=True, name="conv1", **policy))
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=2):
            for i in range(depth):
                block = ResidualBlock(
                    width,
                    strides=2 if i == 0 and stage > 2 else 1,
                    project=i == 0,
                    residual=residual,
                    name=f"conv{stage}_block{i + 1}",
                    **policy,
                )
                self.trunk.append(block)
