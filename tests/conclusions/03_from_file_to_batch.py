# ruff: noqa: F821
"""What chapter 3 concludes; runs at its end, with its variables."""

assert same
assert type(loaded.images).__name__ == "memmap"
assert 4 * phantom.SPLIT_SIZES["train"] * 224**2 > 15e9, "more than many laptops have to spare"
assert kept_one[0] > 0.95, "coarse structure is unaffected"
assert kept_three[0] > 0.9
assert (kept_three < kept_one).all()
assert kept_one[-1] < 0.7, "one interpolation already attenuates the finest detail"
assert kept_three[-1] < 0.2, "three remove most of it"
assert np.array_equal(once, again)
assert not np.array_equal(once, later)
assert right["original"].mean() > 0.55, "most of the heart is in the right half"
assert right["original"].min() < 0.5, "not on every image"
assert abs(right["flipped at random"].mean() - 0.5) < 0.1
assert error["nodule"] > error["effusion"] > error["edema"], "better for larger findings"
assert 0.1 < gone["nodule"] < 0.3
assert all(gone["nodule"] >= share for share in gone.values())
assert test.check(first @ second)
assert "reversed" in test.check(second @ first).message
assert not test.check(first * second)
