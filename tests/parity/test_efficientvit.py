"""EfficientViT against timm's, weights converted, at several sizes of image and label."""

import numpy as np
import pytest
from keras import ops

from xraylab import models
from xraylab.models.convert.timm import load_timm

GAIN = 0.75  # some forty residual branches follow each other; with 1 they grow without bound


def filled(timm, torch, random_weights, name, image_size, num_labels):
    """Return timm's model with every array of its state dict random."""
    theirs = timm.create_model(
        name, pretrained=False, num_classes=num_labels, img_size=image_size
    ).eval()
    shapes = {key: value.shape for key, value in theirs.state_dict().items()}
    state = random_weights.random_state(shapes, gain=GAIN)
    tensors = {key: torch.from_numpy(value) for key, value in state.items()}
    missing, unexpected = theirs.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert all(key.endswith("num_batches_tracked") for key in missing)
    return theirs, state


@pytest.mark.parametrize(
    ("name", "image_size", "num_labels"),
    [
        ("efficientvit_m5", 224, 14),
        ("efficientvit_m5", 128, 14),  # maps of 8, 4 and 2: windows padded, windows cut short
        ("efficientvit_m0", 224, 14),
        ("efficientvit_m0", 320, 3),  # maps of 20, 10 and 5
        ("efficientvit_m1", 64, 14),  # maps of 4, 2 and 1
        ("efficientvit_m2", 224, 14),
        ("efficientvit_m3", 224, 14),
        ("efficientvit_m4", 224, 14),
    ],
)
def test_logits_are_timms(timm, torch, random_weights, name, image_size, num_labels):
    theirs, state = filled(timm, torch, random_weights, name, image_size, num_labels)
    ours = models.build(name, image_size=image_size, num_labels=num_labels)
    load_timm(ours, state)
    images = random_weights.random_images(2, image_size)
    with torch.no_grad():
        colour = torch.from_numpy(images.transpose(0, 3, 1, 2)).repeat(1, 3, 1, 1)
        features = theirs.forward_features(colour).numpy().transpose(0, 2, 3, 1)
        logits = theirs(colour).numpy()
    got = ours(images, return_intermediates=True)
    assert np.abs(logits[0] - logits[1]).max() > 1e-3, "the output does not depend on the image"
    for mine, expected in ((got["features"], features), (got["logits"], logits)):
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(ops.convert_to_numpy(mine), expected, atol=1e-4 * scale, rtol=0)


def test_parameters_are_as_many_as_timms(timm):
    for name in models.list_models("efficientvit_m?"):
        theirs = timm.create_model(name, pretrained=False, num_classes=14)
        ours = models.build(name, image_size=224)
        assert sum(int(np.prod(v.shape)) for v in ours.trainable_variables) == sum(
            p.numel() for p in theirs.parameters()
        )
