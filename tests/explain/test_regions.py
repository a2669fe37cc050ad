"""Label maps, cross-attention and boxes at their positions."""

import numpy as np
import pytest
from keras import ops

from xraylab import explain


def test_label_maps_are_the_rows_of_label_attention(toy, images):
    model = toy("lt_vit_toy")
    side = model.image_size // model.patch_size
    found = explain.label_maps(model, images)
    assert found.shape == (3, 3, side, side)
    assert (found.sum(axis=(2, 3)) <= 1 + 1e-5).all()
    blocks = model(images, return_intermediates=True)["label_attention"].values()
    expected = np.mean([ops.convert_to_numpy(maps) for maps in blocks], axis=(0, 2))
    np.testing.assert_allclose(found.reshape(3, 3, -1), expected[:, :, : side**2], atol=1e-6)


def test_each_patch_attends_to_the_whole_map(toy, images):
    found = explain.cross_attention(toy("dbct_toy"), images)
    assert found.shape[2:] == (4, 4, 8, 8)
    np.testing.assert_allclose(found.sum(axis=(4, 5)), 1, atol=1e-5)
    intermediates = toy("dbct_toy")(images, return_intermediates=True)["cross_attention"][
        "cross_attention"
    ]
    # The patch in row 2, column 1 is the tenth; the position in row 5, column 3 the forty-fourth.
    expected = ops.convert_to_numpy(intermediates)[:, :, 9, 43]
    np.testing.assert_allclose(found[:, :, 2, 1, 5, 3], expected, atol=1e-6)


def test_boxes_and_gates(toy, images):
    model = toy("efficientvit_mxa_toy", 64)
    images = images.repeat(2, axis=1).repeat(2, axis=2)
    found = explain.regions(model, images)
    intermediates = model(images, return_intermediates=True)
    assert list(found) == list(intermediates["boxes"])
    for layer, region in found.items():
        np.testing.assert_allclose(
            region.boxes, np.asarray(intermediates["boxes"][layer]), atol=1e-5
        )
        left, top, right, bottom = region.boxes.T
        assert (left < right).all()
        assert (top < bottom).all()
        assert region.spatial_gates.min() >= 0
        assert region.channel_gates.max() <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: explain.label_maps(m("rr_vit_toy"), x), "LT-ViT, which has label tokens"),
        (
            lambda m, x: explain.cross_attention(m("rr_vit_toy"), x),
            "DBCT, which has cross-attention",
        ),
        (lambda m, x: explain.regions(m("rr_vit_toy"), x), "EfficientViT with MXA"),
    ],
)
def test_bad_input(toy, images, call, message):
    with pytest.raises(ValueError, match=message):
        call(toy, images)
