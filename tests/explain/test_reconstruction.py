"""Reconstructions with covered patches, and attention with a disabled head."""

import numpy as np
import pytest
from keras import ops

from xraylab import explain, models


def test_without_changes_it_equals_the_intermediates_of_the_model(toy, images):
    model = toy("rr_vit_toy")
    found = explain.reconstruct(model, images)
    expected = model(images, return_intermediates=True)["reconstruction"]
    expected = ops.convert_to_numpy(expected)
    np.testing.assert_allclose(found.reconstruction, expected, atol=1e-5)
    np.testing.assert_allclose(found.error, np.abs(expected - images), atol=1e-5)
    np.testing.assert_array_equal(found.inputs, images)


def test_only_masked_patches_are_covered(toy, images):
    masked = np.zeros((4, 4), bool)
    masked[1, 2] = True
    found = explain.reconstruct(toy("rr_vit_toy"), images, masked=masked)
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(found.inputs[:, 8:16, 16:24] - mean, 0, atol=1e-6)
    same = found.inputs == images
    same[:, 8:16, 16:24] = True
    assert same.all()


def test_each_image_can_have_its_own_mask(toy, images):
    masked = np.zeros((3, 4, 4), bool)
    masked[1] = True
    inputs = explain.reconstruct(toy("rr_vit_toy"), images, masked=masked).inputs
    changed = (inputs != images).any(axis=(1, 2, 3))
    assert changed.tolist() == [False, True, False]


def test_a_disabled_head_contributes_nothing(toy, images):
    """In NumPy: the output of the block is that of the other heads alone."""
    model = toy("rr_vit_toy")
    attention = model.blocks[0].attention
    heads = attention.num_heads
    tokens = np.random.default_rng(0).normal(size=(1, 17, model.embed_dim)).astype(np.float32)
    maps = []
    attention(tokens, attention_transform=lambda attention: maps.append(attention) or attention)
    maps = np.asarray(maps[0])
    value = np.asarray(attention.value(tokens)).reshape(1, 17, heads, -1).transpose(0, 2, 1, 3)
    read = maps @ value
    read[:, 1] = 0
    read = read.transpose(0, 2, 1, 3).reshape(1, 17, -1)
    expected = read @ np.asarray(attention.projection.kernel) + np.asarray(
        attention.projection.bias
    )

    def switch(maps):
        return maps * np.array([1, 0, *[1] * (heads - 2)], np.float32)[None, :, None, None]

    found = np.asarray(attention(tokens, attention_transform=switch))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_hybrid_rr_vit_reconstructs(toy, images):
    found = explain.reconstruct(toy("hybrid_rr_vit_toy"), images, np.eye(8, dtype=bool))
    assert found.reconstruction.shape == images.shape
    assert found.logits.shape == (3, 3)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dbct_toy", {}, "Expected: RR-ViT or Hybrid RR-ViT. Received: dbct_toy"),
        ("rr_vit_toy", {"masked": np.ones((4, 4))}, "bool of shape"),
        ("rr_vit_toy", {"masked": np.ones((5, 4), bool)}, "rows and columns dividing 32"),
        ("rr_vit_toy", {"masked": np.ones((2, 4, 4), bool)}, r"\(3, rows, columns\)"),
    ],
)
def test_bad_input(toy, images, name, options, message):
    with pytest.raises(ValueError, match=message):
        explain.reconstruct(toy(name), images, **options)


def test_a_model_that_predicts_no_labels_is_refused(images):
    with pytest.raises(ValueError, match=r"RR-ViT or Hybrid RR-ViT\. Received: gmml_lt_vit_toy"):
        explain.reconstruct(models.build_gmml("lt_vit_toy", image_size=32), images)
