"""Plans and what becomes of the pixels, against hand-worked answers and float64 references."""

import numpy as np
import pytest
from keras import ops
from scipy import ndimage, stats

from xraylab.training.augmentation.pixels import carry_out
from xraylab.training.augmentation.plan import (
    exposure_plan,
    mix_labels,
    mixing_plan,
    warp_matrices,
    warp_plan,
)


def make_images(num_images=3, size=12):
    rng = np.random.default_rng(2)
    return rng.random((num_images, size, size, 1)).astype(np.float32)


def warped(images, *, mirror=False, angle=0.0, window=1.0, right=0.0, down=0.0, fill="black"):
    values = (mirror, angle, window, right, down)
    values = [np.full(len(images), value) for value in values]
    plan = {"matrices": warp_matrices(*images.shape[1:3], *values)}
    return ops.convert_to_numpy(carry_out(images, plan, fill))


# -- The warp --


def test_nothing_to_warp_is_exact():
    images = make_images()
    np.testing.assert_array_equal(warped(images), images)


def test_shift_by_whole_pixels():
    images = make_images()
    expected = np.zeros_like(images)
    expected[:, :-3, 2:] = images[:, 3:, :-2]
    np.testing.assert_array_equal(warped(images, right=2, down=-3), expected)


def test_what_lies_outside():
    images = make_images()
    np.testing.assert_array_equal(
        warped(images, right=2, fill="nearest")[:, :, :2], images[:, :, [0, 0]]
    )
    np.testing.assert_array_equal(
        warped(images, right=2, fill="reflect")[:, :, :2], images[:, :, [1, 0]]
    )


@pytest.mark.parametrize("size", [12, 13])
def test_a_quarter_turn_is_counter_clockwise_about_the_centre(size):
    images = make_images(size=size)
    np.testing.assert_allclose(
        warped(images, angle=90), np.rot90(images, axes=(1, 2)), rtol=0, atol=1e-5
    )


def test_mirror_is_left_to_right():
    images = make_images()
    np.testing.assert_allclose(warped(images, mirror=True), images[:, :, ::-1], rtol=0, atol=1e-6)


def test_zoom_by_two_shows_the_middle_twice_as_large():
    """On a ramp, interpolation is exact: half the slope about the same centre."""
    ramp = np.tile(np.linspace(0.2, 0.8, 13, dtype=np.float32)[:, None], (1, 13, 1, 1))
    expected = np.tile(np.linspace(0.35, 0.65, 13)[:, None], (1, 13, 1, 1))
    np.testing.assert_allclose(warped(ramp, window=0.5), expected, atol=1e-6)
    square = np.zeros((1, 16, 16, 1), np.float32)
    square[:, 6:10, 6:10] = 1
    assert warped(square, window=0.5).sum() == pytest.approx(64, abs=1e-4)


@pytest.mark.parametrize(
    ("fill", "mode"), [("black", "grid-constant"), ("nearest", "nearest"), ("reflect", "reflect")]
)
def test_all_at_once_against_one_step_after_the_other_in_float64(fill, mode):
    """A mirror, then a turn, then a zoom, then a shift, composed as coordinates by SciPy."""
    images = make_images(size=17)
    angle, window, right, down = 23.0, 0.8, 2.3, -1.6
    rows, columns = np.mgrid[:17, :17] - 8.0
    rows, columns = (rows - down) * window, (columns - right) * window
    turn = np.deg2rad(angle)
    x = columns * np.cos(turn) - rows * np.sin(turn)
    y = columns * np.sin(turn) + rows * np.cos(turn)
    places = np.stack([y + 8, -x + 8])
    expected = [
        ndimage.map_coordinates(one[..., 0].astype(np.float64), places, order=1, mode=mode)
        for one in images
    ]
    found = warped(
        images, mirror=True, angle=angle, window=window, right=right, down=down, fill=fill
    )
    np.testing.assert_allclose(found[..., 0], expected, rtol=0, atol=2e-5)


def test_warps_are_drawn_evenly_between_their_limits():
    plan = warp_plan((4000, 33, 33), 5, flip=0.3, rotate=20, zoom=0.2, translate=0.1)
    xx, xy, x, yx, yy, y = plan["matrices"].astype(np.float64).T[:6]
    window, angle = np.hypot(yx, yy), np.degrees(np.arctan2(yx, yy))
    mirrored = xx * yy - xy * yx < 0
    assert abs(mirrored.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 4000)
    # The centre of the new image lies at old centre - matrix · shift.
    matrix = np.stack([[xx, xy], [yx, yy]]).transpose(2, 0, 1)
    offset = np.stack([x, y], axis=-1) + matrix @ np.array([16.0, 16.0]) - 16
    shift = -np.linalg.solve(matrix, offset[..., None])[..., 0] / 33
    for draws, limit in ((angle, 20), (window - 1, 0.2), (shift[:, 0], 0.1), (shift[:, 1], 0.1)):
        uniform = stats.uniform(-limit, 2 * limit)
        assert stats.kstest(draws, uniform.cdf).pvalue > 0.01
        assert np.abs(draws).max() <= limit * 1.0001
    together = np.corrcoef([angle, window, *shift.T, mirrored])
    assert np.abs(together - np.eye(5)).max() < 0.06


# -- Exposure --


def test_exposure_in_float64():
    images = make_images(num_images=200)
    plan = exposure_plan(images, 3, brightness=0.3, contrast=0.5)
    found = ops.convert_to_numpy(carry_out(images, plan, "black"))
    exact, gain = images.astype(np.float64), plan["gain"].astype(np.float64)
    mean = exact.mean(axis=(1, 2, 3))
    added = plan["offset"] - (1 - gain) * mean  # what is left when the contrast is taken out
    for draws, limit in ((gain - 1, 0.5), (added, 0.3)):
        assert stats.kstest(draws, stats.uniform(-limit, 2 * limit).cdf).pvalue > 0.01
        assert np.abs(draws).max() <= limit * 1.0001
    by_image = (slice(None), None, None, None)
    expected = mean[by_image] + gain[by_image] * (exact - mean[by_image]) + added[by_image]
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), rtol=0, atol=1e-6)


def test_outside_of_the_image_stays_black_however_bright_it_is():
    images = make_images()
    matrices = warp_matrices(12, 12, *(np.full(3, v) for v in (False, 0.0, 1.0, 4.0, 0.0)))
    plan = {"gain": np.ones(3, np.float32), "offset": np.full(3, 0.5, np.float32)}
    found = ops.convert_to_numpy(carry_out(images, plan | {"matrices": matrices}, "black"))
    np.testing.assert_array_equal(found[:, :, :4], 0)
    assert found[:, :, 4:].min() >= 0.5


# -- Mixing --


def mixed(images, seed=0, **alphas):
    plan = mixing_plan(images.shape[:3], seed, **({"mixup": 0, "cutmix": 0} | alphas))
    return plan, ops.convert_to_numpy(carry_out(images, plan, "black"))


def test_mixup_is_a_convex_mixture_of_images_and_labels_alike():
    images, labels = make_images(num_images=64), np.eye(64, dtype=np.float32)
    plan, found = mixed(images, mixup=0.4)
    assert sorted(plan["partner"]) == list(range(64))
    own = 1 - plan["weight"].astype(np.float64)
    others = images[plan["partner"]].astype(np.float64)
    expected = own[:, None, None, None] * images + (1 - own[:, None, None, None]) * others
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    low, high = np.minimum(images, others), np.maximum(images, others)
    assert (found >= low - 1e-6).all() and (found <= high + 1e-6).all()
    new = mix_labels(labels, plan)
    np.testing.assert_allclose(new.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(
        new, own[:, None] * labels + (1 - own[:, None]) * labels[plan["partner"]], atol=1e-6
    )


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_own_share_is_beta_distributed(alpha):
    plan = mixing_plan((4000, 8, 8), 11, mixup=alpha, cutmix=0)
    assert stats.kstest(1 - plan["weight"], stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_cutmix_weight_is_the_area_that_was_replaced():
    """Images of one grey level each: whatever differs from its own came from the partner."""
    grey = np.linspace(0, 1, 300, dtype=np.float32)
    images = np.broadcast_to(grey[:, None, None, None], (300, 20, 30, 1)).copy()
    plan, found = mixed(images, cutmix=1.0)
    partner = plan["partner"]
    replaced = found != images
    np.testing.assert_array_equal(
        found, np.where(replaced, images[partner], images), err_msg="only whole pixels are cut"
    )
    apart = partner != np.arange(300)
    area = replaced.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(plan["weight"][apart], area[apart], atol=1e-7)
    # One rectangle an image, cut off at the edges or not.
    rows, columns = replaced.any(axis=(2, 3)).sum(axis=1), replaced.any(axis=(1, 3)).sum(axis=1)
    np.testing.assert_array_equal(rows * columns, replaced.sum(axis=(1, 2, 3)))
    top, left, bottom, right = plan["box"].T
    cut_off = (top == 0) | (left == 0) | (bottom == 20) | (right == 30)
    assert cut_off.any() and not cut_off.all()


def test_cutmix_boxes_have_sides_in_proportion_and_lie_anywhere():
    """Of boxes that no edge cuts off, λ = 1 - area is uniform in (0, 1) for α = 1, given the side.

    A box of side r·n lies inside with its centre in (1 - r)² of the image, so among those the
    density of r² = 1 - λ is in proportion to (1 - r)².
    """
    side = 200
    plan = mixing_plan((60_000, side, side), 1, mixup=0, cutmix=1.0)
    top, left, bottom, right = plan["box"].astype(float).T
    for start, end in ((top, bottom), (left, right)):  # as often over one edge as over the other
        assert abs((start == 0).mean() - (end == side).mean()) < 0.02
    inside = (top > 0) & (left > 0) & (bottom < side) & (right < side) & (bottom > top + 9)
    assert inside.sum() > 5000
    np.testing.assert_array_equal((bottom - top)[inside], (right - left)[inside])
    ratio = (bottom - top)[inside] / side
    # P(r ≤ t) ∝ ∫ 2r (1 - r)² dr from 0.05 on.
    total = lambda t: t**2 - 4 * t**3 / 3 + t**4 / 2  # noqa: E731
    cdf = lambda t: (total(t) - total(0.05)) / (total(1.0) - total(0.05))  # noqa: E731
    spread = np.random.default_rng(0).random(len(ratio)) / side  # sides are whole pixels
    assert stats.ks_1samp(ratio + spread, cdf).statistic < 0.02


def test_with_both_each_image_takes_one():
    images = make_images(num_images=400, size=16)
    plan, found = mixed(images, mixup=1.0, cutmix=1.0)
    top, left, bottom, right = plan["box"].T
    cut = (bottom > top) & (right > left)
    assert 150 < cut.sum() < 250
    np.testing.assert_array_equal(plan["share"][cut], 0)
    whole = (found == images) | (found == images[plan["partner"]])
    assert whole[cut].all()
    blended = ~cut & (plan["partner"] != np.arange(400)) & (np.abs(plan["weight"] - 0.5) < 0.4)
    assert not whole[blended].all(axis=(1, 2, 3)).any()


def test_unknown_labels_stay_unknown():
    nan = np.nan
    labels = np.array([[nan, 1, 0, 1], [1, nan, 0, 1], [0, 0, nan, 1]], np.float32)
    plan = {
        "partner": np.array([1, 2, 0]),
        "weight": np.array([0.25, 0.0, 1.0], np.float32),
    }
    expected = [[nan, nan, 0, 1], [1, nan, 0, 1], [nan, 1, nan, 1]]
    np.testing.assert_array_equal(mix_labels(labels, plan), np.float32(expected))


def test_mixed_labels_never_leave_the_range_of_the_two():
    rng = np.random.default_rng(0)
    labels = rng.random((5000, 3)).astype(np.float32)
    plan = mixing_plan((5000, 4, 4), 0, mixup=0.3, cutmix=0)
    new, others = mix_labels(labels, plan), labels[plan["partner"]]
    assert new.dtype == np.float32
    assert (new >= np.minimum(labels, others)).all() and (new <= np.maximum(labels, others)).all()
