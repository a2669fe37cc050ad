"""The transformer block against float64 NumPy."""

import math

import numpy as np
from keras import ops

from xraylab.layers import TransformerBlock
from xraylab.layers.transformer import recorder


def reference(x, weights, num_heads):
    """Two pre-norm residual branches, written out for one image."""
    weights = iter(np.asarray(w, np.float64) for w in weights)

    def norm(x):
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
        return centred / scale * next(weights) + next(weights)

    width = x.shape[-1] // num_heads
    normed = norm(x)
    query, key, value = (normed @ next(weights) + next(weights) for _ in range(3))
    heads = []
    for part in (slice(h * width, (h + 1) * width) for h in range(num_heads)):
        scores = np.exp(query[:, part] @ key[:, part].T / math.sqrt(width))
        heads.append(scores / scores.sum(-1, keepdims=True) @ value[:, part])
    x = x + np.concatenate(heads, -1) @ next(weights) + next(weights)
    hidden = norm(x) @ next(weights) + next(weights)
    hidden = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
    return x + hidden @ next(weights) + next(weights)


def test_block_against_numpy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 12))
    block = TransformerBlock(num_heads=3, mlp_ratio=2)
    block.build(x.shape)
    block.set_weights([rng.normal(0, 0.3, w.shape) for w in block.get_weights()])
    maps = {}
    output = block(x.astype(np.float32), attention_transform=recorder("map", None, maps))
    assert tuple(maps["map"].shape) == (2, 3, 5, 5)
    for image in range(2):
        expected = reference(x[image], block.get_weights(), 3)
        np.testing.assert_allclose(ops.convert_to_numpy(output)[image], expected, atol=1e-5)
    np.testing.assert_allclose(block(x.astype(np.float32)), output, atol=1e-6)
