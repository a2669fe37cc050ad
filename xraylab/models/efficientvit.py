"""EfficientViT M0 to M5: windows and cascaded group attention (``liu2023``).

Four strided convolutions reduce the image to a small map; three stages follow. Most of a block is
cheap (depthwise convolutions and two-layer perceptrons); its one attention is restricted to windows
of 7x7, and its heads run in sequence, each on its own group of channels plus the output of the head
before it.
"""

import keras
import numpy as np
from keras import ops

from xraylab.arguments import require_int
from xraylab.backend import accelerators
from xraylab.layers import (
    ConvNorm,
    Layer,
    SqueezeExcite,
    attend,
    batch_norm,
    kernel_initializer,
    scaled_dot_product_attention,
)
from xraylab.layers.base import build_chain
from xraylab.layers.convolution import strided_shape
from xraylab.models.base import ImageModel, require_ints


@keras.saving.register_keras_serializable("xraylab")
class FeedForward(Layer):
    """Two 1x1 convolutions with a ReLU between them; the hidden width is twice the channels.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape, initially zero.
    """

    def build(self, input_shape):
        """Create the two convolutions."""
        channels = input_shape[-1]
        policy = {"dtype": self.dtype_policy}
        self.widen = ConvNorm(2 * channels, activation="relu", name="widen", **policy)
        self.narrow = ConvNorm(channels, gamma=0.0, name="narrow", **policy)
        super().build(input_shape)

    def call(self, x):
        """Apply the perceptron at every position."""
        return self.narrow(self.widen(x))


@keras.saving.register_keras_serializable("xraylab")
class CascadedGroupAttention(Layer):
    """Attention whose heads run in sequence, each on a group of the channels.

    The input of head i is the i-th group of channels plus the output of head i - 1. Its scores have
    a learned bias that depends only on the distances |dy| and |dx| of query and key.

    Shapes:
        windows: (num_windows, side, side, channels), returned in the same shape, initially zero.
        With ``return_attention=True`` also attention (num_windows, num_heads, side², side²), rows
        of which sum to 1.

    Args:
        num_heads: number of heads; must divide channels.
        key_dim: width of queries and keys.
        kernel_sizes: side of each head's depthwise convolution on the queries.

    References: Liu et al. 2023 (``liu2023``), Sect. 3.2.
    """

    def __init__(self, num_heads, key_dim, kernel_sizes, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.key_dim, self.kernel_sizes = num_heads, key_dim, kernel_sizes

    def build(self, input_shape):
        """Create each head's convolutions and the table of biases."""
        num_windows, side, _, channels = input_shape
        value_dim = channels // self.num_heads
        policy = {"dtype": self.dtype_policy}
        self.projections, self.query_convolutions = [], []
        for i, kernel_size in enumerate(self.kernel_sizes[: self.num_heads]):
            projection = ConvNorm(2 * self.key_dim + value_dim, name=f"projection_{i}", **policy)
            projection.build((num_windows, side, side, value_dim))
            self.projections.append(projection)
            convolution = ConvNorm(None, kernel_size, name=f"query_convolution_{i}", **policy)
            convolution.build((num_windows, side, side, self.key_dim))
            self.query_convolutions.append(convolution)
        self.join = ConvNorm(channels, gamma=0.0, name="join", **policy)
        self.join.build(input_shape)
        self.attention_bias = self.add_weight(
            name="attention_bias", shape=(self.num_heads, side**2), initializer="zeros"
        )
        rows, columns = np.divmod(np.arange(side**2), side)
        distances = np.abs(rows[:, None] - rows) * side + np.abs(columns[:, None] - columns)
        self.bias_indices = distances.astype("int32")  # (side², side²), into the table of biases

    def call(self, windows, return_attention=False):
        """Apply the heads in sequence."""
        _, side, _, channels = windows.shape
        key_dim, value_dim = self.key_dim, channels // self.num_heads
        bias = ops.take(self.attention_bias, self.bias_indices, axis=1)  # (num_heads, side², side²)
        groups = ops.split(windows, self.num_heads, axis=-1)
        outputs, attention = [], []
        output = 0.0
        for head, group in enumerate(groups):
            x = self.projections[head](group + output)  # (num_windows, side, side, 2·16 + value)
            query, key, value = ops.split(x, (key_dim, 2 * key_dim), axis=-1)
            query = self.query_convolutions[head](query)
            query, key, value = (
                ops.reshape(part, (-1, 1, side**2, part.shape[-1])) for part in (query, key, value)
            )  # (num_windows, 1, side², width)
            if return_attention:
                x, weights = scaled_dot_product_attention(query, key, value, bias[None, head, None])
                attention.append(weights)
            else:
                x = attend(query, key, value, bias[None, head, None])
            output = ops.reshape(x, (-1, side, side, value_dim))
            outputs.append(output)
        x = self.join(ops.relu(ops.concatenate(outputs, axis=-1)))
        return (x, ops.concatenate(attention, axis=1)) if return_attention else x


@keras.saving.register_keras_serializable("xraylab")
class WindowAttention(CascadedGroupAttention):
    """Cascaded group attention inside windows of a map.

    A map that is no larger than a window is one window; a larger one is padded with zeros to whole
    windows.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape, height equal to width.
        With ``return_attention=True`` also attention (batch, windows, num_heads, side², side²),
        windows in raster order.

    Args:
        window_size: largest side of a window.

    References: Liu et al. 2023 (``liu2023``), Sect. 3.2, and its public code for the padding.
    """

    def __init__(self, num_heads, key_dim, kernel_sizes, window_size=7, **kwargs):
        super().__init__(num_heads, key_dim, kernel_sizes, **kwargs)
        self.window_size = window_size

    def build(self, input_shape):
        """Create the weights for the side of a window."""
        side = min(self.window_size, input_shape[1])
        super().build((None, side, side, input_shape[-1]))

    def call(self, x, return_attention=False):
        """Split into windows, attend, and merge the windows."""
        _, size, _, channels = x.shape
        side = min(self.window_size, size)
        count = -(-size // side)  # windows in a row
        padding = (0, count * side - size)
        x = ops.pad(x, ((0, 0), padding, padding, (0, 0))) if padding[1] else x
        x = ops.reshape(x, (-1, count, side, count, side, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # (batch, count, count, side, side, channels)
        windows = ops.reshape(x, (-1, side, side, channels))
        output = super().call(windows, return_attention=return_attention)
        x, attention = output if return_attention else (output, None)
        x = ops.reshape(x, (-1, count, count, side, side, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # (batch, count, side, count, side, channels)
        x = ops.reshape(x, (-1, count * side, count * side, channels))[:, :size, :size]
        if not return_attention:
            return x
        return x, ops.reshape(attention, (-1, count**2, self.num_heads, side**2, side**2))


@keras.saving.register_keras_serializable("xraylab")
class EfficientViTBlock(Layer):
    """Convolution, perceptron, window attention, convolution, perceptron, each with a residual.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape. With
        ``return_intermediates=True`` also a dict of ``attention``
        (batch, windows, num_heads, side², side²).

    Args:
        attention_options: arguments of :class:`WindowAttention`.

    References: Liu et al. 2023 (``liu2023``), Fig. 6.
    """

    def __init__(self, attention_options, **kwargs):
        super().__init__(**kwargs)
        self.attention_options = dict(attention_options)
        policy = {"dtype": self.dtype_policy}
        self.convolution_before = ConvNorm(None, 3, gamma=0.0, name="convolution_before", **policy)
        self.feed_forward_before = FeedForward(name="feed_forward_before", **policy)
        self.attention = WindowAttention(name="attention", **attention_options, **policy)
        self.convolution_after = ConvNorm(None, 3, gamma=0.0, name="convolution_after", **policy)
        self.feed_forward_after = FeedForward(name="feed_forward_after", **policy)

    def call(self, x, return_intermediates=False):
        """Return the map after one block."""
        x = x + self.convolution_before(x)
        x = x + self.feed_forward_before(x)
        x, intermediates = self.mix(x, return_intermediates)
        x = x + self.convolution_after(x)
        x = x + self.feed_forward_after(x)
        return (x, intermediates) if return_intermediates else x

    def mix(self, x, return_intermediates):
        """Mix positions; return the map and the dict of intermediates."""
        if not return_intermediates:
            return x + self.attention(x), {}
        update, attention = self.attention(x, return_attention=True)
        return x + update, {"attention": attention}


@keras.saving.register_keras_serializable("xraylab")
class Downsampling(Layer):
    """Between two stages: half the side, another width, and two residual branches on either side.

    Shapes:
        x: (batch, size, size, channels); returns (batch, ceil(size / 2), ceil(size / 2), filters).

    Args:
        filters: channels of the output.

    References: Liu et al. 2023 (``liu2023``), Sect. 3.3, and its public code.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        """Create the branches before, the downsampling, and the branches after."""
        channels = input_shape[-1]
        policy = {"dtype": self.dtype_policy}
        wide = {"activation": "relu", **policy}
        self.convolution_before = ConvNorm(None, 3, name="convolution_before", **policy)
        self.feed_forward_before = FeedForward(name="feed_forward_before", **policy)
        self.widen = ConvNorm(4 * channels, name="widen", **wide)
        self.halve = ConvNorm(None, 3, 2, name="halve", **wide)
        self.squeeze_excite = SqueezeExcite(channels, name="squeeze_excite", **policy)
        self.narrow = ConvNorm(self.filters, name="narrow", **policy)
        self.convolution_after = ConvNorm(None, 3, name="convolution_after", **policy)
        self.feed_forward_after = FeedForward(name="feed_forward_after", **policy)
        super().build(input_shape)

    def call(self, x):
        """Return the smaller, wider map."""
        x = x + self.convolution_before(x)
        x = x + self.feed_forward_before(x)
        x = self.widen(x)  # (batch, size, size, 4·channels)
        x = self.halve(x)  # (batch, size / 2, size / 2, 4·channels)
        x = self.narrow(self.squeeze_excite(x))  # (batch, size / 2, size / 2, filters)
        x = x + self.convolution_after(x)
        return x + self.feed_forward_after(x)

    def compute_output_shape(self, input_shape):
        """Return the shape of the smaller map."""
        return strided_shape(input_shape, 2, self.filters)


@keras.saving.register_keras_serializable("xraylab")
class EfficientViT(ImageModel):
    """EfficientViT for multi-label classification.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1]; repeated to three channels.
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``attention``, a dict of the maps of ``stage_0_block_0`` …
        (batch, windows, num_heads, side², side²); and ``features``, the last map
        (batch, height, width, embed_dims[-1]). With ``distillation=True`` the logits are the mean
        of two heads, and the dict also has ``label_logits`` and ``distillation_logits``, one of
        each head.

    Args:
        image_size: side of the image in pixels, at least 4 · ``patch_size``.
        num_labels: number of labels, at least 1.
        embed_dims: channels of the three stages.
        depths: blocks of the three stages.
        num_heads: attention heads of the three stages; each must divide its stage's channels.
        kernel_sizes: side of each head's convolution on the queries, first head first.
        key_dim: width of queries and keys.
        window_size: largest side of an attention window.
        patch_size: total stride of the stem, a power of two.
        distillation: add a second head, which learns from a teacher while the first learns from
            the labels.

    Attributes:
        num_tokens: number of positions of the first stage's map, without padding.

    Raises:
        ValueError: if an argument is out of range or the sizes do not divide.

    References: Liu et al. 2023 (``liu2023``), Sect. 3; widths, depths and heads ``rand2025``,
        Table N.1.
    """

    def __init__(
        self,
        image_size=224,
        num_labels=14,
        embed_dims=(192, 288, 384),
        depths=(1, 3, 4),
        num_heads=(3, 3, 4),
        kernel_sizes=(7, 5, 3, 3),
        key_dim=16,
        window_size=7,
        patch_size=16,
        distillation=False,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        _require_stages(embed_dims, depths, num_heads, kernel_sizes)
        self.embed_dims, self.depths = tuple(embed_dims), tuple(depths)
        self.num_heads, self.kernel_sizes = tuple(num_heads), tuple(kernel_sizes)
        self.key_dim = require_int("key_dim", key_dim, 1)
        self.window_size = require_int("window_size", window_size, 1)
        self.patch_size = require_int("patch_size", patch_size, 1)
        convolutions = patch_size.bit_length() - 1
        if convolutions < 1 or patch_size != 2**convolutions or embed_dims[0] % (patch_size // 2):
            raise ValueError(
                "Invalid patch_size. Expected: a power of two, at least 2, half of which divides "
                f"embed_dims[0]={embed_dims[0]}. Received: {patch_size}"
            )
        self.require_image_size(minimum=4 * patch_size, reason="a map for each of three stages")
        self.distillation = distillation
        self.num_tokens = (-(-self.image_size // patch_size)) ** 2
        self.supports_jit = _xla_is_fast()
        policy = {"dtype": self.dtype_policy}
        self.stem = [
            ConvNorm(
                embed_dims[0] // 2 ** (convolutions - 1 - i),
                3,
                strides=2,
                activation="relu" if i < convolutions - 1 else None,
                name=f"stem_{i}",
                **policy,
            )
            for i in range(convolutions)
        ]
        self.trunk = []
        for stage, (channels, depth, heads) in enumerate(
            zip(embed_dims, depths, num_heads, strict=True)
        ):
            if stage:
                self.trunk.append(Downsampling(channels, name=f"downsampling_{stage}", **policy))
            attention = {
                "num_heads": heads,
                "key_dim": key_dim,
                "kernel_sizes": self.kernel_sizes,
                "window_size": window_size,
            }
            self.trunk += [
                self.make_block(attention, name=f"stage_{stage}_block_{i}") for i in range(depth)
            ]
        self.heads = [NormLinear(num_labels, dtype="float32", name="head")]
        if distillation:
            self.heads.append(NormLinear(num_labels, dtype="float32", name="distillation_head"))

    def build(self, input_shape):
        """Create the weights."""
        shape = build_chain([*self.stem, *self.trunk], (*input_shape[:-1], 3))
        for head in self.heads:
            head.build((None, shape[-1]))

    def make_block(self, attention, name):
        """Create one block of a stage; a subclass may replace it."""
        return EfficientViTBlock(attention, name=name, dtype=self.dtype_policy)

    def forward(self, images, training, return_intermediates, attention_transform):
        """Compute the logits."""
        x = ops.repeat(images, 3, axis=-1)  # (batch, image_size, image_size, 3)
        for convolution in self.stem:
            x = convolution(x)  # at the end (batch, size, size, embed_dims[0])

        intermediates = {}
        for layer in self.trunk:
            if not (return_intermediates and isinstance(layer, EfficientViTBlock)):
                x = layer(x)
                continue
            x, of_block = layer(x, return_intermediates=True)
            for kind, value in of_block.items():
                intermediates.setdefault(kind, {})[layer.name] = value

        logits = self._head_logits(x, training)
        out = {"logits": sum(logits) / len(logits), **intermediates, "features": x}
        if self.distillation:
            out |= {"label_logits": logits[0], "distillation_logits": logits[1]}
        return out

    def classify(self, features, training=None):
        """Compute the logits from the last feature map, the mean over both heads if two."""
        logits = self._head_logits(features, training)
        return sum(logits) / len(logits)

    def _head_logits(self, features, training):
        """Compute each head's logits, (batch, num_labels)."""
        pooled = ops.mean(features, axis=(1, 2))  # (batch, embed_dims[-1])
        return [head(pooled, training=training) for head in self.heads]


@keras.saving.register_keras_serializable("xraylab")
class NormLinear(Layer):
    """Batch normalisation and a linear layer, from pooled features to logits.

    Shapes:
        x: (batch, channels); returns (batch, num_labels).

    Args:
        num_labels: number of labels.
    """

    def __init__(self, num_labels, **kwargs):
        super().__init__(**kwargs)
        self.num_labels = num_labels
        self.norm = batch_norm("norm", dtype=self.dtype_policy)
        self.linear = keras.layers.Dense(
            num_labels,
            kernel_initializer=kernel_initializer(0.02),
            dtype=self.dtype_policy,
            name="linear",
        )

    def call(self, x, training=None):
        """Compute the logits."""
        return self.linear(self.norm(x, training=training))

    def compute_output_shape(self, input_shape):
        """Return the shape of the logits."""
        return (input_shape[0], self.num_labels)


def _xla_is_fast():
    """Return whether compilation by XLA pays.

    On a CPU, TensorFlow's XLA takes half a minute to compile this model and then runs its depthwise
    convolutions several times slower (benchmarks/inference.py).
    """
    return keras.backend.backend() != "tensorflow" or bool(accelerators())


def _require_stages(embed_dims, depths, num_heads, kernel_sizes):
    """Raise a ValueError for stages that do not match, or channels that do not divide."""
    if not len(embed_dims) == len(depths) == len(num_heads) == 3:
        raise ValueError(
            "embed_dims, depths and num_heads describe three stages. Expected: three numbers each. "
            f"Received: {embed_dims}, {depths} and {num_heads}"
        )
    require_ints("depths", depths, 0)
    require_ints("embed_dims", embed_dims, 1)
    require_ints("num_heads", num_heads, 1)
    require_ints("kernel_sizes", kernel_sizes, 1)
    for channels, heads in zip(embed_dims, num_heads, strict=True):
        if channels % heads:
            raise ValueError(
                "num_heads must divide embed_dims, stage by stage. Expected: a divisor of "
                f"{channels}. Received: {heads} heads"
            )
    if len(kernel_sizes) < max(num_heads):
        raise ValueError(
            "kernel_sizes must have one side per head. Expected: at least "
            f"{max(num_heads)} values. Received: {tuple(kernel_sizes)}"
        )
