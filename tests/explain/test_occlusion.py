"""Occlusion against images covered by hand."""

import numpy as np
import pytest

from xraylab import explain


def test_each_value_is_the_decrease_of_the_logit(toy, images):
    model = toy("dbct_toy")
    found = explain.occlusion(model, images[:2], [2, 0], side=16, fill=0.25)
    assert found.shape == (2, 2, 2, 2)
    whole = np.asarray(model(images))
    for image, row, column in ((0, 0, 0), (1, 0, 1), (1, 1, 0)):
        covered = images[image : image + 1].copy()
        covered[0, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 0.25
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
        ({"fill": 255}, r"grey level in \[0, 1\]. Received: 255"),
        ({"labels": -1}, "from 0 to 2. Received: -1"),
    ],
)
def test_bad_input(toy, images, options, message):
    with pytest.raises(ValueError, match=message):
        explain.occlusion(toy("dbct_toy"), images, **options)
