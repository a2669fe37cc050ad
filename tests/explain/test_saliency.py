"""Grad-CAM against closed forms; occlusion against images covered by hand."""

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
    others = ("densenet121_toy", "efficientnet_b0_toy")
    for name in ("resnet50_toy", "dbct_toy", *some(of=others)):
        model = toy(name)
        intermediates = model(images, return_intermediates=True)
        again = model.classify(intermediates["features"])
        np.testing.assert_allclose(
            np.asarray(again), np.asarray(intermediates["logits"]), rtol=1e-5
        )


def test_each_value_is_the_decrease_of_the_logit(toy, images):
    model = toy("dbct_toy")
    found = explain.occlusion(model, images[:2], [2, 0], side=16)
    assert found.shape == (2, 2, 2, 2)
    whole = np.asarray(model(images))
    for image, row, column in ((0, 0, 0), (1, 0, 1), (1, 1, 0)):
        covered = images[image : image + 1].copy()
        covered[0, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = images[image].mean()
        falls = whole[image] - np.asarray(model(covered))[0]
        assert found[image, :, row, column] == pytest.approx(falls[[2, 0]], abs=2e-5)


def test_default_square_and_grey_level(toy, images):
    model = toy("dbct_toy")
    found = explain.occlusion(model, images[:1])
    assert found.shape == (1, 3, 8, 8)
    covered = images[:1].copy()
    covered[0, 28:, :4] = images[0].mean()
    falls = np.asarray(model(images[:1])) - np.asarray(model(covered))
    assert found[0, :, 7, 0] == pytest.approx(falls[0], abs=2e-5)


def test_images_whose_size_is_not_a_multiple_of_eight(toy):
    images = np.zeros((1, 36, 36, 1), np.float32)
    assert explain.occlusion(toy("resnet50_toy", 36), images).shape == (1, 3, 9, 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 0}, "one of 1, 2, 4, 8, 16, 32. Received: 0"),
        ({"side": 33}, "Received: 33"),
        ({"side": 5}, "Received: 5"),
        ({"side": 4.5}, "Received: 4.5"),
        ({"labels": -1}, "from 0 to 2. Received: -1"),
    ],
)
def test_occlusion_bad_input(toy, images, options, message):
    with pytest.raises(ValueError, match=message):
        explain.occlusion(toy("dbct_toy"), images, **options)
