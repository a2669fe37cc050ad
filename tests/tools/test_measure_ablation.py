"""The settings of the ablation: each changes what it names and leaves the simulator as it was."""

import measure_ablation as tool
import numpy as np
import pytest

from xraylab.findings import FINDINGS

BUDGET = {"images": 48, "val_images": 2}
PATCHED = [name for name, setting in tool.SETTINGS.items() if "patches" in setting]


def simulate(name):
    images, labels = tool.simulate(tool.SETTINGS[name], 0, BUDGET)["train"]
    return images[..., 0], labels


@pytest.fixture(scope="module")
def reference():
    return simulate(tool.REFERENCE)


@pytest.mark.parametrize("name", PATCHED)
def test_patches_change_images_but_no_labels_and_are_undone(name, reference):
    images, labels = simulate(name)
    np.testing.assert_array_equal(labels, reference[1])
    assert not np.array_equal(images, reference[0])
    again, _ = simulate(tool.REFERENCE)
    np.testing.assert_array_equal(again, reference[0])


def test_shapes_belong_to_lesions(reference):
    images, labels = simulate("without lesion shapes")
    shaped = labels[:, [FINDINGS.index(x) for x in ("mass", "nodule", "consolidation")]].any(axis=1)
    changed = (images != reference[0]).any(axis=(1, 2))
    assert shaped.any()
    np.testing.assert_array_equal(changed, shaped)


def test_trees_leave_the_hila(reference):
    images, _ = simulate("without vessel trees")
    change = np.abs(images - reference[0]).mean(axis=(1, 2))
    assert 0 < change.mean() < 0.1


def test_independent_findings_have_the_same_prevalence(reference):
    _, labels = simulate("without co-occurrence")
    assert not np.array_equal(labels, reference[1])
    assert abs(labels.mean() - reference[1].mean()) < 0.04


def test_deformation_is_smooth_and_moves_pixels_by_little():
    x, y = np.meshgrid(*[4 * np.arange(tool.SIZE, dtype=np.uint8)] * 2)
    images = np.stack([x, y, np.full_like(x, 7)])
    moved = tool.deform(images, seed=0)
    inside = (slice(8, -8),) * 2
    for before, after in zip(images[:2], moved[:2], strict=True):
        shift = (after[inside].astype(float) - before[inside]) / 4
        assert 0.3 < np.abs(shift).max() < 2 * tool.ELASTIC["amplitude"]
        assert np.abs(np.diff(shift, axis=0)).max() < 1
    np.testing.assert_array_equal(moved[2], 7)
    np.testing.assert_array_equal(moved, tool.deform(images, seed=0))
