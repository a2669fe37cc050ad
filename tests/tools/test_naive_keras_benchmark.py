"""The benchmark against plain Keras: the two models are equally large; no speed is asserted."""

import numpy as np
import pytest

from xraylab.models.cost import recorded_cost


@pytest.fixture
def plain(load_benchmark):
    return load_benchmark("naive_models")


def test_every_model_has_a_plain_version(load_benchmark, plain):
    assert tuple(plain.MODELS) == load_benchmark("naive_keras").MODELS


@pytest.mark.parametrize("name", ["dbct", "rr_vit", "hybrid_rr_vit", "lt_vit_tiny"])
def test_transformers_have_as_many_weights_as_ours(plain, name):
    model = plain.MODELS[name]()
    assert model.count_params() == recorded_cost(name, plain.SIZE).parameters


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet50", "densenet121", "efficientnet_b0"])
def test_networks_have_as_many_weights_as_ours(plain, name):
    test_transformers_have_as_many_weights_as_ours(plain, name)


def test_label_tokens_do_not_change_image_tokens(plain):
    """The head reads label tokens only, so that the mask shows in the last block but one."""
    model = plain.lt_vit_tiny()
    tokens = [layer for layer in model.layers if isinstance(layer, plain.Embedding)][-1]
    blocks = [layer for layer in model.layers if isinstance(layer, plain.layers.Add)]
    inside = plain.keras.Model(model.inputs, blocks[-1].output)
    images = np.random.default_rng(0).random((1, plain.SIZE, plain.SIZE, 1), np.float32)
    before = inside.predict_on_batch(images)
    tokens.tokens.assign(tokens.tokens + 1.0)
    after = inside.predict_on_batch(images)
    labels = plain.LABELS
    np.testing.assert_allclose(after[:, labels:], before[:, labels:], rtol=1e-5, atol=1e-5)
    assert np.abs(after - before)[:, :labels].max() > 1e-3
