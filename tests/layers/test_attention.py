"""Attention against a loop over heads and queries in float64."""

import numpy as np
import pytest
from keras import ops

from xraylab.layers import SelfAttention


def reference(tokens, layer):
    """Multi-head self-attention, written as slowly and plainly as possible."""
    weights = iter(np.asarray(w, np.float64) for w in layer.get_weights())
    num_tokens, embed_dim = tokens.shape
    width = embed_dim // layer.num_heads
    query, key, value = (tokens @ next(weights) + next(weights) for _ in range(3))
    joined = np.zeros_like(tokens)
    maps = np.zeros((layer.num_heads, num_tokens, num_tokens))
    for head in range(layer.num_heads):
        part = slice(head * width, (head + 1) * width)
        for i in range(num_tokens):
            scores = np.array([query[i, part] @ key[j, part] for j in range(num_tokens)])
            scores = np.exp(scores / np.sqrt(width))
            maps[head, i] = scores / scores.sum()
            joined[i, part] = sum(maps[head, i, j] * value[j, part] for j in range(num_tokens))
    return joined @ next(weights) + next(weights), maps


@pytest.mark.parametrize("num_heads", [1, 4])
def test_against_plain_loops(num_heads):
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(2, 7, 16))
    layer = SelfAttention(num_heads)
    layer.build(tokens.shape)
    layer.set_weights([rng.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    output, attention = layer(tokens.astype(np.float32), return_attention=True)
    for film in range(2):
        expected, maps = reference(tokens[film], layer)
        np.testing.assert_allclose(ops.convert_to_numpy(output)[film], expected, atol=1e-5)
        np.testing.assert_allclose(ops.convert_to_numpy(attention)[film], maps, atol=1e-6)


def test_permuted_tokens_give_permuted_outputs():
    """Self-attention has no idea of order; only the position table brings one in."""
    tokens = np.random.default_rng(1).normal(size=(1, 9, 8)).astype(np.float32)
    order = np.random.default_rng(2).permutation(9)
    layer = SelfAttention(2)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(tokens))[:, order], layer(tokens[:, order]), atol=1e-6
    )


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match="embed_dim 10 does not divide into num_heads 4"):
        SelfAttention(4).build((None, 5, 10))
