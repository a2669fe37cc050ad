"""EfficientViT with medical X-ray attention (MXA) blocks (``rand2025``).

Beside the window attention of every block, a small convolutional network proposes a box on the
feature map. The content of the box is resized to the whole map, and two gates reweight its channels
and its positions. The paper and its authors' code arrange this differently; both are implemented.
"""

from typing import Any

import keras
from keras import ops

from xraylab.arguments import require_choice, require_int
from xraylab.layers.base import Layer, Shape, Tensor, sublayers
from xraylab.layers.convolution import convolution
from xraylab.models.efficientvit import EfficientViT, EfficientViTBlock

MINIMUM_SIDE = 0.2
"""Smallest side of a learned box, as a fraction of the image's."""

INITIAL_SIDE = 0.75
"""Side of a learned box before training."""


def bilinear_sampling_matrix(
    start: Tensor, stop: Tensor, size: int, clamp_to_box: bool = False
) -> Tensor:
    """Compute linear interpolation weights that resample an interval to a full axis.

    Output position ``i`` lies at ``start + (stop - start) * (i + 0.5) / size``. Positions beyond
    the outermost pixel centres take the border pixel. Cropping to any width and resizing is thus a
    product with a matrix of fixed shape.

    Shapes:
        start, stop: (batch,) float, fractions of the axis in [0, 1], start < stop.
        returns: (batch, size, size); row ``i`` holds the weights of the input pixels, sum 1.

    Args:
        clamp_to_box: clamp to the interval's own outermost pixels, as if it were cropped first.

    References: Jaderberg et al. 2015 (``jaderberg2015``), Eq. 5, separated by axis.
    """
    start, stop = start[:, None] * size, stop[:, None] * size  # in pixels
    steps = (ops.arange(size, dtype="float32") + 0.5) / size
    at = start + (stop - start) * steps - 0.5  # 0 is the centre of the first pixel
    at = ops.clip(at, start, stop - 1.0) if clamp_to_box else ops.clip(at, 0.0, size - 1.0)
    pixels = ops.arange(size, dtype="float32")
    return ops.relu(1.0 - ops.abs(at[:, :, None] - pixels))


def crop_and_resize(x: Tensor, boxes: Tensor, clamp_to_box: bool = False) -> Tensor:
    """Resize the content of one box per image to the whole map, by bilinear interpolation.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.
        boxes: (batch, 4) in [0, 1]: x1, y1, x2, y2 from the upper left corner.

    Args:
        clamp_to_box: as for :func:`bilinear_sampling_matrix`.
    """
    _, height, width, channels = x.shape
    x1, y1, x2, y2 = ops.unstack(boxes, axis=1)
    rows = ops.cast(bilinear_sampling_matrix(y1, y2, height, clamp_to_box), x.dtype)
    columns = ops.cast(bilinear_sampling_matrix(x1, x2, width, clamp_to_box), x.dtype)
    x = ops.matmul(rows, ops.reshape(x, (-1, height, width * channels)))
    x = ops.reshape(x, (-1, height, width, channels))
    return ops.matmul(columns[:, None], x)


class RegionProposal(Layer):
    """Predict four numbers per map by a 3x3 convolution, ReLU, a 1x1 convolution and the mean.

    Shapes:
        x: (batch, height, width, channels).
        returns: (batch, 4) float32, unbounded, or in (0, 1) with a sigmoid before the mean.

    Args:
        sigmoid: apply a sigmoid before the mean, as in the authors' code.

    References: ``rand2025``, App. D; kernels and widths from its public code.
    """

    def __init__(self, sigmoid: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.sigmoid = sigmoid

    def create(self, channels: int) -> None:
        """Create the two convolutions."""
        half = channels // 2

        def pytorch_default():
            return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")

        options = {"kernel_initializer": pytorch_default(), "name": "conv", **self.policy}
        self.conv = convolution(half, 3, padding="same", activation="relu", **options)
        # Coordinates stay in float32 under mixed precision.
        options = {"dtype": "float32", "name": "coordinates"}
        if self.sigmoid:  # PyTorch's initializers
            options |= {
                "activation": "sigmoid",
                "kernel_initializer": pytorch_default(),
                "bias_initializer": keras.initializers.RandomUniform(-(half**-0.5), half**-0.5),
            }
        else:  # near zero, so that the initial box is the same for every image
            options["kernel_initializer"] = keras.initializers.RandomNormal(stddev=0.01)
        self.coordinates = keras.layers.Conv2D(4, 1, **options)

    def call(self, x: Tensor) -> Tensor:
        """Predict four numbers per map."""
        return ops.mean(self.coordinates(self.conv(x)), axis=(1, 2))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the four numbers."""
        return (input_shape[0], 4)


def learnable_box(numbers: Tensor) -> Tensor:
    """Compute a box from four unbounded numbers: the position of its centre and its two sides.

    For any numbers, the box lies in the image and its sides are between :data:`MINIMUM_SIDE` and 1.
    Zeros give the centred box of side :data:`INITIAL_SIDE`.

    Shapes:
        numbers: (batch, 4), unbounded logits of centre x and y, width and height.
        returns: (batch, 4) in [0, 1]: x1, y1, x2, y2, with x1 < x2 and y1 < y2.
    """
    initial = (INITIAL_SIDE - MINIMUM_SIDE) / (1 - MINIMUM_SIDE)
    offset = ops.log(initial / (1 - initial))
    sides = MINIMUM_SIDE + (1 - MINIMUM_SIDE) * ops.sigmoid(numbers[:, 2:] + offset)
    lower = (1 - sides) * ops.sigmoid(numbers[:, :2])
    return ops.concatenate([lower, lower + sides], axis=1)


def round_box_to_grid(boxes: Tensor, height: int, width: int) -> Tensor:
    """Round boxes down to whole pixels of a map; an empty box becomes the whole map.

    Rounding has no gradient.

    Shapes:
        boxes: (batch, 4) in [0, 1]: x1, y1, x2, y2; a box with x1 ≥ x2 or y1 ≥ y2 is empty.
        returns: (batch, 4) in [0, 1], with x1 < x2 and y1 < y2.

    Args:
        height, width: sides of the map in pixels.
    """
    sides = ops.convert_to_tensor([width, height, width, height], "float32")
    pixels = ops.floor(boxes * sides)
    empty = ops.any(pixels[:, 2:] <= pixels[:, :2], axis=1, keepdims=True)
    whole = ops.convert_to_tensor([[0.0, 0.0, 1.0, 1.0]], "float32")
    return ops.where(empty, whole, pixels / sides)


class ChannelGate(Layer):
    """Compute channel weights by a two-layer MLP from the channels' means (and maxima).

    Shapes:
        x: (batch, height, width, channels); returns the gate (batch, channels) in (0, 1).

    Args:
        reduction: channels divided by the width of the hidden layer.
        use_max: apply the same MLP to the maxima and add the results.

    References: Woo et al. 2018 (``woo2018``), Eq. 2; ``rand2025``, App. E.1.
    """

    def __init__(self, reduction: int = 16, use_max: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.reduction, self.use_max = reduction, use_max

    def create(self, channels: int) -> None:
        """Create the MLP, which has no biases."""
        width = max(1, channels // self.reduction)
        options = {"use_bias": False, **self.policy}
        self.reduce = keras.layers.Dense(width, activation="relu", name="reduce", **options)
        self.expand = keras.layers.Dense(channels, name="expand", **options)

    def call(self, x: Tensor) -> Tensor:
        """Compute the weight of every channel."""
        scores = self.expand(self.reduce(ops.mean(x, axis=(1, 2))))
        if self.use_max:
            scores = scores + self.expand(self.reduce(ops.max(x, axis=(1, 2))))
        return ops.sigmoid(scores)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the gate."""
        return (input_shape[0], input_shape[-1])


class SpatialGate(Layer):
    """Compute position weights by a 7x7 convolution of the maximum and mean over channels.

    Shapes:
        x: (batch, height, width, channels); returns the gate (batch, height, width) in (0, 1).

    References: Woo et al. 2018 (``woo2018``), Eq. 3; ``rand2025``, App. E.2.
    """

    def build(self, input_shape: Shape) -> None:
        """Create the convolution, which has no bias."""
        options = {"use_bias": False, "name": "convolution", **self.policy}
        self.convolution = keras.layers.Conv2D(1, 7, padding="same", **options)
        self.convolution.build((*input_shape[:-1], 2))

    def call(self, x: Tensor) -> Tensor:
        """Compute the weight of every position."""
        pooled = ops.stack([ops.max(x, axis=-1), ops.mean(x, axis=-1)], axis=-1)
        return ops.sigmoid(self.convolution(pooled)[..., 0])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the gate."""
        return input_shape[:-1]


class MXA(Layer):
    """Medical X-ray attention: crop the map to a predicted box, resize, and apply two gates.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape. With
        ``return_intermediates=True`` also a dict of ``boxes`` (batch, 4), x1, y1, x2, y2 in
        [0, 1] from the upper left corner; ``channel_gates`` (batch, channels); and
        ``spatial_gates`` (batch, height, width).

    Args:
        arrangement: ``"paper"`` samples at continuous coordinates, which have gradients, and pools
            each channel by mean and maximum. ``"authors"`` follows the public code: coordinates
            are rounded to whole pixels and have no gradients, an empty box becomes the whole map,
            and channels are pooled by the mean only.
        reduction: channels divided by the width of the channel gate's hidden layer.
        box: ``"predicted"``, or ``"whole"`` for the whole map, which leaves only the two gates: an
            ablation that is not in the source.

    Raises:
        ValueError: if an argument is invalid.

    References: ``rand2025``, App. D and E, and its public code.
    """

    def __init__(
        self, arrangement: str = "paper", reduction: int = 16, box: str = "predicted", **kwargs
    ):
        super().__init__(**kwargs)
        self.arrangement = require_choice("arrangement", arrangement, ("paper", "authors"))
        self.reduction = require_int("reduction", reduction, 1)
        self.box = require_choice("box", box, ("predicted", "whole"))
        paper, policy = arrangement == "paper", self.policy
        if box == "predicted":
            self.region_proposal = RegionProposal(not paper, name="region_proposal", **policy)
        self.channel_gate = ChannelGate(reduction, use_max=paper, name="channel_gate", **policy)
        self.spatial_gate = SpatialGate(name="spatial_gate", **policy)

    def build(self, input_shape: Shape) -> None:
        """Build the region proposal and the gates."""
        for layer in sublayers(self):
            layer.build(input_shape)

    def call(self, x: Tensor, return_intermediates: bool = False) -> Any:
        """Compute the gated map."""
        _, height, width, _ = x.shape
        paper = self.arrangement == "paper"
        if self.box == "predicted":
            numbers = self.region_proposal(x)  # (batch, 4)
            boxes = learnable_box(numbers) if paper else round_box_to_grid(numbers, height, width)
            x = crop_and_resize(x, boxes, clamp_to_box=not paper)  # shaped as before
        else:
            whole = ops.convert_to_tensor([[0.0, 0.0, 1.0, 1.0]], "float32")
            boxes = ops.broadcast_to(whole, (ops.shape(x)[0], 4))
        channel_gates = self.channel_gate(x)
        x = x * channel_gates[:, None, None, :]
        spatial_gates = self.spatial_gate(x)
        x = x * spatial_gates[..., None]
        gates = {"channel_gates": channel_gates, "spatial_gates": spatial_gates}
        return (x, {"boxes": boxes, **gates}) if return_intermediates else x


class MXABlock(EfficientViTBlock):
    """A block of EfficientViT with MXA beside its window attention.

    In the paper's arrangement, x + attention(x) becomes x + attention(x) + MXA(x). The authors'
    code computes (x + attention(x)) + (x + MXA(x)) before the block, and then runs the block with
    the same attention, weights shared, once more.

    Shapes:
        as in :class:`EfficientViTBlock`; the intermediates include those of :class:`MXA`, and in
        the authors' arrangement ``attention_before``, the first of the two attention maps.

    Args:
        attention_options: arguments of :class:`xraylab.models.efficientvit.WindowAttention`.
        mxa_options: arguments of :class:`MXA`.

    References: ``rand2025``, Sect. 2.2, and its public code.
    """

    def __init__(self, attention_options: dict, mxa_options: dict, **kwargs):
        super().__init__(attention_options, **kwargs)
        self.mxa_options = dict(mxa_options)
        self.mxa = MXA(name="mxa", **mxa_options, **self.policy)

    def call(self, x: Tensor, return_intermediates: bool = False) -> Any:
        """Apply the block."""
        if self.mxa.arrangement == "paper":
            return super().call(x, return_intermediates)
        update, attention = self.attention(x)
        crop, of_mxa = self.mxa(x, return_intermediates=True)
        x, of_block = super().call(2.0 * x + update + crop, True)
        intermediates = {**of_block, **of_mxa, "attention_before": attention}
        return (x, intermediates) if return_intermediates else x

    def mix(self, x: Tensor) -> tuple[Tensor, dict]:
        """Mix positions by attention, and in the paper's arrangement add the MXA."""
        mixed, intermediates = super().mix(x)
        if self.mxa.arrangement == "authors":
            return mixed, intermediates
        crop, of_mxa = self.mxa(x, return_intermediates=True)
        return mixed + crop, {**intermediates, **of_mxa}


class EfficientViTMXA(EfficientViT):
    """EfficientViT with MXA in each of its blocks.

    Shapes:
        as in :class:`EfficientViT`. With ``return_intermediates=True`` also, each a dict by
        ``stage_0_block_0`` …, ``boxes`` (batch, 4), x1, y1, x2, y2 in [0, 1] from the upper left
        corner; ``channel_gates`` (batch, channels); ``spatial_gates`` (batch, height, width); and
        in the authors' arrangement ``attention_before``, the maps of the attention that runs once
        more before the block, shaped as those of ``attention``.

    Args:
        arrangement: ``"paper"`` or ``"authors"``, see :class:`MXA` and :class:`MXABlock`.
        reduction: channels divided by the width of the channel gate's hidden layer.
        box: ``"predicted"`` or ``"whole"``, see :class:`MXA`.
        kwargs: arguments of :class:`EfficientViT`.

    Raises:
        ValueError: if an argument is invalid.

    References: ``rand2025``, Sect. 2.2, App. D, E and O.
    """

    def __init__(
        self,
        image_size: int = 224,
        num_labels: int = 14,
        arrangement: str = "paper",
        reduction: int = 16,
        box: str = "predicted",
        **kwargs,
    ):
        self.mxa_options = {"arrangement": arrangement, "reduction": reduction, "box": box}
        super().__init__(image_size, num_labels, **kwargs)
        self.arrangement, self.reduction, self.box = arrangement, reduction, box

    def make_block(self, attention: dict, name: str) -> EfficientViTBlock:
        """Create a block with MXA."""
        return MXABlock(attention, self.mxa_options, name=name, **self.policy)
