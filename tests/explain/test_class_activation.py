"""Grad-CAM against closed forms for models with a linear classifier."""

import numpy as np
import pytest
from keras import ops

from xraylab import explain

from .conftest import some


@pytest.mark.parametrize("name", some("dbct_toy", of=("dbct_toy", "medvit_toy")))
def test_a_linear_classifier_gives_its_weights(toy, images, name):
    """The mean over positions goes through one linear layer, whose weights are the derivatives."""
    model = toy(name, 64 if name == "medvit_toy" else 32)
    images = images.repeat(model.image_size // 32, axis=1).repeat(model.image_size // 32, axis=2)
    features = ops.convert_to_numpy(model(images, return_intermediates=True)["features"])
    kernel = next(w for w in model.head.weights if w.path.endswith("kernel"))
    positions = features.shape[1] * features.shape[2]
    expected = np.einsum("fhwc,ck->fkhw", features, np.asarray(kernel)) / positions
    found = explain.grad_cam(model, images)
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-3, atol=1e-6)


def test_a_hidden_layer_contributes_its_active_units(toy, images):
    model = toy("resnet50_toy")
    features = ops.convert_to_numpy(model(images, return_intermediates=True)["features"])
    first, bias = (np.asarray(w) for w in model.hidden.weights)
    on = features.mean(axis=(1, 2)) @ first + bias > 0  # (images, hidden)
    slopes = np.einsum("ch,fh,hk->fkc", first, on, np.asarray(model.head.kernel))
    weights = slopes / (features.shape[1] * features.shape[2])
    expected = np.maximum(np.einsum("fkc,fhwc->fkhw", weights, features), 0)
    found = explain.grad_cam(model, images, [2, 0])
    np.testing.assert_allclose(found, expected[:, [2, 0]], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["rr_vit_toy", "hybrid_rr_vit_toy", "lt_vit_toy"])
def test_models_that_classify_tokens_are_rejected(toy, images, name):
    with pytest.raises(ValueError, match="a model that classifies a feature map"):
        explain.grad_cam(toy(name), images)


def test_classify_returns_the_models_logits(toy, images):
    for name in ("resnet50_toy", "densenet121_toy", "efficientnet_b0_toy", "dbct_toy"):
        model = toy(name)
        intermediates = model(images, return_intermediates=True)
        again = model.classify(intermediates["features"])
        np.testing.assert_allclose(
            np.asarray(again), np.asarray(intermediates["logits"]), rtol=1e-5
        )
