"""Patches are cut in raster order and put back exactly."""

import numpy as np
import pytest

from xraylab.layers import patchify, unpatchify


def test_raster_order_by_hand():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    np.testing.assert_array_equal(patchify(image, 2)[0], expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("patch_size", [2, 4, 8])
def test_unpatchify_undoes_patchify(patch_size, channels):
    images = np.random.default_rng(0).random((2, 16, 24, channels)).astype(np.float32)
    again = unpatchify(patchify(images, patch_size), patch_size, 16, 24)
    np.testing.assert_array_equal(again, images)


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"multiples of 8 px\. Received: 10x16 px"):
        patchify(np.zeros((1, 10, 16, 1), np.float32), 8)
    with pytest.raises(ValueError, match=r"4 patches of 8 px .*16x16 px\. Received: 5"):
        unpatchify(np.zeros((1, 5, 64), np.float32), 8, 16, 16)
