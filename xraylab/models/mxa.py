"""The MXA block in EfficientViT (``rand2025``): look again, closer, where a box says.

Beside the window attention of every block, a small convolutional head draws a box on the map; what
lies in the box is enlarged to the whole map, and two gates weigh its channels and its places. The
paper and its authors' code arrange this differently; both are here.
"""

import keras
from keras import ops

from xraylab.models.arguments import require_whole
from xraylab.models.efficientvit import EfficientViT, EfficientViTBlock

LEAST_SIDE = 0.2
"""Smallest side of a learned box, in units of the image's."""

FIRST_SIDE = 0.75
"""Side of a learned box before training."""


def sampling_matrix(low, high, size, leak=True):
    """Return the matrix that reads ``size`` equal steps between two coordinates off ``size`` cells.

    Step i lies at low + (high - low)·(i + 1/2) / size. Between the middles of two cells it is
    interpolated linearly; beyond the outermost middles it is the outermost cell. A crop of any
    width, enlarged, is so one matrix of a fixed shape.

    Shapes:
        low, high: (batch,) float in [0, 1], fractions of the whole axis.
        returns: (batch, size, size); row i holds the weights of the cells and sums to 1.

    Args:
        leak: let a step near the edge of the box see the cell beyond it. Without, the outermost
            cells are those of the box, as when it is cut out before it is enlarged.

    Source: ``jaderberg2015``, Eq. 5, for a box, where both axes can be taken one by one.
    """
    low, high = low[:, None] * size, high[:, None] * size  # in cells
    steps = (ops.arange(size, dtype="float32") + 0.5) / size
    at = low + (high - low) * steps - 0.5  # the middle of the first cell is 0
    at = ops.clip(at, 0.0, size - 1.0) if leak else ops.clip(at, low, high - 1.0)
    cells = ops.arange(size, dtype="float32")
    return ops.relu(1.0 - ops.abs(at[:, :, None] - cells))


def crop(x, rows, columns):
    """Read a map through one sampling matrix a row and one a column: rows · x · columnsᵀ.

    Shapes:
        x: (batch, height, width, channels); rows: (batch, height, height);
        columns: (batch, width, width); returns (batch, height, width, channels).
    """
    _, height, width, channels = x.shape
    rows, columns = ops.cast(rows, x.dtype), ops.cast(columns, x.dtype)
    x = ops.matmul(rows, ops.reshape(x, (-1, height, width * channels)))
    x = ops.reshape(x, (-1, height, width, channels))
    return ops.matmul(columns[:, None], x)


@keras.saving.register_keras_serializable("xraylab")
class BoxHead(keras.layers.Layer):
    """Four numbers from a map: 3x3 convolution, ReLU, 1x1 convolution, mean over the map.

    Shapes:
        x: (batch, height, width, channels).
        returns: (batch, 4) float32, unbounded, or in (0, 1) with a sigmoid before the mean.

    Args:
        sigmoid: squash before the mean, as the authors' code does.

    Source: ``rand2025``, App. D; kernels and widths from its public code.
    """

    def __init__(self, sigmoid=False, **kwargs):
        super().__init__(**kwargs)
        self.sigmoid = sigmoid

    def build(self, input_shape):
        """Create the two convolutions."""
        channels = input_shape[-1]
        half, uniform = (
            channels // 2,
            keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
        )
        self.look = keras.layers.Conv2D(
            half,
            3,
            padding="same",
            activation="relu",
            use_bias=False,
            kernel_initializer=uniform,
            dtype=self.dtype_policy,
            name="look",
        )
        if self.sigmoid:  # as PyTorch draws first weights
            first = {
                "kernel_initializer": keras.initializers.VarianceScaling(
                    1 / 3, "fan_in", "uniform"
                ),
                "bias_initializer": keras.initializers.RandomUniform(-(half**-0.5), half**-0.5),
            }
        else:  # near zero, so that every image starts with the same box
            first = {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.01)}
        # Coordinates stay in float32 under mixed precision.
        self.point = keras.layers.Conv2D(
            4,
            1,
            activation="sigmoid" if self.sigmoid else None,
            dtype="float32",
            name="point",
            **first,
        )
        self.look.build(input_shape)
        self.point.build((*input_shape[:-1], half))

    def call(self, x):
        """Return four numbers an image."""
        return ops.mean(self.point(self.look(x)), axis=(1, 2))

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "sigmoid": self.sigmoid}


def learnable_box(numbers):
    """Return a box from four unbounded numbers: the place of its centre, then its two sides.

    Whatever the numbers, the box lies on the image and its sides are between :data:`LEAST_SIDE` and
    1. Zeros make the centred box of side :data:`FIRST_SIDE`.

    Shapes:
        numbers: (batch, 4), unbounded: centre x and y, width and height.
        returns: (batch, 4) in [0, 1]: x1, y1, x2, y2, with x1 < x2 and y1 < y2.
    """
    share = (FIRST_SIDE - LEAST_SIDE) / (1 - LEAST_SIDE)
    first = ops.log(share / (1 - share))
    sides = LEAST_SIDE + (1 - LEAST_SIDE) * ops.sigmoid(numbers[:, 2:] + first)
    lower = (1 - sides) * ops.sigmoid(numbers[:, :2])
    return ops.concatenate([lower, lower + sides], axis=1)


def whole_cells(boxes, height, width):
    """Return boxes shrunk to whole cells of a map, or the whole map where no cell is left.

    Rounding has no slope: no gradient passes through here.

    Shapes:
        boxes: (batch, 4) in [0, 1]: x1, y1, x2, y2, in any order.
        returns: (batch, 4) in [0, 1], with x1 < x2 and y1 < y2.
    """
    sides = ops.convert_to_tensor([width, height, width, height], "float32")
    cells = ops.floor(boxes * sides)
    empty = ops.any(cells[:, 2:] <= cells[:, :2], axis=1, keepdims=True)
    whole = ops.convert_to_tensor([[0.0, 0.0, 1.0, 1.0]], "float32")
    return ops.where(empty, whole, cells / sides)


@keras.saving.register_keras_serializable("xraylab")
class ChannelGate(keras.layers.Layer):
    """Weigh channels by a two-layer perceptron of their means (and of their maxima).

    Shapes:
        x: (batch, height, width, channels); returns the gate (batch, channels) in (0, 1).

    Args:
        reduction: channels over the width of the hidden layer.
        use_max: let the maxima pass the same perceptron and add what comes out.

    Source: ``woo2018``, Eq. 2; ``rand2025``, App. E.1.
    """

    def __init__(self, reduction=16, use_max=True, **kwargs):
        super().__init__(**kwargs)
        self.reduction, self.use_max = reduction, use_max

    def build(self, input_shape):
        """Create the perceptron, which has no biases."""
        channels = input_shape[-1]
        width = max(1, channels // self.reduction)
        options = {"use_bias": False, "dtype": self.dtype_policy}
        self.reduce = keras.layers.Dense(width, activation="relu", name="reduce", **options)
        self.expand = keras.layers.Dense(channels, name="expand", **options)
        self.reduce.build((None, channels))
        self.expand.build((None, width))

    def call(self, x):
        """Return the weight of every channel."""
        scores = self.expand(self.reduce(ops.mean(x, axis=(1, 2))))
        if self.use_max:
            scores = scores + self.expand(self.reduce(ops.max(x, axis=(1, 2))))
        return ops.sigmoid(scores)

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "reduction": self.reduction, "use_max": self.use_max}


@keras.saving.register_keras_serializable("xraylab")
class SpatialGate(keras.layers.Layer):
    """Weigh places by a 7x7 convolution of their largest and their mean channel.

    Shapes:
        x: (batch, height, width, channels); returns the gate (batch, height, width) in (0, 1).

    Source: ``woo2018``, Eq. 3; ``rand2025``, App. E.2.
    """

    def build(self, input_shape):
        """Create the convolution, which has no bias."""
        self.convolution = keras.layers.Conv2D(
            1, 7, padding="same", use_bias=False, dtype=self.dtype_policy, name="convolution"
        )
        self.convolution.build((*input_shape[:-1], 2))

    def call(self, x):
        """Return the weight of every place."""
        pooled = ops.stack([ops.max(x, axis=-1), ops.mean(x, axis=-1)], axis=-1)
        return ops.sigmoid(self.convolution(pooled)[..., 0])


@keras.saving.register_keras_serializable("xraylab")
class MXA(keras.layers.Layer):
    """Medical X-ray attention: a box, what lies in it enlarged, and two gates.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape. With
        ``return_intermediates=True`` also a dict of ``boxes`` (batch, 4), x1, y1, x2, y2 in
        [0, 1] from the upper left corner, the box that was cut out; ``channel_gates``
        (batch, channels); and ``spatial_gates`` (batch, height, width).

    Args:
        arrangement: ``"paper"`` samples at continuous coordinates, through which the box learns,
            and pools channels by mean and maximum. ``"authors"`` is the public code: whole cells,
            through which no gradient comes, the whole map where a box is empty, and means only.
        reduction: channels over the width of the channel gate's hidden layer.

    Source: ``rand2025``, App. D and E, and its public code.
    """

    def __init__(self, arrangement="paper", reduction=16, **kwargs):
        super().__init__(**kwargs)
        if arrangement not in ("paper", "authors"):
            raise ValueError(f"arrangement must be 'paper' or 'authors'; {arrangement!r} came")
        require_whole(1, reduction=reduction)
        self.arrangement, self.reduction = arrangement, reduction
        paper, policy = arrangement == "paper", {"dtype": self.dtype_policy}
        self.box_head = BoxHead(sigmoid=not paper, name="box_head", **policy)
        self.channel_gate = ChannelGate(reduction, use_max=paper, name="channel_gate", **policy)
        self.spatial_gate = SpatialGate(name="spatial_gate", **policy)

    def build(self, input_shape):
        """Build the box head and the gates."""
        self.box_head.build(input_shape)
        self.channel_gate.build(input_shape)
        self.spatial_gate.build(input_shape)

    def call(self, x, return_intermediates=False):
        """Return the gated crop."""
        _, height, width, _ = x.shape
        paper = self.arrangement == "paper"
        numbers = self.box_head(x)  # (batch, 4)
        boxes = learnable_box(numbers) if paper else whole_cells(numbers, height, width)
        x1, y1, x2, y2 = ops.unstack(boxes, axis=1)
        rows = sampling_matrix(y1, y2, height, leak=paper)
        columns = sampling_matrix(x1, x2, width, leak=paper)
        x = crop(x, rows, columns)  # (batch, height, width, channels)
        channel_gates = self.channel_gate(x)
        x = x * channel_gates[:, None, None, :]
        spatial_gates = self.spatial_gate(x)
        x = x * spatial_gates[..., None]
        if not return_intermediates:
            return x
        return x, {
            "boxes": boxes,
            "channel_gates": channel_gates,
            "spatial_gates": spatial_gates,
        }

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "arrangement": self.arrangement,
            "reduction": self.reduction,
        }


@keras.saving.register_keras_serializable("xraylab")
class MXABlock(EfficientViTBlock):
    """A block of EfficientViT with MXA beside its window attention.

    In the paper's arrangement, the map becomes x + attention(x) + MXA(x) where it was
    x + attention(x). The authors' code does it before the block, (x + attention(x)) +
    (x + MXA(x)), and then runs the block with the same attention, weights shared, once more.

    Shapes:
        as in :class:`EfficientViTBlock`; what was seen has the entries of :class:`MXA` too, and in
        the authors' arrangement ``attention_before``, the first of the two attention maps.

    Args:
        attention: arguments of :class:`xraylab.models.efficientvit.WindowAttention`.
        mxa: arguments of :class:`MXA`.

    Source: ``rand2025``, Sect. 2.2, and its public code.
    """

    def __init__(self, attention, mxa, **kwargs):
        super().__init__(attention, **kwargs)
        self.mxa_options = dict(mxa)
        self.mxa = MXA(name="mxa", dtype=self.dtype_policy, **mxa)

    def build(self, input_shape):
        """Build the block and what stands beside it."""
        super().build(input_shape)
        self.mxa.build(input_shape)

    def call(self, x, return_intermediates=False):
        """Return the map after one block."""
        if self.mxa.arrangement == "paper":
            return super().call(x, return_intermediates)
        if not return_intermediates:
            return super().call(2.0 * x + self.attention(x) + self.mxa(x))
        update, before = self.attention(x, return_attention=True)
        looked, seen = self.mxa(x, return_intermediates=True)
        x, later = super().call(2.0 * x + update + looked, True)
        return x, {**later, **seen, "attention_before": before}

    def mix(self, x, return_intermediates):
        """Let places read from each other, and look again where the box says."""
        mixed, seen = super().mix(x, return_intermediates)
        if self.mxa.arrangement == "authors":
            return mixed, seen
        if not return_intermediates:
            return mixed + self.mxa(x), seen
        looked, more = self.mxa(x, return_intermediates=True)
        return mixed + looked, {**seen, **more}

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "mxa": self.mxa_options}


@keras.saving.register_keras_serializable("xraylab")
class EfficientViTMXA(EfficientViT):
    """EfficientViT with an MXA block in each of its blocks.

    Shapes:
        as in :class:`EfficientViT`. With ``return_intermediates=True`` also, each a dict by
        ``stage_0_block_0`` …, ``boxes`` (batch, 4), x1, y1, x2, y2 in [0, 1] from the upper left
        corner; ``channel_gates`` (batch, channels); ``spatial_gates`` (batch, height, width); and
        in the authors' arrangement ``attention_before``, the maps of the attention that runs once
        more before the block, shaped as those of ``attention``.

    Args:
        arrangement: ``"paper"`` or ``"authors"``, see :class:`MXA` and :class:`MXABlock`.
        reduction: channels over the width of the channel gate's hidden layer.
        kwargs: arguments of :class:`EfficientViT`.

    Raises:
        ValueError: if an argument is out of range or the sizes do not divide.

    Source: ``rand2025``, Sect. 2.2, App. D, E and O.
    """

    def __init__(self, image_size=224, num_labels=14, arrangement="paper", reduction=16, **kwargs):
        self.mxa_options = {"arrangement": arrangement, "reduction": reduction}
        super().__init__(image_size, num_labels, **kwargs)

    def make_block(self, attention, name):
        """Return a block with MXA."""
        return MXABlock(attention, self.mxa_options, name=name, dtype=self.dtype_policy)

    def get_config(self):
        """Return the arguments that make an equal model."""
        return {**super().get_config(), **self.mxa_options}
