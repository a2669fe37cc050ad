# ruff: noqa: F821
"""What chapter 3 concludes; runs at its end, with its variables."""

import re

assert same and same_batch and same_order
assert type(loaded.images).__name__ == "memmap"
assert 4 * phantom.SPLIT_SIZES["train"] * 224**2 > 15e9, "more than many laptops have to spare"
low, high = slice(0, 3), slice(20, 24)
kept_one, kept_three = kept.values()
assert kept_one[low].mean() > 0.95, "coarse structure is hardly affected"
assert kept_three[low].mean() > 0.9
assert kept_three.mean() < kept_one.mean()
assert kept_one[high].mean() < 0.7, "one interpolation already attenuates the finest detail"
assert kept_three[high].mean() < 0.25, "three remove most of it"
assert np.array_equal(once, again)
assert not np.array_equal(once, later)
assert right["original"].mean() > 0.55, "most of the heart is in the right half"
assert right["original"].min() < 0.5, "not on every image"
assert abs(right["flipped at random"].mean() - 0.5) < 0.1
for small in ("nodule", "mass"):
    for large in ("effusion", "edema", "cardiomegaly"):
        assert error[small] > error[large], "the assumption holds better for large findings"
        assert gone[small] > gone[large]
assert 0.1 < gone["nodule"] < 0.3

# The check of the folder.
report = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)  # without colours
for text in ("1 missing: 11.png", "07.png (not an image", "1 negative:", "60.jpg = val: 45.png"):
    assert text in report, text
assert "│ nodule   │ 3 / 36 / 0 │ 0 / 10 / 0 │ 1 / 9 / 0 │" in report, "very few positive images"
assert max(map(len, report.splitlines())) <= 80
