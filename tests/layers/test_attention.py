"""Attention against a loop over heads and queries in float64, and in blocks against whole."""

import keras
import numpy as np
import pytest
from keras import ops

from xraylab.layers import MultiHeadAttention, attend, attention, scaled_dot_product_attention
from xraylab.layers.transformer import recorder


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


def attend_and_record(layer, *inputs):
    """Return the output of a layer and its attention map."""
    maps = {}
    output = layer(*inputs, attention_transform=recorder("map", None, maps))
    return output, maps["map"]


@pytest.mark.parametrize("num_heads", [1, 4])
def test_against_plain_loops(num_heads):
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(2, 7, 16))
    layer = MultiHeadAttention(num_heads)
    layer.build(tokens.shape)
    layer.set_weights([rng.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    output, attention = attend_and_record(layer, tokens.astype(np.float32))
    for image in range(2):
        expected, maps = reference(tokens[image], layer)
        np.testing.assert_allclose(ops.convert_to_numpy(output)[image], expected, atol=1e-5)
        np.testing.assert_allclose(ops.convert_to_numpy(attention)[image], maps, atol=1e-6)


def test_permuted_tokens_give_permuted_outputs():
    """Self-attention has no idea of order; only the position table brings one in."""
    tokens = np.random.default_rng(1).normal(size=(1, 9, 8)).astype(np.float32)
    order = np.random.default_rng(2).permutation(9)
    layer = MultiHeadAttention(2)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(tokens))[:, order], layer(tokens[:, order]), atol=1e-6
    )


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match=r"num_heads\. Expected: a divisor of 10\. Received: 4"):
        MultiHeadAttention(4).build((None, 5, 10))


def test_tokens_read_from_a_context():
    """With a context, every token attends to the context alone."""
    rng = np.random.default_rng(3)
    tokens, context = (rng.normal(size=(1, n, 8)).astype(np.float32) for n in (3, 5))
    layer = MultiHeadAttention(2)
    output, weights = attend_and_record(layer, tokens, context)
    assert tuple(weights.shape) == (1, 2, 3, 5)
    joint, joint_weights = reference(np.concatenate([tokens, context], axis=1)[0], layer)
    # The reference attends to everything: keep the context's columns, and let each row sum to 1.
    expected = joint_weights[:, :3, 3:]
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(ops.convert_to_numpy(weights)[0], expected, atol=1e-6)
    assert not np.allclose(ops.convert_to_numpy(output)[0], joint[:3], atol=1e-3)


def test_a_context_in_parts_equals_their_concatenation():
    rng = np.random.default_rng(5)
    tokens, *parts = (rng.normal(size=(2, n, 8)).astype(np.float32) for n in (3, 5, 4))
    layer = MultiHeadAttention(2)
    whole = attend_and_record(layer, tokens, np.concatenate(parts, axis=1))
    for found, expected in zip(attend_and_record(layer, tokens, tuple(parts)), whole, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=1e-6)


def _inputs(num_queries, num_keys):
    rng = np.random.default_rng(4)
    shapes = ((2, 3, num_queries, 8), (2, 3, num_keys, 8), (2, 3, num_keys, 8))
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("entries", [1, 3 * 13 * 4, 3 * 13 * 20])
def test_in_blocks_it_is_the_same(monkeypatch, entries):
    """Blocks of 1, of 4 (the last one is not full), and all at once."""
    inputs = _inputs(20, 13)
    expected, _ = scaled_dot_product_attention(*map(ops.convert_to_tensor, inputs))
    monkeypatch.setattr(attention, "LARGEST_MAP", entries)
    np.testing.assert_allclose(attend(*map(ops.convert_to_tensor, inputs)), expected, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
def test_gradients_in_blocks_are_the_same(monkeypatch):
    import tensorflow as tf

    inputs = [tf.constant(x) for x in _inputs(20, 13)]
    weights = np.random.default_rng(5).normal(size=(2, 3, 20, 8)).astype(np.float32)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(attend(*inputs) * weights)
        return tape.gradient(loss, inputs)

    expected = gradients()
    monkeypatch.setattr(attention, "LARGEST_MAP", 3 * 13 * 6)
    for got, whole in zip(tf.function(gradients.python_function)(), expected, strict=True):
        np.testing.assert_allclose(got, whole, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads the graph")
def test_gradient_computes_the_map_of_each_block_again(monkeypatch):
    import tensorflow as tf

    inputs = [tf.constant(x) for x in _inputs(20, 13)]
    monkeypatch.setattr(attention, "LARGEST_MAP", 3 * 13 * 6)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(attend(*inputs) ** 2)
        return tape.gradient(loss, inputs)

    library = gradients.get_concrete_function().graph.as_graph_def().library.function
    backward = [
        f for f in library if "while_body" in f.signature.name and "_grad" in f.signature.name
    ]
    assert any(node.op == "Softmax" for f in backward for node in f.node_def)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
def test_gradients_of_many_blocks_add_up_in_float32(monkeypatch):
    """In bfloat16 a sum stops growing at 256 times the number that is added."""
    import tensorflow as tf

    query, key = (tf.zeros((1, 1, number, 4), tf.bfloat16) for number in (2000, 10))
    value = tf.Variable(key)
    monkeypatch.setattr(attention, "LARGEST_MAP", 10)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(attend(query, key, value))
    np.testing.assert_allclose(np.float32(tape.gradient(loss, value)), 2000 / 10, rtol=0.01)


def test_a_bias_is_added_before_the_softmax():
    query, key, value = map(ops.convert_to_tensor, _inputs(4, 6))
    bias = np.zeros((3, 4, 6), np.float32)
    bias[..., 2:] = -1e9  # only the first two keys are left
    expected, _ = scaled_dot_product_attention(query, key[:, :, :2], value[:, :, :2])
    biased, _ = scaled_dot_product_attention(query, key, value, bias)
    np.testing.assert_allclose(biased, expected, atol=1e-5)
