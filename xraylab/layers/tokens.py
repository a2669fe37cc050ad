"""Patches of images, learned tokens, and position embeddings."""

from math import isqrt

import keras
import numpy as np
from keras import ops

from xraylab.layers.base import Layer, Shape, Tensor


class LearnedTokens(Layer):
    """Learned tokens, the same for every image: [CLS], or one per label.

    Shapes:
        tokens: other tokens (batch, any number, embed_dim), which determine batch and width.
        returns: (batch, num_tokens, embed_dim).

    Args:
        num_tokens: number of learned tokens.

    References: Dosovitskiy et al. 2021 (``dosovitskiy2021``), Eq. 1.
    """

    def __init__(self, num_tokens: int, **kwargs):
        super().__init__(**kwargs)
        self.num_tokens = num_tokens

    def build(self, input_shape: Shape) -> None:
        """Create the tokens."""
        self.tokens = self.add_weight(
            name="tokens",
            shape=(1, self.num_tokens, input_shape[-1]),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )

    def call(self, tokens: Tensor) -> Tensor:
        """Repeat the learned tokens for every image."""
        shape = (ops.shape(tokens)[0], *self.tokens.shape[1:])
        return ops.cast(ops.broadcast_to(self.tokens, shape), tokens.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the learned tokens."""
        return (input_shape[0], self.num_tokens, input_shape[-1])


class LearnedPositions(Layer):
    """Add a learned one-dimensional position embedding.

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.

    Args:
        stddev: standard deviation of the initial embedding. It should be near that of the tokens'
            content: if it is much smaller, attention ignores positions for many steps.

    References: Dosovitskiy et al. 2021 (``dosovitskiy2021``), Eq. 1.
    """

    def __init__(self, stddev: float = 0.02, **kwargs):
        super().__init__(**kwargs)
        self.stddev = stddev

    def build(self, input_shape: Shape) -> None:
        """Create one vector per position of the sequence."""
        self.table = self.add_weight(
            name="table",
            shape=(1, input_shape[1], input_shape[2]),
            initializer=keras.initializers.TruncatedNormal(stddev=self.stddev),
        )

    def call(self, tokens: Tensor) -> Tensor:
        """Add the position embedding."""
        return tokens + ops.cast(self.table, tokens.dtype)


def resize_positions(table: np.ndarray, num_tokens: int) -> np.ndarray:
    """Resize learned position embeddings of a square grid of patches, by bicubic interpolation.

    Tokens before the patches, such as [CLS], keep their embeddings. Their number is what the table
    has beyond the largest square.

    Shapes:
        table: (tokens, embed_dim), patches in raster order.
        returns: (num_tokens, embed_dim) float32.

    Args:
        table: the embeddings.
        num_tokens: number of tokens for the other image size.

    References: Dosovitskiy et al. 2021 (``dosovitskiy2021``), Sect. 3.2.
    """
    old, new = isqrt(len(table)), isqrt(num_tokens)
    first, patches = np.split(np.asarray(table, np.float32), [len(table) - old**2])
    grid = ops.reshape(patches, (1, old, old, -1))
    grid = ops.image.resize(grid, (new, new), "bicubic", data_format="channels_last")
    grid = ops.convert_to_numpy(grid).reshape(new**2, -1)
    return np.concatenate([first, grid])


def sinusoidal_positions(num_tokens: int, embed_dim: int) -> np.ndarray:
    """Compute the fixed one-dimensional position embedding.

    Position n holds sin(n·ω_i) at 2i and cos(n·ω_i) at 2i + 1, with
    ω_i = 10000^(-2i / embed_dim).

    Shapes:
        returns: (num_tokens, embed_dim) float64 NumPy array in [-1, 1].

    Raises:
        ValueError: if ``embed_dim`` is odd.

    References: Vaswani et al. 2017 (``vaswani2017``), Sect. 3.5.
    """
    if embed_dim % 2:
        raise ValueError(
            "Sinusoidal positions pair a sine with a cosine. Expected: an even embed_dim. "
            f"Received: embed_dim={embed_dim}"
        )
    frequencies = 10000.0 ** (-np.arange(0, embed_dim, 2) / embed_dim)
    angles = np.arange(num_tokens)[:, None] * frequencies  # (num_tokens, embed_dim / 2)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(num_tokens, embed_dim)


class SinusoidalPositions(Layer):
    """Add :func:`sinusoidal_positions`, which have no weights.

    Positions count along the sequence, row after row of the image: the last patch of a row and the
    first of the next have adjacent positions although they are far apart.

    Shapes:
        tokens: (batch, num_tokens, embed_dim), returned in the same shape.

    Raises:
        ValueError: when built, if embed_dim is odd.
    """

    def build(self, input_shape: Shape) -> None:
        """Compute one vector per position of the sequence."""
        self.table = sinusoidal_positions(*input_shape[1:])

    def call(self, tokens: Tensor) -> Tensor:
        """Add the position embedding."""
        return tokens + ops.cast(self.table, tokens.dtype)


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """Cut images into non-overlapping square patches, in raster order.

    Shapes:
        images: (batch, height, width, channels), height and width multiples of ``patch_size``.
        returns: (batch, num_patches, patch_size * patch_size * channels).

    Raises:
        ValueError: if the image does not divide into whole patches.
    """
    _, height, width, channels = images.shape
    if height % patch_size or width % patch_size:
        raise ValueError(
            "The image does not divide into whole patches. Expected: sides that are multiples of "
            f"{patch_size} px. Received: {height}x{width} px"
        )
    rows, columns = height // patch_size, width // patch_size
    x = ops.reshape(images, (-1, rows, patch_size, columns, patch_size, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # (batch, rows, columns, patch, patch, channels)
    return ops.reshape(x, (-1, rows * columns, patch_size * patch_size * channels))


def unpatchify(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    """Assemble images from their patches.

    Shapes:
        patches: (batch, num_patches, patch_size * patch_size * channels), raster order.
        returns: (batch, height, width, channels).

    Raises:
        ValueError: if the number of patches is not that of a ``height`` x ``width`` image.
    """
    rows, columns = height // patch_size, width // patch_size
    if patches.shape[1] != rows * columns:
        raise ValueError(
            f"Wrong number of patches. Expected: {rows * columns} patches of {patch_size} px for "
            f"an image of {height}x{width} px. Received: {patches.shape[1]}"
        )
    channels = patches.shape[2] // (patch_size * patch_size)
    x = ops.reshape(patches, (-1, rows, columns, patch_size, patch_size, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # (batch, rows, patch, columns, patch, channels)
    return ops.reshape(x, (-1, height, width, channels))
