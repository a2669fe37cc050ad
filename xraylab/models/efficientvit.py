"""EfficientViT M0 to M5: windows and cascaded group attention (``liu2023``).

Four strided convolutions make a small map of the image; three stages follow. Most of a block is
cheap (depthwise convolutions and two-layer perceptrons); its one attention stays inside windows of
7x7, and its heads work one after the other, each on its own share of the channels plus what the
head before it found.
"""

import keras
import numpy as np
from keras import ops

from xraylab.backend import accelerators
from xraylab.layers import (
    ConvNorm,
    SqueezeExcite,
    attend,
    batch_norm,
    scaled_dot_product_attention,
)
from xraylab.models.arguments import require_each, require_whole
from xraylab.models.base import ImageModel


@keras.saving.register_keras_serializable("xraylab")
class FeedForward(keras.layers.Layer):
    """Two 1x1 convolutions with a ReLU between them, twice as wide in the middle.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape. It starts as nothing.
    """

    def build(self, input_shape):
        """Create the two convolutions."""
        channels = input_shape[-1]
        policy = {"dtype": self.dtype_policy}
        self.widen = ConvNorm(2 * channels, activation="relu", name="widen", **policy)
        self.narrow = ConvNorm(channels, gamma=0.0, name="narrow", **policy)
        self.widen.build(input_shape)
        self.narrow.build((*input_shape[:-1], 2 * channels))

    def call(self, x):
        """Treat every place by itself."""
        return self.narrow(self.widen(x))


@keras.saving.register_keras_serializable("xraylab")
class CascadedGroupAttention(keras.layers.Layer):
    """Heads that work one after the other, each on a share of the channels.

    Head i sees the i-th share of the channels plus what head i - 1 answered. Its scores get a
    learned bias that depends on how far query and key lie apart, |dy| and |dx|, and on nothing
    else.

    Shapes:
        windows: (num_windows, side, side, channels), returned in the same shape. It starts as
        nothing. With ``return_attention=True`` also attention
        (num_windows, num_heads, side², side²), rows of which sum to 1.

    Args:
        num_heads: number of heads; must divide channels.
        key_dim: width of queries and keys.
        kernel_sizes: side of each head's depthwise convolution on the queries.

    Source: ``liu2023``, Sect. 3.2.
    """

    def __init__(self, num_heads, key_dim, kernel_sizes, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.key_dim, self.kernel_sizes = num_heads, key_dim, kernel_sizes

    def build(self, input_shape):
        """Create every head's convolutions and the table of biases."""
        num_windows, side, _, channels = input_shape
        value_dim = channels // self.num_heads
        map_shape = (num_windows, side, side)
        policy = {"dtype": self.dtype_policy}
        self.projections, self.query_convolutions = [], []
        for i, kernel_size in enumerate(self.kernel_sizes[: self.num_heads]):
            projection = ConvNorm(2 * self.key_dim + value_dim, name=f"projection_{i}", **policy)
            projection.build((*map_shape, value_dim))
            self.projections.append(projection)
            convolution = ConvNorm(None, kernel_size, name=f"query_convolution_{i}", **policy)
            convolution.build((*map_shape, self.key_dim))
            self.query_convolutions.append(convolution)
        self.join = ConvNorm(channels, gamma=0.0, name="join", **policy)
        self.join.build(input_shape)
        self.attention_bias = self.add_weight(
            name="attention_bias", shape=(self.num_heads, side**2), initializer="zeros"
        )
        rows, columns = np.divmod(np.arange(side**2), side)
        apart = np.abs(rows[:, None] - rows) * side + np.abs(columns[:, None] - columns)
        self.places_apart = apart.astype("int32")  # (side², side²), a row of the table

    def call(self, windows, return_attention=False):
        """Let every place of a window read from the window, head after head."""
        _, side, _, channels = windows.shape
        key_dim, value_dim = self.key_dim, channels // self.num_heads
        bias = ops.take(self.attention_bias, self.places_apart, axis=1)  # (num_heads, side², side²)
        shares = ops.split(windows, self.num_heads, axis=-1)
        answers, attention = [], []
        answer = 0.0
        for head, share in enumerate(shares):
            x = self.projections[head](share + answer)  # (num_windows, side, side, 2·16 + value)
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
            answer = ops.reshape(x, (-1, side, side, value_dim))
            answers.append(answer)
        x = self.join(ops.relu(ops.concatenate(answers, axis=-1)))
        return (x, ops.concatenate(attention, axis=1)) if return_attention else x

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "kernel_sizes": self.kernel_sizes,
        }


@keras.saving.register_keras_serializable("xraylab")
class WindowAttention(CascadedGroupAttention):
    """Cascaded group attention inside windows of a map.

    A map that is no larger than a window is one window; a larger one is filled up with zeros to
    whole windows.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape, height equal to width.
        With ``return_attention=True`` also attention (batch, windows, num_heads, side², side²),
        windows in raster order.

    Args:
        window_size: largest side of a window.

    Source: ``liu2023``, Sect. 3.2, and its public code, from which the padding is taken.
    """

    def __init__(self, num_heads, key_dim, kernel_sizes, window_size=7, **kwargs):
        super().__init__(num_heads, key_dim, kernel_sizes, **kwargs)
        self.window_size = window_size

    def build(self, input_shape):
        """Create the weights of a window of the side that fits."""
        side = min(self.window_size, input_shape[1])
        super().build((None, side, side, input_shape[-1]))

    def call(self, x, return_attention=False):
        """Cut into windows, attend, and put the windows back."""
        _, size, _, channels = x.shape
        side = min(self.window_size, size)
        count = -(-size // side)  # windows in a row
        if count == 1:
            out = super().call(x, return_attention=return_attention)
            return (out[0], out[1][:, None]) if return_attention else out
        margin = (0, count * side - size)
        x = ops.pad(x, ((0, 0), margin, margin, (0, 0)))
        x = ops.reshape(x, (-1, count, side, count, side, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # (batch, count, count, side, side, channels)
        out = super().call(
            ops.reshape(x, (-1, side, side, channels)), return_attention=return_attention
        )
        x, attention = out if return_attention else (out, None)
        x = ops.reshape(x, (-1, count, count, side, side, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # (batch, count, side, count, side, channels)
        x = ops.reshape(x, (-1, count * side, count * side, channels))[:, :size, :size]
        if not return_attention:
            return x
        places = side**2
        return x, ops.reshape(attention, (-1, count**2, self.num_heads, places, places))

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "window_size": self.window_size}


@keras.saving.register_keras_serializable("xraylab")
class EfficientViTBlock(keras.layers.Layer):
    """Convolution, perceptron, window attention, convolution, perceptron: each with a residual.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape. With
        ``return_intermediates=True`` also a dict of what was seen on the way: ``attention``
        (batch, windows, num_heads, side², side²).

    Args:
        attention: arguments of :class:`WindowAttention`.

    Source: ``liu2023``, Fig. 6.
    """

    def __init__(self, attention, **kwargs):
        super().__init__(**kwargs)
        self.options = dict(attention)
        policy = {"dtype": self.dtype_policy}
        self.convolution_before = ConvNorm(None, 3, gamma=0.0, name="convolution_before", **policy)
        self.feed_forward_before = FeedForward(name="feed_forward_before", **policy)
        self.attention = WindowAttention(name="attention", **attention, **policy)
        self.convolution_after = ConvNorm(None, 3, gamma=0.0, name="convolution_after", **policy)
        self.feed_forward_after = FeedForward(name="feed_forward_after", **policy)

    def build(self, input_shape):
        """Build the five branches."""
        self.convolution_before.build(input_shape)
        self.feed_forward_before.build(input_shape)
        self.attention.build(input_shape)
        self.convolution_after.build(input_shape)
        self.feed_forward_after.build(input_shape)

    def call(self, x, return_intermediates=False):
        """Return the map after one block."""
        x = x + self.convolution_before(x)
        x = x + self.feed_forward_before(x)
        x, seen = self.mix(x, return_intermediates)
        x = x + self.convolution_after(x)
        x = x + self.feed_forward_after(x)
        return (x, seen) if return_intermediates else x

    def mix(self, x, return_intermediates):
        """Let places read from each other; return the map and what was seen."""
        if not return_intermediates:
            return x + self.attention(x), {}
        update, attention = self.attention(x, return_attention=True)
        return x + update, {"attention": attention}

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "attention": self.options}


@keras.saving.register_keras_serializable("xraylab")
class Downsampling(keras.layers.Layer):
    """Between two stages: half the side, another width, and two residual branches on either side.

    Shapes:
        x: (batch, size, size, channels); returns (batch, ceil(size / 2), ceil(size / 2), filters).

    Args:
        filters: channels of the output.

    Source: ``liu2023``, Sect. 3.3, and its public code.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        """Create the branches before, the merging, and the branches behind."""
        batch, size, _, channels = input_shape
        width, half = 4 * channels, -(-size // 2)
        relu = {"activation": "relu"}
        wide, narrow = (batch, half, half, width), (batch, half, half, self.filters)
        parts = {
            "convolution_before": (ConvNorm, (None, 3), {}, input_shape),
            "feed_forward_before": (FeedForward, (), {}, input_shape),
            "widen": (ConvNorm, (width,), relu, input_shape),
            "halve": (ConvNorm, (None, 3, 2), relu, (batch, size, size, width)),
            "squeeze_excite": (SqueezeExcite, (channels,), {}, wide),
            "narrow": (ConvNorm, (self.filters,), {}, wide),
            "convolution_after": (ConvNorm, (None, 3), {}, narrow),
            "feed_forward_after": (FeedForward, (), {}, narrow),
        }
        for name, (kind, arguments, options, shape) in parts.items():
            layer = kind(*arguments, **options, dtype=self.dtype_policy, name=name)
            setattr(self, name, layer)
            layer.build(shape)

    def call(self, x):
        """Return the smaller, wider map."""
        x = x + self.convolution_before(x)
        x = x + self.feed_forward_before(x)
        x = self.widen(x)  # (batch, size, size, 4·channels)
        x = self.halve(x)  # (batch, size / 2, size / 2, 4·channels)
        x = self.narrow(self.squeeze_excite(x))  # (batch, size / 2, size / 2, filters)
        x = x + self.convolution_after(x)
        return x + self.feed_forward_after(x)

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("xraylab")
class EfficientViT(ImageModel):
    """EfficientViT for several labels at once.

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
        patch_size: how many pixels the stem makes one, a power of two.
        distillation: add a second head, which learns from a teacher while the first learns from
            the labels.

    Attributes:
        num_tokens: number of places of the first stage's map, without what fills its last windows.

    Raises:
        ValueError: if an argument is out of range or the sizes do not divide.

    Source: ``liu2023``, Sect. 3; widths, depths and heads ``rand2025``, Table N.1.
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
        _require_whole_heads(embed_dims, depths, num_heads, kernel_sizes)
        require_whole(1, key_dim=key_dim, window_size=window_size, patch_size=patch_size)
        convolutions = int(patch_size).bit_length() - 1
        if convolutions < 1 or patch_size != 2**convolutions or embed_dims[0] % (patch_size // 2):
            raise ValueError(
                "patch_size must be a power of two, at least 2, and half of it must divide "
                f"embed_dims[0]={embed_dims[0]}; {patch_size} came"
            )
        self.require_image_size(least=4 * patch_size, reason="a map for each of three stages")
        self.options = {
            "embed_dims": tuple(embed_dims),
            "depths": tuple(depths),
            "num_heads": tuple(num_heads),
            "kernel_sizes": tuple(kernel_sizes),
            "key_dim": key_dim,
            "window_size": window_size,
            "patch_size": patch_size,
            "distillation": distillation,
        }
        self.distillation = distillation
        self.num_tokens = (-(-self.image_size // patch_size)) ** 2
        self.supports_jit = _compiles_well()
        policy = {"dtype": self.dtype_policy}
        self.stem = [
            ConvNorm(
                embed_dims[0] // 2**still_to_come,
                3,
                strides=2,
                activation="relu" if still_to_come else None,
                name=f"stem_{convolutions - 1 - still_to_come}",
                **policy,
            )
            for still_to_come in reversed(range(convolutions))
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
                "kernel_sizes": tuple(kernel_sizes),
                "window_size": window_size,
            }
            self.trunk += [
                self.make_block(attention, name=f"stage_{stage}_block_{i}") for i in range(depth)
            ]
        self.heads = [_Head(num_labels, name="head")]
        if distillation:
            self.heads.append(_Head(num_labels, name="distillation_head"))

    def build(self, input_shape):
        """Create the weights, layer by layer as the image goes."""
        size, channels = self.image_size, 3
        for layer in (*self.stem, *self.trunk):
            layer.build((None, size, size, channels))
            if not isinstance(layer, EfficientViTBlock):  # all others halve the map
                size, channels = -(-size // 2), layer.filters
        for head in self.heads:
            head.build((None, channels))

    def make_block(self, attention, name):
        """Return one block of a stage; what an architecture built on this one replaces."""
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
            x, seen = layer(x, return_intermediates=True)
            for what, value in seen.items():
                intermediates.setdefault(what, {})[layer.name] = value

        logits = self._head_logits(x, training)
        out = {"logits": sum(logits) / len(logits)}
        if self.distillation:
            out |= {"label_logits": logits[0], "distillation_logits": logits[1]}
        if return_intermediates:
            out |= {**intermediates, "features": x}
        return out

    def classify(self, features, training=None):
        """Compute the logits from the last feature map, the mean over both heads if two."""
        logits = self._head_logits(features, training)
        return sum(logits) / len(logits)

    def _head_logits(self, features, training):
        """Compute each head's logits, (batch, num_labels)."""
        pooled = ops.mean(features, axis=(1, 2))  # (batch, embed_dims[-1])
        return [head(pooled, training=training) for head in self.heads]

    def get_config(self):
        """Return the arguments that make an equal model."""
        return {**super().get_config(), **self.options}


@keras.saving.register_keras_serializable("xraylab")
class _Head(keras.layers.Layer):
    """Batch normalisation and a linear layer: pooled features to logits, in float32."""

    def __init__(self, num_labels, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.num_labels = num_labels
        self.norm = batch_norm("norm", dtype="float32")
        self.linear = keras.layers.Dense(
            num_labels,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype="float32",
            name="linear",
        )

    def build(self, input_shape):
        """Build the two sub-layers."""
        self.norm.build(input_shape)
        self.linear.build(input_shape)

    def call(self, x, training=None):
        """Return the logits."""
        return self.linear(self.norm(x, training=training))

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "num_labels": self.num_labels}


def _compiles_well():
    """Whether XLA is worth its while.

    On a processor, TensorFlow's takes half a minute to compile this and then runs its depthwise
    convolutions several times slower (benchmarks/inference.py).
    """
    return keras.backend.backend() != "tensorflow" or bool(accelerators())


def _require_whole_heads(embed_dims, depths, num_heads, kernel_sizes):
    """Refuse stages that do not match each other, or channels that do not divide into heads."""
    if not len(embed_dims) == len(depths) == len(num_heads) == 3:
        raise ValueError(
            "embed_dims, depths and num_heads need one number for each of the three stages; "
            f"{embed_dims}, {depths} and {num_heads} came"
        )
    require_each(0, depths=depths)
    require_each(1, embed_dims=embed_dims, num_heads=num_heads, kernel_sizes=kernel_sizes)
    for channels, heads in zip(embed_dims, num_heads, strict=True):
        if channels % heads:
            raise ValueError(
                f"{channels} channels do not divide into {heads} heads; choose num_heads that "
                "divide embed_dims, stage by stage"
            )
    if len(kernel_sizes) < max(num_heads):
        raise ValueError(
            f"kernel_sizes={tuple(kernel_sizes)} must name one side for each of the "
            f"{max(num_heads)} heads of the widest stage"
        )
