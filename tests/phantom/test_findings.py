"""The 14 findings: position, size, side and severity agree with masks and definitions."""

import os

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

from xraylab import phantom
from xraylab.findings import FINDINGS
from xraylab.phantom.exposure import expose
from xraylab.phantom.finding import sample_severities
from xraylab.phantom.finding_models import FINDING_MODELS
from xraylab.phantom.scene import build_scene

MANY = 300 if os.environ.get("XRAYLAB_EVERY_MODEL") else 80
"""Number of images on which a finding must have a mask; ``make test-all`` checks more."""

MODIFIES_CHEST = ("atelectasis", "cardiomegaly", "edema", "emphysema", "fibrosis")
"""Findings that change the image outside their mask: diaphragm, heart, vessels or lung volume."""


@pytest.mark.parametrize("finding", FINDINGS)
def test_finding_changes_the_image_inside_its_mask(finding, simulate_with):
    """Automatic exposure depends on the whole image, so there is some change everywhere."""
    without = simulate_with((), 12, 96)
    shown = simulate_with((finding,), 12, 96, masks=True, severity=(0.5, 1.0))
    mask = shown.masks[:, FINDINGS.index(finding)]
    assert mask.any(axis=(1, 2)).all()
    assert mask.mean() < 0.5
    change = np.abs(shown.images.astype(float) - without.images)
    assert change[mask].mean() > 4, "the finding is not visible"
    if finding not in MODIFIES_CHEST:
        assert change[mask].mean() > 3 * change[~mask].mean()


@pytest.mark.parametrize("finding", FINDINGS)
def test_every_finding_has_a_mask_at_the_smallest_size(finding, simulate_with):
    simulated = simulate_with((finding,), MANY, 28, masks=True)
    area = simulated.masks[:, FINDINGS.index(finding)].mean(axis=(1, 2))
    assert 0 < area.min() <= area.max() < 0.6


@pytest.mark.parametrize("finding", FINDINGS)
def test_change_increases_with_severity(finding, simulate_with):
    without = simulate_with((), 16, 64).images.astype(float)
    mild, severe = (
        np.abs(simulate_with((finding,), 16, 64, severity=(value, value)).images - without).mean()
        for value in (0.1, 0.9)
    )
    assert severe > 1.2 * mild


@pytest.mark.parametrize(
    ("finding", "brighter"),
    [("effusion", True), ("mass", True), ("consolidation", True), ("pneumothorax", False)],
)
def test_water_is_bright_and_air_is_dark(finding, brighter, simulate_with):
    without = simulate_with((), 30, 64).images
    shown = simulate_with((finding,), 30, 64, masks=True)
    mask = shown.masks[:, FINDINGS.index(finding)]
    change = shown.images[mask].astype(float).mean() - without[mask].mean()
    assert (change > 0) == brighter


def cardiothoracic_ratio(chest):
    """Return the widest heart diameter over the inner chest diameter, (n,)."""
    width = chest.left_border.max(axis=(1, 2)) - chest.right_border.min(axis=(1, 2))
    return width / (2 * chest.patient.half_width)


def test_cardiomegaly_has_a_ratio_above_one_half(scene_with):
    chest = scene_with(100, "cardiomegaly").chest
    assert cardiothoracic_ratio(chest).min() > 0.51
    assert chest.patient.cardiothoracic_ratio.max() > 0.65


def test_ratio_without_cardiomegaly_is_normal_on_pa_images(scene_with):
    chest = scene_with(400, size=28).chest
    is_pa = chest.patient.portable == 0
    assert (cardiothoracic_ratio(chest)[is_pa] > 0.5).mean() < 0.05
    assert 0.42 < cardiothoracic_ratio(chest).mean() < 0.48


@pytest.mark.parametrize("other", ["emphysema", "edema"])
def test_cardiomegaly_persists_with_other_findings(other, scene_with):
    assert cardiothoracic_ratio(scene_with(100, "cardiomegaly", other).chest).min() > 0.51


def test_edema_alone_is_not_cardiomegaly(scene_with):
    assert cardiothoracic_ratio(scene_with(100, "edema").chest).max() < 0.56


def test_heart_lies_on_the_right_half_of_the_image(simulate_with):
    boxes = simulate_with(("cardiomegaly",), 40, 64).boxes
    assert ((boxes["x_min"] + boxes["x_max"]) / 2).mean() > 0.5


def longest_diameters(soft_mask, pixel_size):
    """Return the longest diameter in cm of every connected component."""
    components, count = ndimage.label(soft_mask > 0.5)
    components *= ~ndimage.binary_erosion(components)  # the outline is as long
    pixels = (np.argwhere(components == number) for number in range(1, count + 1))
    return [pdist(p).max() * pixel_size if len(p) > 1 else pixel_size for p in pixels]


def test_masses_are_longer_than_3_cm_and_nodules_are_not(scene_with):
    """The limit of the Fleischner Society. Nodules may touch, so 5 % may appear longer."""
    for finding, column in (("nodule", 5), ("mass", 4)):
        scene = scene_with(60, finding, size=160)
        pixel_size = scene.chest.pixel_size
        soft_masks = scene.soft_masks[column][1]
        diameters = np.concatenate(
            [longest_diameters(*image) for image in zip(soft_masks, pixel_size, strict=True)]
        )
        if finding == "nodule":
            assert np.quantile(diameters, 0.95) < 3.0 + 2 * pixel_size.max()
        else:
            assert diameters.min() > 3.0 - 2 * pixel_size.max()
            assert diameters.max() < 11


@pytest.mark.parametrize("finding", [name for name in FINDINGS if not FINDING_MODELS[name].side])
def test_side_in_the_facts_is_the_side_of_the_mask(finding, scene_with, simulate_with):
    column = FINDINGS.index(finding)
    x = scene_with(60, finding).chest.x
    simulated = simulate_with((finding,), 60, 64, masks=True)
    mask, side = simulated.masks[:, column], simulated.facts["side"][:, column]
    # Pixels within 1 cm of the midline belong to neither side.
    right, left = (mask & (x < -1)).any(axis=(1, 2)), (mask & (x > 1)).any(axis=(1, 2))
    assert not left[side == "R"].any() and not right[side == "L"].any()
    if FINDING_MODELS[finding].bilateral:
        assert (right & left)[side == "B"].mean() > 0.95
    assert set(side) <= {"R", "L", "B"}
    others = np.delete(np.arange(14), column)
    assert (simulated.facts["side"][:, others] == "").all()
    assert (simulated.facts["severity"][:, others] == 0).all()
    expected = sample_severities(np.arange(60), 0, (0.0, 1.0))[:, column]
    np.testing.assert_allclose(simulated.facts["severity"][:, column], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "finding", [name for name in FINDINGS if name not in ("cardiomegaly", "hernia")]
)
def test_lung_findings_end_at_the_diaphragm(finding, scene_with):
    scene = scene_with(60, finding)
    rows, soft_mask = scene.soft_masks[FINDINGS.index(finding)]
    below = scene.chest.y[rows] > scene.chest.diaphragm_y[rows] + 1.5
    assert not ((soft_mask > 0.5) & below).any()


@pytest.mark.parametrize("finding", ["consolidation", "fibrosis", "infiltration"])
def test_lung_findings_do_not_overlap_a_pneumothorax(finding, scene_with):
    soft_masks = scene_with(60, "pneumothorax", finding).soft_masks
    air, other = (soft_masks[FINDINGS.index(n)][1] > 0.6 for n in ("pneumothorax", finding))
    assert (air & other).sum() < 0.01 * other.sum()


def test_every_finding_has_a_mask_when_all_are_present(simulate_with):
    assert simulate_with(FINDINGS, 40, 64, masks=True).masks.any(axis=(2, 3)).all()


def test_images_are_computed_in_float32():
    labels = np.ones((2, 14), np.uint8)
    scene = build_scene(np.arange(2), 48, 0, labels, phantom.PhantomConfig())
    assert scene.chest.water.dtype == scene.attenuation.dtype == np.float32
    assert expose(scene.chest, scene.attenuation, 0.0).dtype == np.float32


def test_pneumothorax_contains_no_vessels():
    labels = np.isin(FINDINGS, "pneumothorax").astype(np.uint8)
    for index in range(6):
        plain = phantom.layers(index, size=160, labels=np.zeros(14, int))
        layers = phantom.layers(index, size=160, labels=labels, severity=(0.8, 0.8))
        mask = phantom.simulate(
            [index], size=160, labels=[labels], severity=(0.8, 0.8), masks=True
        ).masks[0, FINDINGS.index("pneumothorax")]
        # Erode the mask, because the pleural line lies on its border.
        core = mask & np.roll(mask, 4, 0) & np.roll(mask, -4, 0)
        core &= np.roll(mask, 4, 1) & np.roll(mask, -4, 1)
        remaining = (layers["vessels"] + layers["pneumothorax"])[core]
        assert remaining.max() < 0.3 and plain["vessels"].max() > 1.0
