"""Localization scores computed by hand, and baselines of known value."""

import numpy as np
import pytest

from xraylab import explain
from xraylab.explain.localization import _prepare, _scores, check_maps, permutations
from xraylab.phantom.simulator import BOX_DTYPE


def examples():
    maps = np.zeros((3, 4, 4))
    masks = np.zeros((3, 4, 4), bool)
    masks[:, :2, :2] = True  # 4 of 16 pixels
    maps[0, 0, 0], maps[0, 3, 3] = 3, 1  # maximum inside, three quarters of the sum
    maps[1, 3, 3], maps[1, 0, 0] = 2, 2  # a tie, half of it inside
    return maps, masks  # the third map is zero everywhere


def random_squares(num_images, low, high):
    """Draw masks (num_images, 8, 8), each a square of 2 by 2 with its corner in [low, high)."""
    rng = np.random.default_rng(0)
    masks = np.zeros((num_images, 8, 8), bool)
    for mask in masks:
        row, column = rng.integers(low, high, 2)
        mask[row : row + 2, column : column + 2] = True
    return masks


def scores(maps, masks):
    """Score each map against its mask, without baselines."""
    maps, masks = check_maps(maps, masks)
    return _scores(_prepare(maps), masks)


def test_scores_examples():
    found = scores(*examples())
    assert found["pointing"].tolist() == [1, 0.5, 0.25]
    assert found["energy"].tolist() == [0.75, 0.5, 0.25]
    # At least half the maximum: one pixel inside; two, one of them inside; the whole image.
    assert found["iou_half"] == pytest.approx([1 / 4, 1 / 5, 4 / 16])
    # Of the four highest (0,0) and (3,3) are fixed; two of the 14 zero cells are chosen at random.
    assert found["iou_area"][0] in [inside / (8 - inside) for inside in (1, 2, 3)]
    maps = np.arange(16.0)[::-1].reshape(1, 4, 4)  # the highest are the uppermost row
    assert scores(maps, examples()[1][:1])["iou_area"] == pytest.approx([2 / 6])


def test_negative_values_count_as_zero():
    maps, masks = examples()
    expected = scores(maps, masks)["energy"]
    maps[maps == 0] = -5
    assert scores(maps[:2], masks[:2])["energy"] == pytest.approx(expected[:2])


def test_a_map_equal_to_the_mask_scores_one():
    masks = examples()[1]
    for values in scores(masks.astype(float), masks).values():
        assert values.tolist() == [1, 1, 1]


def test_the_same_map_for_all_images_has_no_gain():
    """It may match the typical location of the finding, but depends on no image."""
    masks = random_squares(40, 2, 5)
    same = np.broadcast_to(masks.mean(axis=0), masks.shape)
    for result in explain.localization(same, masks).values():
        assert result.score.value == pytest.approx(result.permutation_baseline)
        assert result.gain.value == pytest.approx(0, abs=1e-12)
    assert explain.localization(same, masks)["energy"].score.value > 2 * masks.mean()
    true = explain.localization(masks.astype(float), masks)
    assert true["pointing"].gain.low > 0.3
    assert true["pointing"].score.value == 1
    assert true["energy"].uniform_baseline == pytest.approx(masks.mean())


def test_maps_are_permuted_within_a_finding():
    """Two findings, each always in the same corner: maps of other images score as well."""
    masks = np.zeros((10, 8, 8), bool)
    masks[:5, :4, :4], masks[5:, 4:, 4:] = True, True
    maps = masks.astype(float)
    groups = ["left"] * 5 + ["right"] * 5
    within = explain.localization(maps, masks, groups=groups)["energy"]
    assert (within.permutation_baseline, within.gain.value) == pytest.approx((1, 0))
    assert (within.gain.low, within.gain.high) == pytest.approx((0, 0))
    across = explain.localization(maps, masks)["energy"]
    assert across.permutation_baseline == pytest.approx(
        4 / 9, abs=0.1
    )  # 4 of 9 others are of the same kind


def test_ties_are_broken_at_random():
    """A box as a map: the position of the mask in it must not matter."""
    maps, masks = np.zeros((2, 200, 16, 16))
    maps[:, 4:12, 4:12] = 1
    masks[:100, 4:6, 4:12] = 1  # along the upper edge of the box
    masks[100:, 10:12, 4:12] = 1  # along the lower one
    found = scores(maps, masks.astype(bool))["iou_area"]
    assert found[:100].mean() == pytest.approx(found[100:].mean(), abs=0.03)
    assert found.mean() == pytest.approx(1 / 7, abs=0.03)  # a quarter of the 16 fall into it


def test_the_interval_of_the_gain_has_its_nominal_coverage():
    """Maps and masks are central or in a corner, at random and independently: no gain."""
    covered = 0
    for trial in range(40):
        rng = np.random.default_rng(trial)
        maps, masks = (np.zeros((30, 6, 6)) for _ in range(2))
        for which, middles in ((maps, rng.random(30) < 0.5), (masks, rng.random(30) < 0.5)):
            which[middles, 2:4, 2:4] = 1
            which[~middles, :2, :2] = 1
        gain = explain.localization(maps, masks.astype(bool), replicates=300)["pointing"].gain
        covered += gain.low <= 0 <= gain.high
    assert covered >= 34  # of 40


def test_a_constant_map_has_no_gain_however_findings_are_resampled():
    """The mask area differs between two findings, and so does their number in a resample."""
    masks = np.zeros((10, 8, 8), bool)
    masks[:5, :2, :2], masks[5:, :6, :6] = True, True
    found = explain.localization(np.ones(masks.shape), masks, groups=[0] * 5 + [1] * 5)
    for name in ("pointing", "energy", "iou_half"):
        assert (found[name].gain.low, found[name].gain.high) == pytest.approx((0, 0)), name
        assert found[name].score.high - found[name].score.low > 0.1


def test_permuted_maps_are_of_the_same_finding_and_other_patients():
    groups = np.array(["left", "right", "right"] * 4)
    patients = np.array([0, 1, 1, 2, 1, 3, 4, 5, 6, 7, 8, 9])  # patient 1 has three images
    found = permutations(groups, patients)
    for row in found:
        assert sorted(row) == list(range(12))
        assert (groups[row] == groups).all()
        assert (patients[row] != patients).all()
    assert {tuple(row) for row in permutations(np.zeros(4))} == {
        (3, 0, 1, 2), (2, 3, 0, 1), (1, 2, 3, 0)
    }  # fmt: skip
    with pytest.raises(ValueError, match="one of each for each image"):
        permutations(groups, patients[:5])


def test_maps_of_the_same_patient_are_not_permuted():
    masks = random_squares(10, 0, 7)
    once = explain.localization(masks.astype(float), masks)["energy"].gain.value
    four = masks.repeat(4, axis=0)
    patients = np.arange(10).repeat(4)
    gain = explain.localization(four.astype(float), four, patients=patients)["energy"].gain.value
    assert gain == pytest.approx(once, abs=0.04)
    with pytest.raises(ValueError, match="none with more than half of its images"):
        explain.localization(four.astype(float), four, patients=np.repeat([0, 1, 2], (30, 5, 5)))


def test_noise_scores_like_a_constant_map():
    rng = np.random.default_rng(0)
    masks = rng.random((200, 16, 16)) < 0.2
    found = explain.localization(rng.random(masks.shape), masks)
    for name in ("pointing", "energy"):
        assert found[name].score.low < found[name].uniform_baseline < found[name].score.high
        assert found[name].gain.low < 0 < found[name].gain.high


def test_images_of_one_patient_are_resampled_together():
    """Four copies of every image carry no more information: the interval must not shrink."""
    rng = np.random.default_rng(0)
    maps, masks = rng.random((50, 8, 8)), rng.random((50, 8, 8)) < 0.3
    once = explain.localization(maps, masks)["pointing"].score
    four = [np.repeat(x, 4, axis=0) for x in (maps, masks)]
    grouped = explain.localization(*four, patients=np.repeat(np.arange(50), 4))["pointing"].score
    independent = explain.localization(*four)["pointing"].score
    assert grouped.high - grouped.low == pytest.approx(once.high - once.low, rel=0.15)
    assert independent.high - independent.low < 0.7 * (once.high - once.low)


def test_resized_maps_are_linear_between_cell_centres():
    found = explain.resize_maps([[[0.0, 4.0], [8.0, 12.0]]], 8)[0]
    # The centres of the cells are at 1.5 and 5.5 pixels; pixel 3 is three eighths of the way.
    assert found[0].tolist() == pytest.approx([0, 0, 0.5, 1.5, 2.5, 3.5, 4, 4])
    assert found[:, 0].tolist() == pytest.approx([0, 0, 1, 3, 5, 7, 8, 8])


def test_boxes_cover_the_pixels_whose_centres_they_contain():
    boxes = np.array(
        [(5, 1, 0.25, 0.5, 0.5, 1.0), (2, 1, 0.0, 0.0, 0.01, 0.01), (2, 0, 0, 0, 1, 1)], BOX_DTYPE
    )
    images, masks = explain.box_masks(boxes, 8, 1)
    assert images.tolist() == [2, 5]
    assert np.argwhere(masks[0]).tolist() == [[0, 0]]  # smaller than a pixel
    assert masks[1].sum() == 8
    assert masks[1, 4:, 2:4].all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda maps, masks: (maps[:2], masks), "num_images, size, size. for both"),
        (lambda maps, masks: (maps, masks.astype(int)), "masks of bool"),
        (lambda maps, masks: (np.where(masks, np.nan, maps), masks), "finite"),
        (lambda maps, masks: (maps, masks & False), "an empty mask of image 0"),
        (lambda maps, masks: (maps, masks | True), "a full mask of image 0"),
        (lambda maps, masks: (maps[:2], masks[:2]), "at least 3 patients for each group"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        explain.localization(*change(*examples()))


def test_maps_larger_than_the_image():
    with pytest.raises(ValueError, match="at most 4 rows"):
        explain.resize_maps(np.zeros((1, 8, 8)), 4)


def test_groups_of_another_length_or_too_small():
    maps, masks = examples()
    with pytest.raises(ValueError, match=r"groups\. Expected: 3, one for each image"):
        explain.localization(maps, masks, groups=[0])
    with pytest.raises(ValueError, match="1 images of 1 patients, 1 of one patient"):
        explain.localization(*(np.repeat(x, 2, 0) for x in (maps, masks)), groups=list("aaaaab"))


def brute_force(first, second):
    """Score two masks by sets of pixels and all pairwise distances."""
    regions = [{tuple(pixel) for pixel in np.argwhere(mask)} for mask in (first, second)]
    edges = [
        np.array([
            (y, x) for y, x in region
            if not {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} <= region
        ])
        for region in regions
    ]  # fmt: skip
    pairs = np.sqrt(((edges[0][:, np.newaxis] - edges[1]) ** 2).sum(axis=2))
    directed = [np.sort(pairs.min(axis=axis)) for axis in (1, 0)]
    both, sizes = len(regions[0] & regions[1]), [len(region) for region in regions]
    return {
        "dice": 2 * both / sum(sizes),
        "iou": both / len(regions[0] | regions[1]),
        "hausdorff": max(distances[-1] for distances in directed),
        "hausdorff_95": max(d[-(-19 * (len(d) - 1) // 20)] for d in directed),
    }


def test_segmentation_scores_agree_with_brute_force():
    rng = np.random.default_rng(0)
    maps, masks = rng.random((2, 12, 9, 9)) < np.linspace(0.05, 0.9, 12)[:, np.newaxis, np.newaxis]
    maps[:, 0, 0] = masks[:, -1, -1] = True
    found = explain.segmentation_scores(maps, masks)
    for image in range(12):
        expected = brute_force(maps[image], masks[image])
        assert {name: values[image] for name, values in found.items()} == pytest.approx(expected)


def test_segmentation_scores_by_hand():
    masks = np.zeros((4, 24, 24), bool)
    maps = np.zeros((4, 24, 24))
    masks[0, 2:4, 2:4], maps[0, 5:7, 6:8] = True, 1  # moved by 3 rows and 4 columns
    masks[1, 2:6, 2:6], maps[1, 2:6, 4:8] = True, 1  # half of it overlaps
    masks[2, 0, :20], maps[2, 0, :20], maps[2, 10, 0] = True, 1, 1  # one outlier of 21
    masks[3, 4:9, 4:9], maps[3, 4:9, 4:9] = True, 1
    maps[3, 4:9, 10] = 0.4  # below half the maximum
    found = explain.segmentation_scores(maps, masks)
    assert found["dice"] == pytest.approx([0, 1 / 2, 40 / 41, 1])
    assert found["iou"] == pytest.approx([0, 1 / 3, 20 / 21, 1])
    assert found["hausdorff"] == pytest.approx([5, 2, 10, 0])
    assert found["hausdorff_95"] == pytest.approx([5, 2, 0, 0])
    low = explain.segmentation_scores(maps[3:], masks[3:], threshold=0.4)
    assert low["iou"] == pytest.approx(25 / 30) and low["hausdorff"] == pytest.approx(2)


def test_segmentations_of_empty_maps_and_masks():
    region = np.eye(5, dtype=bool)
    maps = np.stack([region & False, region & False, region]).astype(float)
    maps[0] -= 1  # nothing positive
    found = explain.segmentation_scores(maps, np.stack([region & False, region, region & False]))
    for name, equal, other in (("dice", 1, 0), ("iou", 1, 0), ("hausdorff", 0, np.inf)):
        assert found[name].tolist() == [equal, other, other]
    assert found["hausdorff_95"].tolist() == [0, np.inf, np.inf]
    with pytest.raises(ValueError, match=r"threshold. Expected: in \(0, 1\]"):
        explain.segmentation_scores(maps, maps > 0, threshold=0)
    with pytest.raises(ValueError, match="masks of bool"):
        explain.segmentation_scores(maps, maps)


def test_recorded_localization_is_sorted_by_gain():
    band = {"value": 0.3, "low": 0.2, "high": 0.4}
    scores = [{"pointing": {"score": band, "gain": {**band, "value": gain}}} for gain in (0.2, 0.1)]
    first, second = ({"localization": score} for score in scores)
    methods = {
        "grad_cam": first | {"randomized_parameters": None},
        "rollout": second | {"randomized_parameters": {**band, "value": 0.9}},
    }
    runs = {"dbct_64_phantom": {"methods": methods}}
    rollout, cam = explain.recorded_localization({"models": runs})
    assert (rollout.name, rollout.shuffled) == ("dbct: rollout", 0.9)
    assert cam.name == "dbct: grad cam"
    assert cam.gain.value == 0.2
    assert np.isnan(cam.shuffled)
