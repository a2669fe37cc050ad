"""The 14 findings: where their masks say, as large as their definitions, graver with severity."""

import numpy as np
import pytest

from xraylab import phantom
from xraylab.findings import FINDINGS
from xraylab.phantom.patient import draw_patients

ALTERING = ("atelectasis", "cardiomegaly", "edema", "emphysema", "fibrosis")
"""Findings that alter the whole chest: a risen dome, a wide heart, large lungs."""


def only(finding, num_films=1):
    labels = np.zeros((num_films, 14), np.uint8)
    labels[:, FINDINGS.index(finding)] = 1
    return labels


def none(num_films):
    return np.zeros((num_films, 14), np.uint8)


def centimetres(boxes, num_films, axis):
    """Width or height of boxes in cm: the field is as wide as it is high."""
    field = draw_patients(np.arange(num_films), 0, np.full(num_films, -1)).field
    return (boxes[f"{axis}_max"] - boxes[f"{axis}_min"]) * field[boxes["film"]]


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_is_where_its_mask_says(finding):
    """Switched on, a finding changes the film, and mostly inside its mask.

    The exposure follows the whole film, so some change is everywhere.
    """
    indices = np.arange(12)
    without = phantom.films(indices, size=96, labels=none(12))
    shown = phantom.films(
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
def test_no_finding_is_lost_between_the_pixels_of_the_smallest_films(finding):
    made = phantom.films(np.arange(300), size=28, labels=only(finding, 300), masks=True)
    area = made.masks[:, FINDINGS.index(finding)].mean(axis=(1, 2))
    assert 0 < area.min() <= area.max() < 0.6


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_graver_finding_changes_the_film_more(finding):
    indices = np.arange(16)
    without = phantom.films(indices, size=64, labels=none(16)).images.astype(float)
    mild, grave = (
        np.abs(
            phantom.films(
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
    without = phantom.films(indices, size=64, labels=none(30)).images
    shown = phantom.films(indices, size=64, labels=only(finding, 30), masks=True)
    inside = shown.masks[:, FINDINGS.index(finding)]
    change = shown.images[inside].astype(float).mean() - without[inside].mean()
    assert (change > 0) == brighter


def test_cardiomegaly_is_a_heart_wider_than_half_of_the_chest():
    made = phantom.films(np.arange(40), size=224, labels=only("cardiomegaly", 40))
    patients = draw_patients(np.arange(40), 0, np.full(40, -1))
    ratio = centimetres(made.boxes, 40, "x") / (2 * patients.width)
    # The mask leans with a turned patient, which widens its box a little.
    wanted = 0.535 + 0.025 * patients.portable + 0.15 * made.facts["severity"][:, 1]
    assert np.abs(ratio - np.maximum(wanted, patients.heart_ratio)).mean() < 0.04
    assert ratio.min() > 0.48
    assert 0.4 < patients.heart_ratio.mean() < 0.5


def test_the_heart_points_to_the_patients_left_which_is_the_films_right():
    boxes = phantom.films(np.arange(40), size=64, labels=only("cardiomegaly", 40)).boxes
    assert ((boxes["x_min"] + boxes["x_max"]) / 2).mean() > 0.5


def test_three_centimetres_part_masses_from_nodules():
    """The Fleischner Society's limit; a pixel of a 224 px film is 1.6 mm wide."""
    indices = np.arange(60)
    single = phantom.films(indices, size=224, labels=only("nodule", 60))
    nodules = centimetres(single.boxes, 60, "y")
    alone = single.facts["side"][:, FINDINGS.index("nodule")] != "B"
    # Where there are several, the box encloses all of them.
    assert np.quantile(nodules[alone], 0.5) < 3.3
    masses = phantom.films(indices, size=224, labels=only("mass", 60))
    assert centimetres(masses.boxes, 60, "y").min() > 2.7
    assert centimetres(masses.boxes, 60, "x").max() < 13


def test_the_side_in_the_table_is_the_side_of_the_mask():
    for finding in ("effusion", "pneumothorax", "mass"):
        column = FINDINGS.index(finding)
        made = phantom.films(np.arange(60), size=64, labels=only(finding, 60), masks=True)
        x = (made.boxes["x_min"] + made.boxes["x_max"]) / 2
        side = made.facts["side"][:, column]
        assert x[side == "R"].mean() < 0.42 and x[side == "L"].mean() > 0.58
        assert set(side) <= {"R", "L", "B"}
        others = np.delete(np.arange(14), column)
        assert (made.facts["side"][:, others] == "").all()
        assert (made.facts["severity"][:, others] == 0).all()
        assert (made.facts["severity"][:, column] >= 0).all()


def test_there_are_no_vessels_beyond_the_line_of_a_pneumothorax():
    labels = only("pneumothorax")[0]
    for index in range(6):
        plain = phantom.layers(index, size=160, labels=np.zeros(14, int))
        made = phantom.layers(index, size=160, labels=labels, severity=(0.8, 0.8))
        mask = phantom.films(
            [index], size=160, labels=labels[np.newaxis], severity=(0.8, 0.8), masks=True
        ).masks[0, FINDINGS.index("pneumothorax")]
        # Well inside the mask, away from its line.
        core = mask & np.roll(mask, 4, 0) & np.roll(mask, -4, 0)
        core &= np.roll(mask, 4, 1) & np.roll(mask, -4, 1)
        left = (made["vessels"] + made["pneumothorax"])[core]
        assert left.max() < 0.3 and plain["vessels"].max() > 1.0
