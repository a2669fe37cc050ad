"""The 14 findings: where their masks say, as large as their definitions, graver with severity."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

from xraylab import phantom
from xraylab.findings import FINDINGS
from xraylab.phantom.drawing import draw
from xraylab.phantom.exposure import expose
from xraylab.phantom.knobs import draw_severities
from xraylab.phantom.signs import TABLE

ALTERING = ("atelectasis", "cardiomegaly", "edema", "emphysema", "fibrosis")
"""Findings that alter the whole chest: a risen dome, a wide heart, large lungs."""


def only(finding, num_images=1):
    labels = np.zeros((num_images, 14), np.uint8)
    labels[:, FINDINGS.index(finding)] = 1
    return labels


def none(num_images):
    return np.zeros((num_images, 14), np.uint8)


def drawn(num_images, *findings, size=64):
    """Images that all have these findings, drawn but not exposed."""
    labels = np.tile(np.isin(FINDINGS, findings).astype(np.uint8), (num_images, 1))
    return draw(np.arange(num_images), size, 0, labels, phantom.Knobs())


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_is_where_its_mask_says(finding):
    """Switched on, a finding changes the image, and mostly inside its mask.

    The exposure follows the whole image, so some change is everywhere.
    """
    indices = np.arange(12)
    without = phantom.simulate(indices, size=96, labels=none(12))
    shown = phantom.simulate(
        indices, size=96, labels=only(finding, 12), masks=True, severity=(0.5, 1.0)
    )
    inside = shown.masks[:, FINDINGS.index(finding)]
    assert inside.any(axis=(1, 2)).all()
    assert inside.mean() < 0.5
    change = np.abs(shown.images.astype(float) - without.images)
    within = change[inside].mean()
    assert within > 4, "the finding cannot be seen"
    if finding not in ALTERING:
        assert within > 3 * change[~inside].mean()


@pytest.mark.parametrize("finding", FINDINGS)
def test_no_finding_is_lost_between_the_pixels_of_the_smallest_images(finding):
    made = phantom.simulate(np.arange(300), size=28, labels=only(finding, 300), masks=True)
    area = made.masks[:, FINDINGS.index(finding)].mean(axis=(1, 2))
    assert 0 < area.min() <= area.max() < 0.6


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_graver_finding_changes_the_image_more(finding):
    indices = np.arange(16)
    without = phantom.simulate(indices, size=64, labels=none(16)).images.astype(float)
    mild, grave = (
        np.abs(
            phantom.simulate(
                indices, size=64, labels=only(finding, 16), severity=(severity, severity)
            ).images
            - without
        ).mean()
        for severity in (0.1, 0.9)
    )
    assert grave > 1.2 * mild


@pytest.mark.parametrize(
    ("finding", "brighter"),
    [("effusion", True), ("mass", True), ("consolidation", True), ("pneumothorax", False)],
)
def test_water_is_bright_and_air_is_dark(finding, brighter):
    indices = np.arange(30)
    without = phantom.simulate(indices, size=64, labels=none(30)).images
    shown = phantom.simulate(indices, size=64, labels=only(finding, 30), masks=True)
    inside = shown.masks[:, FINDINGS.index(finding)]
    change = shown.images[inside].astype(float).mean() - without[inside].mean()
    assert (change > 0) == brighter


def cardiothoracic_ratio(chest):
    """Widest distance of the heart's borders against the inside of the chest, (n,)."""
    right, left = chest.border
    return (left.max(axis=(1, 2)) - right.min(axis=(1, 2))) / (2 * chest.patient.width)


def test_cardiomegaly_is_a_heart_wider_than_half_of_the_chest():
    chest = drawn(200, "cardiomegaly").chest
    assert cardiothoracic_ratio(chest).min() > 0.51
    assert chest.patient.heart_ratio.max() > 0.65


def test_a_heart_without_cardiomegaly_is_rarely_wider_on_a_pa_image():
    chest = drawn(400).chest
    standing = chest.patient.portable == 0
    assert (cardiothoracic_ratio(chest)[standing] > 0.5).mean() < 0.05
    assert 0.42 < cardiothoracic_ratio(chest).mean() < 0.48


def test_emphysema_and_edema_leave_a_large_heart_large():
    for other in ("emphysema", "edema"):
        chest = drawn(200, "cardiomegaly", other).chest
        assert cardiothoracic_ratio(chest).min() > 0.51
    assert cardiothoracic_ratio(drawn(200, "edema").chest).max() < 0.56


def test_the_heart_points_to_the_patients_left_which_is_the_images_right():
    boxes = phantom.simulate(np.arange(40), size=64, labels=only("cardiomegaly", 40)).boxes
    assert ((boxes["x_min"] + boxes["x_max"]) / 2).mean() > 0.5


def longest(truth, pitch):
    """Longest diameter in cm of every connected part of a mask."""
    parts, number = ndimage.label(truth > 0.5)
    places = (np.argwhere(parts == part) for part in range(1, number + 1))
    return [pdist(place).max() * pitch if len(place) > 1 else pitch for place in places]


def test_three_centimetres_part_masses_from_nodules():
    """The Fleischner Society's limit. Two nodules may touch, so one in twenty may be longer."""
    for finding, index in (("nodule", 5), ("mass", 4)):
        drawing = drawn(60, finding, size=160)
        pitch = drawing.chest.pitch
        found = drawing.found[index][1]
        sizes = np.concatenate([longest(*image) for image in zip(found, pitch, strict=True)])
        if finding == "nodule":
            assert np.quantile(sizes, 0.95) < 3.0 + 2 * pitch.max()
        else:
            assert sizes.min() > 3.0 - 2 * pitch.max()
            assert sizes.max() < 11


@pytest.mark.parametrize("finding", [name for name in FINDINGS if not TABLE[name].side])
def test_the_side_in_the_table_is_the_side_of_the_mask(finding):
    """Image by image: nothing on the other side, and on both sides where it says so."""
    column = FINDINGS.index(finding)
    drawing = drawn(120, finding)
    made = phantom.simulate(np.arange(120), size=64, labels=only(finding, 120), masks=True)
    mask, side = made.masks[:, column], made.facts["side"][:, column]
    # A pixel astride the midline belongs to neither side.
    right = (mask & (drawing.chest.x < -1)).any(axis=(1, 2))
    left = (mask & (drawing.chest.x > 1)).any(axis=(1, 2))
    assert not left[side == "R"].any() and not right[side == "L"].any()
    if TABLE[finding].both:
        assert (right & left)[side == "B"].mean() > 0.95
    assert set(side) <= {"R", "L", "B"}
    others = np.delete(np.arange(14), column)
    assert (made.facts["side"][:, others] == "").all()
    assert (made.facts["severity"][:, others] == 0).all()
    expected = draw_severities(np.arange(120), 0, phantom.Knobs())[:, column]
    np.testing.assert_allclose(made.facts["severity"][:, column], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "finding", [name for name in FINDINGS if name not in ("cardiomegaly", "hernia")]
)
def test_what_is_in_the_lung_ends_at_the_diaphragm(finding):
    drawing = drawn(120, finding)
    chosen, where = drawing.found[FINDINGS.index(finding)]
    below = drawing.chest.y[chosen] > drawing.chest.lower[chosen] + 1.5
    assert not ((where > 0.5) & below).any()


@pytest.mark.parametrize("finding", ["consolidation", "fibrosis", "infiltration"])
def test_nothing_of_the_lung_is_drawn_into_the_air_of_a_pneumothorax(finding):
    found = drawn(60, "pneumothorax", finding).found
    air, other = (found[FINDINGS.index(name)][1] > 0.6 for name in ("pneumothorax", finding))
    assert (air & other).sum() < 0.01 * other.sum()


def test_no_finding_is_lost_beside_the_others():
    labels = np.ones((40, 14), np.uint8)
    made = phantom.simulate(np.arange(40), size=64, labels=labels, masks=True)
    assert made.masks.any(axis=(2, 3)).all()


def test_pictures_are_of_32_bits():
    labels = np.ones((2, 14), np.uint8)
    drawing = draw(np.arange(2), 48, 0, labels, phantom.Knobs())
    assert drawing.chest.water.dtype == drawing.metal.dtype == np.float32
    assert expose(drawing.chest, drawing.metal, 0.0).dtype == np.float32


def test_there_are_no_vessels_beyond_the_line_of_a_pneumothorax():
    labels = only("pneumothorax")[0]
    for index in range(6):
        plain = phantom.layers(index, size=160, labels=np.zeros(14, int))
        made = phantom.layers(index, size=160, labels=labels, severity=(0.8, 0.8))
        mask = phantom.simulate(
            [index], size=160, labels=labels[np.newaxis], severity=(0.8, 0.8), masks=True
        ).masks[0, FINDINGS.index("pneumothorax")]
        # Well inside the mask, away from its line.
        core = mask & np.roll(mask, 4, 0) & np.roll(mask, -4, 0)
        core &= np.roll(mask, 4, 1) & np.roll(mask, -4, 1)
        left = (made["vessels"] + made["pneumothorax"])[core]
        assert left.max() < 0.3 and plain["vessels"].max() > 1.0
