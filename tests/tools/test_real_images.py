"""The images of the larger file at the size of the smaller one."""

import numpy as np
from real_images import load, write_shared

from xraylab import data


def test_shared_images_are_those_of_the_larger_file(real_images, tmp_path):
    out = tmp_path / "shared.npz"
    write_shared(real_images, out)
    [large] = load(real_images, "test", name="nih_128.npz")
    small = data.load(out, split="test", table=out.with_suffix(".csv"), on_suspect=None)
    np.testing.assert_array_equal(small.labels, large.labels)
    np.testing.assert_array_equal(small.table, large.table)
    halved = large.images.reshape(len(large), 64, 2, 64, 2).mean(axis=(2, 4))
    assert np.abs(halved - small.images).mean(axis=(1, 2)).max() < 2, "of 255, by other filters"
