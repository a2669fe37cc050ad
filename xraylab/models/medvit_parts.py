"""What the blocks of MedViT are made of (``manzari2023``, public code of the first version).

All maps are (batch, height, width, channels).
"""

import keras
from keras import ops

from xraylab.backend import accelerators
from xraylab.layers import (
    ConvNorm,
    MultiHeadAttention,
    SqueezeExcite,
    batch_norm,
    first_weights,
)

STDDEV = 0.02
"""Standard deviation of the first weights of every convolution and linear layer."""


def attention_width(filters, mix_ratio, head_dim):
    """Return how many of an LTB's channels attention makes: whole heads, at least 0.9 of its share.

    Raises:
        ValueError: if nothing would be left for the convolution.
    """
    share = int(filters * mix_ratio)
    width = max(head_dim, int(share + head_dim / 2) // head_dim * head_dim)
    width += head_dim if width < 0.9 * share else 0
    if width >= filters:
        raise ValueError(
            f"an LTB of {filters} channels gives all of them to attention (mix_ratio={mix_ratio}, "
            f"head_dim={head_dim}); choose a larger width or smaller heads"
        )
    return width


@keras.saving.register_keras_serializable("xraylab")
class GroupedConvolution(keras.layers.Layer):
    """A 3x3 convolution without bias that never mixes channels of different groups.

    On a CPU it is one convolution a group. There, Keras has the grouped convolution compiled by
    XLA, whose gradient is slow: a training step took 20 to 50 times as long, with TensorFlow and
    with JAX. Nine shifted copies and one matrix product were slower too, with TensorFlow many
    times. Where the back end sees an accelerator when the layer is built, it is the back end's own
    grouped convolution, in one operation; its speed there has not been measured here.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.

    Args:
        group_dim: channels a group; must divide the channels.
    """

    def __init__(self, group_dim, **kwargs):
        super().__init__(**kwargs)
        self.group_dim = group_dim

    def build(self, input_shape):
        """Create the kernel; its last axis runs over the groups, and over outputs within each."""
        channels = input_shape[-1]
        if channels % self.group_dim:
            raise ValueError(
                f"{channels} channels do not divide into groups of {self.group_dim}; choose a "
                f"multiple of {self.group_dim}"
            )
        self.groups = channels // self.group_dim
        self.at_once = bool(accelerators())
        self.kernel = self.add_weight(
            name="kernel",
            shape=(3, 3, self.group_dim, channels),
            initializer=first_weights(STDDEV),
        )
        self.use_bias = False

    def call(self, x):
        """Convolve each group by itself."""
        kernel = ops.cast(self.kernel, x.dtype)
        if self.at_once:  # from the kernel's third axis, the back end tells the groups
            return ops.conv(x, kernel, padding="same")
        parts = zip(
            ops.split(x, self.groups, axis=-1),
            ops.split(kernel, self.groups, axis=-1),
            strict=True,
        )
        convolved = [ops.conv(part, kernel, padding="same") for part, kernel in parts]
        return ops.concatenate(convolved, axis=-1)

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "group_dim": self.group_dim}


@keras.saving.register_keras_serializable("xraylab")
class PatchEmbedding(keras.layers.Layer):
    """Halve the map by averaging, change the number of channels, or do nothing.

    An odd side is rounded up: the last row or column is then averaged over what there is.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters).

    Args:
        filters: channels of the output.
        strides: 1 or 2.
    """

    def __init__(self, filters, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides = filters, strides
        self.pool = keras.layers.AveragePooling2D(
            strides, padding="same", dtype=self.dtype_policy, name="pool"
        )
        self.change = None

    def build(self, input_shape):
        """Create the 1x1 convolution, if anything changes."""
        if self.strides > 1 or input_shape[-1] != self.filters:
            self.change = ConvNorm(
                self.filters,
                stddev=STDDEV,
                dtype=self.dtype_policy,
                name="change",
            )
            self.change.build(input_shape)

    def call(self, x, training=None):
        """Pool and project."""
        x = self.pool(x) if self.strides > 1 else x
        return x if self.change is None else self.change(x, training=training)

    def compute_output_shape(self, input_shape):
        """Return the shape of the smaller map."""
        batch, height, width, _ = input_shape
        return (batch, -(-height // self.strides), -(-width // self.strides), self.filters)

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}


@keras.saving.register_keras_serializable("xraylab")
class MHCA(keras.layers.Layer):
    """Multi-head convolutional attention: each head mixes neighbours, then all heads are mixed.

    There is no attention in it. A head is a group of channels with a 3x3 convolution of its own.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.

    Args:
        head_dim: channels a head; must divide the channels.
    """

    def __init__(self, head_dim, **kwargs):
        super().__init__(**kwargs)
        self.head_dim = head_dim
        self.mix = GroupedConvolution(head_dim, dtype=self.dtype_policy, name="mix")
        self.norm = batch_norm("norm", dtype=self.dtype_policy)

    def build(self, input_shape):
        """Build the convolutions and the normalisation."""
        self.projection = keras.layers.Conv2D(
            input_shape[-1],
            1,
            use_bias=False,
            kernel_initializer=first_weights(STDDEV),
            dtype=self.dtype_policy,
            name="projection",
        )
        for layer in (self.mix, self.norm, self.projection):
            layer.build(input_shape)

    def call(self, x, training=None):
        """Return what is to be added to the map."""
        return self.projection(ops.relu(self.norm(self.mix(x), training=training)))

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "head_dim": self.head_dim}


@keras.saving.register_keras_serializable("xraylab")
class LFFN(keras.layers.Layer):
    """Locality feed-forward network, u + f(u): widen, look at neighbours, weigh, narrow.

    The hidden layer of its squeeze-excitation has no more than ``ratio`` units: the public code
    hands the number of channels over as the factor by which to reduce.

    Shapes:
        u: (batch, height, width, channels), returned in the same shape.

    Args:
        ratio: width of the hidden maps in units of channels, a whole number.
    """

    def __init__(self, ratio, **kwargs):
        super().__init__(**kwargs)
        self.ratio = ratio

    def build(self, input_shape):
        """Create the four parts of f."""
        channels = input_shape[-1]
        hidden = channels * self.ratio

        def conv_norm(filters, kernel_size, activation, name):
            return ConvNorm(
                filters,
                kernel_size,
                activation=activation,
                stddev=STDDEV,
                dtype=self.dtype_policy,
                name=name,
            )

        self.widen = conv_norm(hidden, 1, "hard_swish", "widen")
        self.neighbours = conv_norm(None, 3, "hard_swish", "neighbours")  # depthwise
        self.weigh = SqueezeExcite(
            self.ratio,
            gate="hard_sigmoid",
            kernel_initializer=first_weights(STDDEV),
            dtype=self.dtype_policy,
            name="weigh",
        )
        self.narrow = conv_norm(channels, 1, None, "narrow")
        self.widen.build(input_shape)
        for layer in (self.neighbours, self.weigh, self.narrow):
            layer.build((*input_shape[:-1], hidden))

    def call(self, u, training=None):
        """Return u + f(u)."""
        x = self.widen(u, training=training)  # (batch, height, width, ratio · channels)
        x = self.neighbours(x, training=training)
        x = self.weigh(x)
        return u + self.narrow(x, training=training)

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "ratio": self.ratio}


@keras.saving.register_keras_serializable("xraylab")
class EMHSA(keras.layers.Layer):
    """Efficient multi-head self-attention: every token reads from averages of tokens.

    A key is the mean of ``sr_ratio²`` tokens that follow each other in raster order, row after
    row: a strip of the map, not a square. Tokens left over at the end are in no key.

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape. With
        ``return_attention=True`` also attention
        (batch, heads, num_tokens, num_tokens // sr_ratio²).

    Args:
        head_dim: width of a head; must divide embed_dim.
        sr_ratio: square root of the number of tokens in a key; with 1, keys are tokens.

    Raises:
        ValueError: when built, if the sizes do not divide, or there are fewer tokens than one key
            takes.
    """

    def __init__(self, head_dim, sr_ratio=1, **kwargs):
        super().__init__(**kwargs)
        self.head_dim, self.sr_ratio = head_dim, sr_ratio
        self.norm = batch_norm("norm", dtype=self.dtype_policy) if sr_ratio > 1 else None

    def build(self, input_shape):
        """Create the projections and the normalisation of the averaged tokens."""
        num_tokens, embed_dim = input_shape[1:]
        if embed_dim % self.head_dim:
            raise ValueError(f"head_dim={self.head_dim} does not divide embed_dim={embed_dim}")
        if num_tokens < self.sr_ratio**2:
            raise ValueError(
                f"{num_tokens} tokens do not make one key of {self.sr_ratio**2}; "
                "choose a larger image or a smaller sr_ratio"
            )
        if self.norm is not None:
            self.norm.build((None, num_tokens // self.sr_ratio**2, embed_dim))
        self.attention = MultiHeadAttention(
            embed_dim // self.head_dim, stddev=STDDEV, dtype=self.dtype_policy, name="attention"
        )
        self.attention.build(input_shape)

    def pool(self, tokens):
        """Average each ``sr_ratio²`` consecutive tokens; drop the rest at the end."""
        length = self.sr_ratio**2
        _, num_tokens, embed_dim = tokens.shape
        num_keys = num_tokens // length
        whole = tokens[:, : num_keys * length]
        return ops.mean(ops.reshape(whole, (-1, num_keys, length, embed_dim)), axis=2)

    def call(self, tokens, training=None, return_attention=False):
        """Let every token read from the averages."""
        context = tokens
        if self.norm is not None:
            context = self.norm(self.pool(tokens), training=training)  # (batch, num_keys, dim)
        return self.attention(tokens, context, return_attention=return_attention)

    def get_config(self):
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "head_dim": self.head_dim, "sr_ratio": self.sr_ratio}
