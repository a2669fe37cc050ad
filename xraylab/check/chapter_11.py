"""Exercises of chapter 11, Hybrid RR-ViT."""

import numpy as np

from xraylab.check.grading import CodeExercise, Exercise

_TOKENS = 56**2 + 1

map_bytes = Exercise(4 * 8 * _TOKENS**2, "315 MB, for one image and one block of eight.")
map_bytes.mistake(4 * 8 * 56**4, "Nearly: [CLS] is a token, too, so there are 3137.")
map_bytes.mistake(8 * _TOKENS**2, "That is the number of entries; a float32 takes four bytes.")
map_bytes.mistake(4 * _TOKENS**2, "That is one head; there are eight.")
map_bytes.mistake(4 * 8 * _TOKENS, "The map has a row and a column for every token.")
map_bytes.mistake(4 * 8 * 8 * _TOKENS**2, "That is all eight blocks; the question is about one.")
map_bytes.mistake(4 * 8 * (28**2 + 1) ** 2, "RR-ViT's patches are 8 × 8; here they are 4 × 4.")

segments = Exercise(16, "Eight inputs of segments, and eight activations of one segment.")
segments.mistake(8, "That is the number of segments; one segment's activations are stored, too.")
segments.mistake(64, "That is the number without checkpointing.")


def _field(kernels, strides, *, early=False, step=1):
    field = distance = 1
    for kernel, stride in zip(kernels, strides, strict=True):
        distance *= stride if early else 1
        field += (kernel - step) * distance
        distance *= 1 if early else stride
    return field


receptive_field = CodeExercise(
    _field,
    (([3, 3, 3], [2, 2, 1]), ([7, 3], [2, 2]), ([5, 1, 3], [1, 4, 2])),
    "For the stem it is 15.",
)
receptive_field.mistake(
    lambda kernels, strides: _field(kernels, strides, early=True),
    "The stride of a convolution affects only the layers after it.",
)
receptive_field.mistake(
    lambda kernels, strides: _field(kernels, strides, step=0), "A kernel spans k - 1 steps."
)
receptive_field.mistake(
    lambda kernels, strides: _field(kernels, [1] * len(kernels)), "The strides are ignored."
)


def _merge(m1, l1, o1, m2, l2, o2):
    m = np.maximum(m1, m2)
    a, b = np.exp(m1 - m), np.exp(m2 - m)
    return (a * o1 + b * o2) / (a * l1 + b * l2)


def _tiles(seed):
    rng = np.random.default_rng(seed)
    for shift in (0.0, 800.0):  # exponentials that are not relative to the maximum overflow
        scores, values = rng.normal(size=(3, 7)) + shift, rng.normal(size=(7, 4))
        m = scores.max(axis=1, keepdims=True)
        p = np.exp(scores - m)
        yield m, p.sum(axis=1, keepdims=True), p @ values


merge = CodeExercise(
    _merge,
    tuple((*one, *two) for one, two in zip(_tiles(1), _tiles(2), strict=True)),
    "The result is exact, and no exponential can overflow.",
)
merge.mistake(
    lambda m1, l1, o1, m2, l2, o2: (o1 + o2) / (l1 + l2),
    "The sums are relative to different maxima: rescale them before adding.",
)
merge.mistake(
    lambda m1, l1, o1, m2, l2, o2: (o1 / l1 + o2 / l2) / 2,
    "The tiles do not have the same share of the softmax.",
)
