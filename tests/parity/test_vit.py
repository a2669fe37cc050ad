"""ViT against timm's, weights converted, at several sizes."""

import numpy as np
import pytest
from keras import ops

from xraylab import models
from xraylab.models.convert.vit import IMAGENET_MEAN, IMAGENET_STD, load_vit


@pytest.mark.parametrize(
    ("theirs", "ours", "image_size", "patch_size"),
    [
        ("deit_tiny_patch16_224", "vit_tiny", 224, 16),
        ("vit_tiny_patch16_224", "vit_tiny", 224, 16),
        ("vit_tiny_patch16_224", "vit_tiny", 96, 16),
        ("vit_small_patch16_224", "vit_small", 64, 8),
    ],
)
def test_logits_are_timms(timm, torch, random_weights, theirs, ours, image_size, patch_size):
    options = {"img_size": image_size, "patch_size": patch_size}
    theirs = timm.create_model(theirs, pretrained=False, num_classes=14, **options).eval()
    shapes = {key: tuple(value.shape) for key, value in theirs.state_dict().items()}
    state = random_weights.random_state(shapes, gain=0.75)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    model = models.build(ours, image_size=image_size, patch_size=patch_size)
    load_vit(model, theirs.state_dict())
    images = random_weights.random_images(2, image_size)
    colour = (images.repeat(3, axis=-1) - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)
    with torch.no_grad():
        colour = torch.from_numpy(colour.transpose(0, 3, 1, 2))
        tokens, logits = theirs.forward_features(colour).numpy(), theirs(colour).numpy()
    got = model(images, return_intermediates=True)
    assert np.abs(logits[0] - logits[1]).max() > 1e-3, "the output does not depend on the image"
    for mine, expected in ((got["tokens"], tokens), (got["logits"], logits)):
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(ops.convert_to_numpy(mine), expected, atol=1e-4 * scale, rtol=0)


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_parameters_are_as_many_as_timms(timm, size):
    options = {"pretrained": False, "num_classes": 14, "in_chans": 1}
    theirs = timm.create_model(f"vit_{size}_patch16_224", **options)
    ours = models.build(f"vit_{size}", image_size=224)
    assert ours.count_params() == sum(p.numel() for p in theirs.parameters())
