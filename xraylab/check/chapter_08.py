"""Exercises of chapter 8, MedViT."""

import numpy as np
from scipy.special import softmax

from xraylab.check.grading import CodeExercise, Exercise

_RNG = np.random.default_rng(8)


def _attention(query, key, value, scale=None, axis=1):
    scale = query.shape[1] ** -0.5 if scale is None else scale
    return softmax(scale * query @ key.T, axis=axis) @ value


attention = CodeExercise(
    _attention,
    [
        (size * _RNG.normal(size=(n, d)), _RNG.normal(size=(m, d)), _RNG.normal(size=(m, v)))
        for n, m, d, v, size in ((3, 5, 4, 2, 1), (6, 6, 16, 3, 1), (2, 7, 9, 9, 1e4))
    ],
    "This is the equation of the transformer.",
)
attention.mistake(lambda q, k, v: _attention(q, k, v, 1), "Divide the scores by √d.")
attention.mistake(lambda q, k, v: _attention(q, k, v, 1 / q.shape[1]), "Divide by √d, not by d.")
attention.mistake(
    lambda q, k, v: _attention(q, k, v, len(k) ** -0.5),
    "d is the width of queries and keys, not the number of keys.",
)
attention.mistake(
    lambda q, k, v: _attention(q, k, v, axis=0),
    "The weights of one query sum to one: take the softmax over the keys.",
)


def _exchange(x, order, mean=True, std=True, axis=(1, 2)):
    means, stds = (f(x, axis=axis, keepdims=True) for f in (np.mean, np.std))
    new_mean = means[order] if mean else means
    return (x - means) / stds * (stds[order] if std else stds) + new_mean


moments = CodeExercise(
    _exchange,
    [
        (_RNG.gamma(2, size=(4, 3, 5, 2)) * np.arange(1, 5)[:, None, None, None], order)
        for order in (np.array([1, 2, 3, 0]), np.array([2, 0, 1, 3]))
    ],
    "The spatial pattern is that of the image, mean and deviation those of its partner.",
)
moments.mistake(lambda x, order: x[order], "That exchanges the whole images.")
moments.mistake(lambda x, order: _exchange(x, order, std=False), "Exchange the deviations, too.")
moments.mistake(lambda x, order: _exchange(x, order, mean=False), "Exchange the means, too.")
moments.mistake(
    lambda x, order: _exchange(x, order, axis=(1, 2, 3)),
    "Compute mean and deviation of each channel separately.",
)
moments.mistake(
    lambda x, order: _exchange(x, np.argsort(order)),
    "Image i receives the moments of image order[i], not the reverse.",
)

grouped = Exercise(258_816, "The projection has more parameters than the grouped convolution.")
grouped.mistake(10 * 384**2, "In a grouped convolution each output reads 32 channels, not 384.")
grouped.mistake(9 * 32 * 384, "Add the normalization of the convolution and the 1x1 projection.")
grouped.mistake(9 * 32 * 384 + 384**2, "γ and β of the normalization are missing.")
grouped.mistake(258_816 + 2 * 384, "The running mean and variance are not trainable.")

keys = Exercise(16, "Each key is the mean of one whole row of the feature map.")
keys.mistake(4, "That is at 64 pixels; the map has four times as many positions at 128.")
keys.mistake(49, "That is at 224 pixels.")
keys.mistake(256, "That is the number of queries; each key is the mean of 16 tokens.")
keys.mistake(64, "With sr = 4 a key takes sr² = 16 tokens, not 4.")


def _pool(tokens, s, reduce=np.mean):
    rows, columns, dim = tokens.shape
    return reduce(tokens.reshape(rows // s, s, columns // s, s, dim), axis=(1, 3)).reshape(-1, dim)


squares = CodeExercise(
    _pool,
    [(_RNG.normal(size=(8, 8, 3)), 4), (_RNG.normal(size=(4, 6, 2)), 2)],
    "Neighbours above and below now share a key.",
)
squares.mistake(
    lambda tokens, s: tokens.reshape(-1, s * s, tokens.shape[-1]).mean(axis=1),
    "That averages consecutive tokens in raster order, as the public code does.",
)
squares.mistake(
    lambda tokens, s: (
        tokens.reshape(tokens.shape[0] // s, tokens.shape[1] // s, s, s, tokens.shape[2])
        .mean(axis=(2, 3))
        .reshape(-1, tokens.shape[2])
    ),
    "Keep the axes in order when you reshape: (rows / s, s, columns / s, s, dim).",
)
squares.mistake(lambda tokens, s: _pool(tokens, s, np.sum), "Take the mean, not the sum.")
squares.mistake(
    lambda tokens, s: _pool(tokens.swapaxes(0, 1), s), "List the keys row by row, not by column."
)
