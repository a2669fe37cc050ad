"""The images of the larger file at the size of the smaller one."""

import numpy as np
from real_images import SHARED, load


def test_shared_images_are_those_of_the_larger_file(real_images):
    [large] = load(real_images, "test", name="nih_128.npz")
    [small] = load(real_images, "test", name=SHARED)
    np.testing.assert_array_equal(small.labels, large.labels)
    np.testing.assert_array_equal(small.table, large.table)
    halved = large.images.reshape(len(large), 64, 2, 64, 2).mean(axis=(2, 4))
    assert np.abs(halved - small.images).mean(axis=(1, 2)).max() < 2, "of 255, by other filters"
