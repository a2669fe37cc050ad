"""EfficientViT M0 to M5: windows and cascaded group attention (``liu2023``).

Four strided convolutions reduce the image to a small map; three stages follow. Most of a block is
cheap (depthwise convolutions and two-layer MLPs); its one attention is restricted to windows
of 7x7, and its heads run in sequence, each on its own group of channels plus the output of the head
before it.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from xraylab.arguments import invalid_argument, require_int, require_ints
from xraylab.backend import accelerators
from xraylab.layers.attention import scaled_dot_product_attention
from xraylab.layers.base import Layer, Shape, Sizes, Tensor, build_chain, kernel_initializer
from xraylab.layers.convolution import ConvNorm, SqueezeExcite, batch_norm
from xraylab.layers.tokens import patchify, unpatchify
from xraylab.models.base import ImageModel


class FeedForward(Layer):
    """Two 1x1 convolutions with a ReLU between them; the hidden width is twice the channels.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape, initially zero.
    """

    def create(self, channels: int) -> None:
        """Create the two convolutions."""
        self.widen = ConvNorm(2 * channels, activation="relu", name="widen", **self.policy)
        self.narrow = ConvNorm(channels, gamma=0.0, name="narrow", **self.policy)

    def call(self, x: Tensor) -> Tensor:
        """Apply the MLP at every position."""
        return self.narrow(self.widen(x))


class CascadedGroupAttention(Layer):
    """Attention whose heads run in sequence, each on a group of the channels.

    The input of head i is the i-th group of channels plus the output of head i - 1. Its scores have
    a learned bias that depends only on the distances |dy| and |dx| of query and key.

    Shapes:
        windows: (num_windows, side, side, channels).
        returns: the output, shaped as ``windows`` and initially zero, and the attention
        (num_windows, num_heads, side², side²), rows of which sum to 1.

    Args:
        num_heads: number of heads; must divide channels.
        key_dim: width of queries and keys.
        kernel_sizes: side of each head's depthwise convolution on the queries.

    References: Liu et al. 2023 (``liu2023``), Sect. 3.2.
    """

    def __init__(self, num_heads: int, key_dim: int, kernel_sizes: Sizes, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.key_dim, self.kernel_sizes = num_heads, key_dim, kernel_sizes

    def build(self, input_shape: Shape) -> None:
        """Create each head's convolutions and the table of biases."""
        num_windows, side, _, channels = input_shape
        value_dim, policy = channels // self.num_heads, self.policy
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
        options = {"name": "attention_bias", "initializer": "zeros"}
        self.attention_bias = self.add_weight((self.num_heads, side**2), **options)
        rows, columns = np.divmod(np.arange(side**2), side)
        distances = np.abs(rows[:, None] - rows) * side + np.abs(columns[:, None] - columns)
        self.bias_indices = distances.astype("int32")  # (side², side²), into the table of biases

    def call(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the heads in sequence."""
        _, side, _, channels = windows.shape
        key_dim, value_dim = self.key_dim, channels // self.num_heads
        bias = ops.take(self.attention_bias, self.bias_indices, axis=1)  # (num_heads, side², side²)
        groups = ops.split(windows, self.num_heads, axis=-1)
        outputs, maps = [], []
        output = 0.0
        for head, group in enumerate(groups):
            x = self.projections[head](group + output)  # (num_windows, side, side, 2·16 + value)
            query, key, value = ops.split(x, (key_dim, 2 * key_dim), axis=-1)
            query = self.query_convolutions[head](query)
            query, key, value = (
                ops.reshape(part, (-1, 1, side**2, part.shape[-1])) for part in (query, key, value)
            )  # (num_windows, 1, side², width)
            head_bias = bias[None, head, None]
            x, attention = scaled_dot_product_attention(query, key, value, head_bias)
            output = ops.reshape(x, (-1, side, side, value_dim))
            outputs.append(output)
            maps.append(attention)
        joined = self.join(ops.relu(ops.concatenate(outputs, axis=-1)))
        return joined, ops.concatenate(maps, axis=1)


class WindowAttention(CascadedGroupAttention):
    """Cascaded group attention inside windows of a map.

    A map that is no larger than a window is one window; a larger one is padded with zeros to whole
    windows.

    Shapes:
        x: (batch, height, width, channels), height equal to width.
        returns: the output, shaped as ``x``, and the attention
        (batch, windows, num_heads, side², side²), windows in raster order.

    Args:
        window_size: largest side of a window.

    References: Liu et al. 2023 (``liu2023``), Sect. 3.2, and its public code for the padding.
    """

    def __init__(
        self, num_heads: int, key_dim: int, kernel_sizes: Sizes, window_size: int = 7, **kwargs
    ):
        super().__init__(num_heads, key_dim, kernel_sizes, **kwargs)
        self.window_size = window_size

    def build(self, input_shape: Shape) -> None:
        """Create the weights for the side of a window."""
        side = min(self.window_size, input_shape[1])
        super().build((None, side, side, input_shape[-1]))

    def call(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Split into windows, attend, and merge the windows."""
        _, size, _, channels = x.shape
        side = min(self.window_size, size)
        count = -(-size // side)  # windows in a row
        padding = (0, count * side - size)
        x = ops.pad(x, ((0, 0), padding, padding, (0, 0))) if padding[1] else x
        windows = patchify(x, side)  # (batch, count², side² · channels)
        x, attention = super().call(ops.reshape(windows, (-1, side, side, channels)))
        attention = ops.reshape(attention, (-1, count**2, *attention.shape[1:]))
        windows = ops.reshape(x, (-1, *windows.shape[1:]))
        x = unpatchify(windows, side, count * side, count * side)
        return x[:, :size, :size], attention


class EfficientViTBlock(Layer):
    """Convolution, MLP, window attention, convolution, MLP, each with a residual connection.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape. With
        ``return_intermediates=True`` also a dict of ``attention``
        (batch, windows, num_heads, side², side²).

    Args:
        attention_options: arguments of :class:`WindowAttention`.

    References: Liu et al. 2023 (``liu2023``), Fig. 6.
    """

    def __init__(self, attention_options: dict, **kwargs):
        super().__init__(**kwargs)
        self.attention_options = dict(attention_options)
        policy = self.policy
        self.convolution_before = ConvNorm(None, 3, gamma=0.0, name="convolution_before", **policy)
        self.feed_forward_before = FeedForward(name="feed_forward_before", **policy)
        self.attention = WindowAttention(name="attention", **attention_options, **policy)
        self.convolution_after = ConvNorm(None, 3, gamma=0.0, name="convolution_after", **policy)
        self.feed_forward_after = FeedForward(name="feed_forward_after", **policy)

    def call(self, x: Tensor, return_intermediates: bool = False) -> Any:
        """Return the map after one block."""
        x = x + self.convolution_before(x)
        x = x + self.feed_forward_before(x)
        x, intermediates = self.mix(x)
        x = x + self.convolution_after(x)
        x = x + self.feed_forward_after(x)
        return (x, intermediates) if return_intermediates else x

    def mix(self, x: Tensor) -> tuple[Tensor, dict]:
        """Mix positions; return the map and the dict of intermediates."""
        update, attention = self.attention(x)
        return x + update, {"attention": attention}


class Downsampling(Layer):
    """Between two stages: half the side, another width, and two residual branches on either side.

    Shapes:
        x: (batch, size, size, channels); returns (batch, ceil(size / 2), ceil(size / 2), filters).

    Args:
        filters: channels of the output.

    References: Liu et al. 2023 (``liu2023``), Sect. 3.3, and its public code.
    """

    strides = 2

    def __init__(self, filters: int, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def create(self, channels: int) -> None:
        """Create the branches before, the downsampling, and the branches after."""
        policy = self.policy
        wide = {"activation": "relu", **policy}
        self.convolution_before = ConvNorm(None, 3, name="convolution_before", **policy)
        self.feed_forward_before = FeedForward(name="feed_forward_before", **policy)
        self.widen = ConvNorm(4 * channels, name="widen", **wide)
        self.halve = ConvNorm(None, 3, 2, name="halve", **wide)
        self.squeeze_excite = SqueezeExcite(channels, name="squeeze_excite", **policy)
        self.narrow = ConvNorm(self.filters, name="narrow", **policy)
        self.convolution_after = ConvNorm(None, 3, name="convolution_after", **policy)
        self.feed_forward_after = FeedForward(name="feed_forward_after", **policy)

    def call(self, x: Tensor) -> Tensor:
        """Return the smaller, wider map."""
        x = x + self.convolution_before(x)
        x = x + self.feed_forward_before(x)
        x = self.widen(x)  # (batch, size, size, 4·channels)
        x = self.halve(x)  # (batch, size / 2, size / 2, 4·channels)
        x = self.narrow(self.squeeze_excite(x))  # (batch, size / 2, size / 2, filters)
        x = x + self.convolution_after(x)
        return x + self.feed_forward_after(x)


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
        ValueError: if an argument is invalid.

    References: Liu et al. 2023 (``liu2023``), Sect. 3; widths, depths and heads ``rand2025``,
        Table N.1.
    """

    def __init__(
        self,
        image_size: int = 224,
        num_labels: int = 14,
        embed_dims: Sizes = (192, 288, 384),
        depths: Sizes = (1, 3, 4),
        num_heads: Sizes = (3, 3, 4),
        kernel_sizes: Sizes = (7, 5, 3, 3),
        key_dim: int = 16,
        window_size: int = 7,
        patch_size: int = 16,
        distillation: bool = False,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        self.embed_dims = require_ints("embed_dims", embed_dims, 1)
        self.depths = require_ints("depths", depths, 0)
        self.num_heads = require_ints("num_heads", num_heads, 1)
        self.kernel_sizes = require_ints("kernel_sizes", kernel_sizes, 1)
        if any(channels % heads for channels, heads in zip(embed_dims, num_heads, strict=True)):
            raise invalid_argument("num_heads", f"divisors of {self.embed_dims}", self.num_heads)
        if len(self.kernel_sizes) < (most := max(self.num_heads)):
            raise invalid_argument("kernel_sizes", f"at least {most} sizes", self.kernel_sizes)
        self.key_dim = require_int("key_dim", key_dim, 1)
        self.window_size = require_int("window_size", window_size, 1)
        self.patch_size = require_int("patch_size", patch_size, 1)
        convolutions = patch_size.bit_length() - 1
        if convolutions < 1 or patch_size != 2**convolutions or embed_dims[0] % (patch_size // 2):
            expected = "a power of two, at least 2, half of which divides embed_dims[0]="
            raise invalid_argument("patch_size", f"{expected}{embed_dims[0]}", patch_size)
        self.require_image_size(minimum=4 * patch_size, reason="a map for each of three stages")
        self.distillation = distillation
        self.num_tokens = (-(-self.image_size // patch_size)) ** 2
        # On a CPU, TensorFlow's XLA takes half a minute to compile this model and then runs its
        # depthwise convolutions several times slower (benchmarks/inference.py).
        self.supports_jit = keras.backend.backend() != "tensorflow" or bool(accelerators())
        self.stem = []
        for i in range(convolutions):
            last = i == convolutions - 1
            options = {"activation": None if last else "relu", "name": f"stem_{i}", **self.policy}
            width = embed_dims[0] // 2 ** (convolutions - 1 - i)
            self.stem.append(ConvNorm(width, 3, strides=2, **options))
        self.trunk = []
        windows = {"kernel_sizes": self.kernel_sizes, "window_size": window_size}
        stages = zip(embed_dims, depths, num_heads, strict=True)
        for stage, (channels, depth, heads) in enumerate(stages):
            if stage:
                name = f"downsampling_{stage}"
                self.trunk.append(Downsampling(channels, name=name, **self.policy))
            attention = {"num_heads": heads, "key_dim": key_dim, **windows}
            self.trunk += [
                self.make_block(attention, name=f"stage_{stage}_block_{i}") for i in range(depth)
            ]
        self.heads = [NormLinear(num_labels, dtype="float32", name="head")]
        if distillation:
            self.heads.append(NormLinear(num_labels, dtype="float32", name="distillation_head"))

    def build(self, input_shape: Shape) -> None:
        """Create the weights."""
        shape = build_chain([*self.stem, *self.trunk], (*input_shape[:-1], 3))
        for head in self.heads:
            head.build((None, shape[-1]))

    def make_block(self, attention: dict, name: str) -> EfficientViTBlock:
        """Create one block of a stage; a subclass may replace it."""
        return EfficientViTBlock(attention, name=name, **self.policy)

    def forward(self, images, training, return_intermediates, attention_transform) -> dict:
        """Compute the logits."""
        x = ops.repeat(images, 3, axis=-1)  # (batch, image_size, image_size, 3)
        for convolution in self.stem:
            x = convolution(x)  # at the end (batch, size, size, embed_dims[0])

        intermediates = {}
        for layer in self.trunk:
            if isinstance(layer, EfficientViTBlock):
                x, of_block = layer(x, return_intermediates=True)
                for kind, value in of_block.items():
                    intermediates.setdefault(kind, {})[layer.name] = value
            else:
                x = layer(x)

        logits = self._head_logits(x, training)
        intermediates |= {"logits": sum(logits) / len(logits), "features": x}
        if self.distillation:
            intermediates |= {"label_logits": logits[0], "distillation_logits": logits[1]}
        return intermediates

    def classify(self, features: Tensor, training: bool | None = None) -> Tensor:
        """Compute the logits from the last feature map, the mean over both heads if two."""
        logits = self._head_logits(features, training)
        return sum(logits) / len(logits)

    def _head_logits(self, features, training):
        """Compute each head's logits, (batch, num_labels)."""
        pooled = ops.mean(features, axis=(1, 2))  # (batch, embed_dims[-1])
        return [head(pooled, training=training) for head in self.heads]


class NormLinear(Layer):
    """Batch normalisation and a linear layer, from pooled features to logits.

    Shapes:
        x: (batch, channels); returns (batch, num_labels).

    Args:
        num_labels: number of labels.
    """

    def __init__(self, num_labels: int, **kwargs):
        super().__init__(**kwargs)
        self.num_labels = self.filters = num_labels
        self.norm = batch_norm("norm", **self.policy)
        options = {"kernel_initializer": kernel_initializer(0.02), **self.policy}
        self.linear = keras.layers.Dense(num_labels, name="linear", **options)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Compute the logits."""
        return self.linear(self.norm(x, training=training))
