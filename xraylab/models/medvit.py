"""MedViT, a hybrid of convolution and attention (``manzari2023``, public code, first version).

A convolutional stem, then four stages at a quarter to a thirty-second of the image's side. A stage
consists of rounds: efficient convolution blocks (:class:`ECB`) followed by one local transformer
block (:class:`LTB`). An ECB mixes neighbours by grouped convolution; an LTB mixes distant positions
by attention, then neighbours by convolution, and concatenates both. Both end in an :class:`LFFN`, a
feed-forward network with a depthwise convolution. All maps are (batch, height, width, channels).
"""

import keras
import numpy as np
from keras import ops

from xraylab.arguments import invalid_argument, require_int, require_ints
from xraylab.backend import accelerators
from xraylab.layers.attention import MultiHeadAttention, Transform
from xraylab.layers.base import Layer, Shape, Sizes, Tensor, build_chain, kernel_initializer
from xraylab.layers.convolution import (
    ConvNorm,
    SqueezeExcite,
    batch_norm,
    convolution,
    stochastic_depth,
)
from xraylab.layers.transformer import recorder
from xraylab.models.base import ImageModel

STDDEV = 0.02
"""Standard deviation of the initial weights of every convolution and linear layer."""


class GroupedConvolution(Layer):
    """A 3x3 convolution without bias that does not mix channels of different groups.

    On a CPU it is one convolution per group. There, Keras compiles the grouped convolution by XLA,
    whose gradient is slow: a training step took 20 to 50 times as long, with TensorFlow and with
    JAX. Nine shifted copies and one matrix product were slower too. Where the backend finds an
    accelerator when the layer is built, it is the backend's own grouped convolution, in one
    operation; its speed there has not been measured here.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.

    Args:
        group_dim: channels per group; must divide the channels.
    """

    def __init__(self, group_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.group_dim = group_dim

    def build(self, input_shape: Shape) -> None:
        """Create the kernel; its last axis runs over the groups, and over outputs within each."""
        channels = input_shape[-1]
        if channels % self.group_dim:
            raise invalid_argument("group_dim", f"a divisor of {channels}", self.group_dim)
        self.groups = channels // self.group_dim
        self.in_one_operation = bool(accelerators())
        options = {"name": "kernel", "initializer": kernel_initializer(STDDEV)}
        self.kernel = self.add_weight((3, 3, self.group_dim, channels), **options)

    def call(self, x: Tensor) -> Tensor:
        """Convolve each group."""
        kernel = ops.cast(self.kernel, x.dtype)
        if self.in_one_operation:  # the backend infers the groups from the kernel's third axis
            return ops.conv(x, kernel, padding="same")
        inputs, kernels = (ops.split(y, self.groups, axis=-1) for y in (x, kernel))
        groups = zip(inputs, kernels, strict=True)
        return ops.concatenate([ops.conv(x, k, padding="same") for x, k in groups], axis=-1)


class PatchEmbedding(Layer):
    """Halve the map by averaging, change the number of channels, or do nothing.

    An odd side is rounded up: the last row or column is then averaged over the existing pixels.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters).

    Args:
        filters: channels of the output.
        strides: 1 or 2.
    """

    def __init__(self, filters: int, strides: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides = filters, strides
        options = {"padding": "same", "name": "pool", **self.policy}
        self.pool = keras.layers.AveragePooling2D(strides, **options)
        self.projection = None

    def create(self, channels: int) -> None:
        """Create the 1x1 convolution, if anything changes."""
        if self.strides > 1 or channels != self.filters:
            options = {"stddev": STDDEV, "name": "projection", **self.policy}
            self.projection = ConvNorm(self.filters, **options)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Pool and project."""
        x = self.pool(x) if self.strides > 1 else x
        return x if self.projection is None else self.projection(x, training=training)


class MHCA(Layer):
    """Multi-head convolutional attention: a grouped convolution, then a mixture of all channels.

    It contains no attention. A head is a group of channels with its own 3x3 convolution.

    Shapes:
        x: (batch, height, width, channels), returned in the same shape.

    Args:
        head_dim: channels per head; must divide the channels.
    """

    def __init__(self, head_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.head_dim = head_dim
        self.mix = GroupedConvolution(head_dim, name="mix", **self.policy)
        self.norm = batch_norm("norm", **self.policy)

    def create(self, channels: int) -> None:
        """Create the 1x1 convolution that mixes the channels."""
        options = {"name": "projection", **self.policy}
        initializer = kernel_initializer(STDDEV)
        self.projection = convolution(channels, 1, kernel_initializer=initializer, **options)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Compute the update of the map."""
        return self.projection(ops.relu(self.norm(self.mix(x), training=training)))


class LFFN(Layer):
    """Locality feed-forward network u + f(u): widen, convolve depthwise, reweight, narrow.

    The hidden layer of its squeeze-excitation has only ``ratio`` units, because the public code
    passes the number of channels as the reduction factor.

    Shapes:
        u: (batch, height, width, channels), returned in the same shape.

    Args:
        ratio: width of the hidden maps in units of channels, an integer.
    """

    def __init__(self, ratio: int, **kwargs):
        super().__init__(**kwargs)
        self.ratio = ratio

    def create(self, channels: int) -> None:
        """Create the four layers of f."""
        options = {"stddev": STDDEV, **self.policy}
        hard_swish = {"activation": "hard_swish", **options}
        self.widen = ConvNorm(channels * self.ratio, name="widen", **hard_swish)
        self.depthwise = ConvNorm(None, 3, name="depthwise", **hard_swish)
        gate = {"gate": "hard_sigmoid", "kernel_initializer": kernel_initializer(STDDEV)}
        gate |= {"name": "squeeze_excite", **self.policy}
        self.squeeze_excite = SqueezeExcite(self.ratio, **gate)
        self.narrow = ConvNorm(channels, name="narrow", **options)

    def call(self, u: Tensor, training: bool | None = None) -> Tensor:
        """Compute u + f(u)."""
        x = self.widen(u, training=training)  # (batch, height, width, ratio · channels)
        x = self.depthwise(x, training=training)
        x = self.squeeze_excite(x)
        return u + self.narrow(x, training=training)


class EMHSA(Layer):
    """Efficient multi-head self-attention: tokens attend to averages of tokens.

    A key is the mean of ``sr_ratio²`` consecutive tokens in raster order: a strip of the map, not
    a square. Surplus tokens at the end are in no key.

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.
        attention: (batch, heads, num_tokens, num_tokens // sr_ratio²).

    Args:
        head_dim: width of a head; must divide embed_dim.
        sr_ratio: square root of the number of tokens in a key; with 1, keys are tokens.
    """

    def __init__(self, head_dim: int, sr_ratio: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.head_dim, self.sr_ratio = head_dim, sr_ratio
        self.norm = batch_norm("norm", **self.policy) if sr_ratio > 1 else None

    def build(self, input_shape: Shape) -> None:
        """Create the projections and the normalisation of the averaged tokens."""
        num_tokens, embed_dim = input_shape[1:]
        if self.norm is not None:
            self.norm.build((None, num_tokens // self.sr_ratio**2, embed_dim))
        options = {"stddev": STDDEV, "name": "attention", **self.policy}
        self.attention = MultiHeadAttention(embed_dim // self.head_dim, **options)
        self.attention.build(input_shape)

    def pool(self, tokens: Tensor) -> Tensor:
        """Average each ``sr_ratio²`` consecutive tokens; drop the rest at the end."""
        length = self.sr_ratio**2
        _, num_tokens, embed_dim = tokens.shape
        num_keys = num_tokens // length
        whole = tokens[:, : num_keys * length]
        return ops.mean(ops.reshape(whole, (-1, num_keys, length, embed_dim)), axis=2)

    def call(
        self, tokens: Tensor, training: bool | None = None, attention_transform: Transform = None
    ) -> Tensor:
        """Apply attention from tokens to averages of tokens."""
        context = tokens
        if self.norm is not None:
            context = self.norm(self.pool(tokens), training=training)  # (batch, num_keys, dim)
        return self.attention(tokens, context, attention_transform=attention_transform)


class ECB(Layer):
    """Efficient convolution block: x += MHCA(x), then x + LFFN(BatchNorm(x)).

    As the LFFN has its own residual connection, the block returns x + n + f(n), where n is the
    normalised x.

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters).

    Args:
        filters: channels of the output, a multiple of ``head_dim``.
        strides: 1, or 2 to halve the map first.
        head_dim: channels per head.
        drop_path: rate of stochastic depth of the MHCA.
    """

    def __init__(
        self, filters: int, strides: int = 1, head_dim: int = 32, drop_path: float = 0.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.filters, self.strides, self.head_dim = filters, strides, head_dim
        self.drop_path = drop_path
        policy = self.policy
        self.patch_embedding = PatchEmbedding(filters, strides, name="patch_embedding", **policy)
        self.mhca = MHCA(head_dim, name="mhca", **policy)
        self.mhca_path = stochastic_depth(drop_path, "mhca_path", **policy)
        self.norm = batch_norm("norm", **policy)
        self.lffn = LFFN(3, name="lffn", **policy)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Return the map after one block."""
        x = self.patch_embedding(x, training=training)  # (batch, height, width, filters)
        x = x + self.mhca_path(self.mhca(x, training=training), training=training)
        return x + self.lffn(self.norm(x, training=training), training=training)


class LTB(Layer):
    """Local transformer block: attention, then a convolution of its result, concatenated.

    Attention computes the first channels x, about ``mix_ratio`` of all. A projection z of them to
    the remaining channels takes z += MHCA(z). With y = [x, z], the block returns
    y + LFFN(BatchNorm(y)).

    Shapes:
        x: (batch, height, width, channels); returns
        (batch, ceil(height / strides), ceil(width / strides), filters).
        attention: (batch, heads, tokens, tokens // sr_ratio²), where tokens are the positions of
        the output in raster order.

    Args:
        filters: channels of the output, a multiple of ``head_dim``.
        strides: 1, or 2 to halve the map first.
        sr_ratio: square root of the number of tokens in a key.
        head_dim: channels per head, of attention and of convolution.
        mix_ratio: fraction of the channels that attention computes.
        drop_path: rate of stochastic depth; ``mix_ratio`` of it for attention, the rest for MHCA.
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        sr_ratio: int = 1,
        head_dim: int = 32,
        mix_ratio: float = 0.75,
        drop_path: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.strides, self.sr_ratio = filters, strides, sr_ratio
        self.head_dim, self.mix_ratio, self.drop_path = head_dim, mix_ratio, drop_path
        policy = self.policy
        width = attention_width(filters, mix_ratio, head_dim)
        self.patch_embedding = PatchEmbedding(width, strides, name="patch_embedding", **policy)
        self.attention_norm = batch_norm("attention_norm", **policy)
        self.attention = EMHSA(head_dim, sr_ratio, name="attention", **policy)
        self.attention_path = stochastic_depth(drop_path * mix_ratio, "attention_path", **policy)
        self.projection = PatchEmbedding(filters - width, name="projection", **policy)
        self.mhca = MHCA(head_dim, name="mhca", **policy)
        self.mhca_path = stochastic_depth(drop_path * (1 - mix_ratio), "mhca_path", **policy)
        self.norm = batch_norm("norm", **policy)
        self.lffn = LFFN(2, name="lffn", **policy)

    def build(self, input_shape: Shape) -> None:
        """Build the sub-layers."""
        shape = build_chain([self.patch_embedding, self.attention_norm], input_shape)
        batch, height, width, channels = shape
        self.attention.build((batch, height * width, channels))
        build_chain([self.projection, self.mhca], shape)
        build_chain([self.norm, self.lffn], (*shape[:-1], self.filters))

    def call(
        self, x: Tensor, training: bool | None = None, attention_transform: Transform = None
    ) -> Tensor:
        """Return the map after one block."""
        x = self.patch_embedding(x, training=training)  # (batch, height, width, attention width)
        _, height, width, channels = x.shape
        tokens = self.attention_norm(x, training=training)
        tokens = ops.reshape(tokens, (-1, height * width, channels))
        tokens = self.attention(tokens, training=training, attention_transform=attention_transform)
        update = ops.reshape(tokens, (-1, height, width, channels))
        x = x + self.attention_path(update, training=training)

        z = self.projection(x, training=training)  # (batch, height, width, filters - channels)
        z = z + self.mhca_path(self.mhca(z, training=training), training=training)

        y = ops.concatenate([x, z], axis=-1)  # (batch, height, width, filters)
        return y + self.lffn(self.norm(y, training=training), training=training)


def attention_width(filters: int, mix_ratio: float, head_dim: int) -> int:
    """Compute how many channels of an LTB attention makes: whole heads, 0.9 of its part or more."""
    target = int(filters * mix_ratio)
    width = max(head_dim, int(target + head_dim / 2) // head_dim * head_dim)
    return width + head_dim if width < 0.9 * target else width


class MedViT(ImageModel):
    """MedViT; the defaults are the large one.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1]; repeated to three channels.
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``attention``, a dict of the maps of the LTBs by block,
        (batch, heads, tokens, tokens // sr_ratio²); and ``features``, the normalised last map
        (batch, ceil(image_size / 32), ceil(image_size / 32), channels), whose mean is the input of
        the head.

    Args:
        image_size: side of the image in pixels: any in which each stage has a whole key, so 25 or
            more for the published ratios. At 32 px and less there is only one key, and attention
            is a mean.
        num_labels: number of labels, at least 1.
        stem_widths: channels of the first three convolutions of the stem; the fourth repeats the
            third.
        ecb_widths: channels of the ECBs per stage.
        ltb_widths: channels of the LTBs per stage; 0 where a stage has none.
        ecb_counts: ECBs in a round, per stage.
        rounds: rounds per stage.
        sr_ratios: square root of the tokens in a key, per stage.
        head_dim: channels per head.
        mix_ratio: fraction of an LTB's channels that attention computes.
        drop_path: rate of stochastic depth in the last block; it rises linearly from 0.

    Raises:
        ValueError: if an argument is out of range.

    References: ``manzari2023``; its public code where the two differ.
    """

    def __init__(
        self,
        image_size: int = 64,
        num_labels: int = 14,
        stem_widths: Sizes = (64, 32, 64),
        ecb_widths: Sizes = (96, 192, 384, 768),
        ltb_widths: Sizes = (0, 256, 512, 1024),
        ecb_counts: Sizes = (3, 3, 4, 2),
        rounds: Sizes = (1, 1, 6, 1),
        sr_ratios: Sizes = (8, 4, 2, 1),
        head_dim: int = 32,
        mix_ratio: float = 0.75,
        drop_path: float = 0.2,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        self.stem_widths = require_ints("stem_widths", stem_widths, 1)
        self.ecb_widths, self.ltb_widths = tuple(ecb_widths), tuple(ltb_widths)
        self.ecb_counts, self.rounds = tuple(ecb_counts), tuple(rounds)
        self.sr_ratios = require_ints("sr_ratios", sr_ratios, 1)
        self.head_dim = require_int("head_dim", head_dim, 1)
        self.mix_ratio, self.drop_path = mix_ratio, drop_path
        # Each stage needs the tokens of one key; without LTBs, one position.
        pairs = zip(self.ltb_widths, self.sr_ratios, strict=True)
        sides = [sr_ratio if ltb else 1 for ltb, sr_ratio in pairs]
        minimum = max((side - 1) * 2 ** (s + 2) + 1 for s, side in enumerate(sides))
        self.require_image_size(minimum=minimum, reason="each stage needs the tokens of one key")
        stem = zip((*self.stem_widths, self.stem_widths[-1]), (2, 1, 1, 2), strict=True)
        options = {"activation": "relu", "stddev": STDDEV, **self.policy}
        self.stem = [
            ConvNorm(filters, 3, strides, name=f"stem_{i}", **options)
            for i, (filters, strides) in enumerate(stem)
        ]
        plan = self._plan()
        rates = np.linspace(0, drop_path, len(plan)).tolist()
        self.blocks = [
            block(head_dim=head_dim, drop_path=rate, name=f"block_{i}", **options, **self.policy)
            for i, ((block, options), rate) in enumerate(zip(plan, rates, strict=True))
        ]
        self.norm = batch_norm("norm", **self.policy)
        # Logits stay in float32 under mixed precision, so that the loss does.
        self.head = keras.layers.Dense(
            num_labels, kernel_initializer=kernel_initializer(STDDEV), dtype="float32", name="head"
        )

    def _plan(self):
        """List class and arguments of every block, in order."""
        plan = []
        stages = (self.ecb_widths, self.ltb_widths, self.ecb_counts, self.rounds, self.sr_ratios)
        for stage, (ecb, ltb, ecb_count, rounds, sr_ratio) in enumerate(zip(*stages, strict=True)):
            one_round = [(ECB, {"filters": ecb})] * ecb_count
            if ltb:
                ltb_options = {"filters": ltb, "sr_ratio": sr_ratio, "mix_ratio": self.mix_ratio}
                one_round = [*one_round, (LTB, ltb_options)]
            for i, (block, options) in enumerate(one_round * rounds):
                plan.append((block, options | {"strides": 2 if stage > 0 and i == 0 else 1}))
        return plan

    def build(self, input_shape: Shape) -> None:
        """Build stem, blocks and head."""
        layers = [*self.stem, *self.blocks, self.norm]
        width = build_chain(layers, (*input_shape[:-1], 3))[-1]
        self.head.build((None, width))

    def forward(self, images, training, return_intermediates, attention_transform) -> dict:
        """Compute the logits."""
        x = ops.repeat(images, 3, axis=-1)  # (batch, image_size, image_size, 3)
        for layer in self.stem:
            x = layer(x, training=training)  # (batch, image_size / 4, image_size / 4, width)

        attention = {} if return_intermediates else None
        for block in self.blocks:
            options = {}
            if isinstance(block, LTB):
                options["attention_transform"] = recorder(block.name, None, attention)
            x = block(x, training=training, **options)

        features = self.norm(x, training=training)  # (batch, image_size / 32, …, channels)
        logits = self.classify(features, training)
        return {"logits": logits, "attention": attention, "features": features}

    def classify(self, features: Tensor, training: bool | None = None) -> Tensor:
        """Compute the logits from the last feature map."""
        return self.head(ops.mean(features, axis=(1, 2)))  # (batch, num_labels)
