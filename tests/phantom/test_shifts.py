"""What the knobs do to images: cues tied to findings, exposure, projection, the report reader."""

import numpy as np
import pytest

from xraylab import phantom
from xraylab.findings import FINDINGS
from xraylab.phantom.patient import draw_patients
from xraylab.phantom.projection import draw_projections

MASS = FINDINGS.index("mass")


def half(num_images):
    """Every other image has a mass, the rest nothing."""
    labels = np.zeros((num_images, 14), np.uint8)
    labels[::2, MASS] = 1
    return labels


def test_knobs_at_rest_change_nothing():
    plain = phantom.simulate(np.arange(12), size=48)
    knobs = {"severity": (0.0, 1.0), "exposure": 0.0, "sensitivity": 1.0, "specificity": 1.0}
    turned = phantom.simulate(np.arange(12), size=48, **knobs)
    np.testing.assert_array_equal(plain.images, turned.images)
    np.testing.assert_array_equal(plain.labels, plain.facts["truth"])


def test_a_longer_exposure_darkens_the_image():
    means = [
        phantom.simulate(np.arange(20), size=48, exposure=shift).images.mean()
        for shift in (-1, -0.5, 0, 0.5, 1)
    ]
    assert (np.diff(means) < -2).all()


@pytest.mark.parametrize("projection", ["PA", "AP"])
def test_projection_can_be_fixed(projection):
    made = phantom.simulate(np.arange(30), size=32, projection=projection)
    assert set(made.facts["projection"]) == {projection}


def test_projections_follow_the_findings_as_in_nihs_table():
    """Counted in NIH's table: 88 % of images with edema and 16 % of those with fibrosis are AP."""
    images = phantom.draw_labels(np.arange(20_000))
    ap = draw_projections(images, np.arange(20_000), 0)
    for finding, share in (("edema", 0.880), ("fibrosis", 0.165), ("infiltration", 0.530)):
        having = images[:, FINDINGS.index(finding)] == 1
        spread = (share * (1 - share) / having.sum()) ** 0.5
        assert abs(ap[having].mean() - share) < 4 * spread + 0.01
    assert abs(ap.mean() - 0.3997) < 0.02
    made = phantom.simulate(np.arange(40), size=28, projection="NIH").facts["projection"] == "AP"
    np.testing.assert_array_equal(made, draw_projections(images[:40], np.arange(40), 0))


def test_the_heart_is_larger_on_an_ap_image():
    indices = np.arange(300)
    pa, ap = (draw_patients(indices, 0, np.full(300, kind)) for kind in (0, 1))
    assert (ap.heart_ratio > pa.heart_ratio).all()


def test_a_tied_projection_follows_the_finding():
    tied = phantom.Confounder("projection", "mass", 1.0)
    made = phantom.simulate(np.arange(40), size=32, labels=half(40), confounder=tied)
    np.testing.assert_array_equal(made.facts["projection"] == "AP", half(40)[:, MASS] == 1)


def test_a_tied_device_follows_the_finding():
    tied = phantom.Confounder("device", "mass", 1.0)
    made = phantom.simulate(np.arange(40), size=32, labels=half(40), confounder=tied)
    np.testing.assert_array_equal(made.facts["devices"].any(axis=1), half(40)[:, MASS] == 1)


def test_a_tied_marker_is_on_the_images_with_the_finding_only():
    tied = phantom.Confounder("marker", "mass", 1.0)
    metal = [
        phantom.layers(index, size=96, labels=labels, confounder=tied)["metal"].max()
        for index, labels in enumerate(half(16))
        if not phantom.simulate([index], size=28).facts["devices"].any()
    ]
    with_mass = [
        labels[MASS] == 1
        for index, labels in enumerate(half(16))
        if not phantom.simulate([index], size=28).facts["devices"].any()
    ]
    np.testing.assert_array_equal(np.array(metal) > 0.1, with_mass)


def test_a_weak_tie_leaves_the_rest_as_drawn():
    """P(AP | mass) is strength + (1 - strength) · P(AP); 400 images give it to about 0.05."""
    labels = half(800)
    tied = phantom.Confounder("projection", "mass", 0.5)
    plain = phantom.simulate(np.arange(800), size=28, labels=labels).facts["projection"] == "AP"
    made = phantom.simulate(np.arange(800), size=28, labels=labels, confounder=tied)
    ap = made.facts["projection"] == "AP"
    with_mass = labels[:, MASS] == 1
    assert abs(ap[with_mass].mean() - (0.5 + 0.5 * plain.mean())) < 0.08
    assert abs(ap[~with_mass].mean() - 0.5 * plain.mean()) < 0.08


def test_a_reader_who_errs_changes_the_labels_and_not_the_images():
    plain = phantom.simulate(np.arange(60), size=32)
    read = phantom.simulate(np.arange(60), size=32, sensitivity=0.5, specificity=0.9)
    np.testing.assert_array_equal(read.images, plain.images)
    np.testing.assert_array_equal(read.facts["truth"], plain.labels)
    assert (read.labels != plain.labels).any()
