"""Effects of the parameters on the images: exposure, projection, confounders, label noise."""

import numpy as np
import pytest

from xraylab import phantom
from xraylab.findings import FINDINGS
from xraylab.phantom.appearance import randomise
from xraylab.phantom.patient import sample_patients, sample_projections
from xraylab.phantom.scene import confounded_cue

MASS = FINDINGS.index("mass")


def labels_with_masses(num_images):
    """Return label vectors in which every other image has a mass and no image anything else."""
    labels = np.zeros((num_images, 14), np.uint8)
    labels[::2, MASS] = 1
    return labels


def tied_to_mass(cue, strength=1.0):
    return phantom.Confounder(cue=cue, finding="mass", strength=strength)


def is_ap(simulated):
    return simulated.facts["projection"] == "AP"


def test_default_values_change_nothing():
    plain = phantom.simulate(np.arange(12), size=48)
    defaults = {"severity": (0.0, 1.0), "exposure": 0.0, "sensitivity": 1.0, "specificity": 1.0}
    explicit = phantom.simulate(np.arange(12), size=48, **defaults)
    np.testing.assert_array_equal(plain.images, explicit.images)
    np.testing.assert_array_equal(plain.labels, plain.facts["truth"])


def test_longer_exposure_darkens_the_image():
    means = [
        phantom.simulate(np.arange(20), size=48, exposure=exposure).images.mean()
        for exposure in (-1, -0.5, 0, 0.5, 1)
    ]
    assert (np.diff(means) < -2).all()


@pytest.mark.parametrize("projection", ["PA", "AP"])
def test_fixed_projection(projection):
    simulated = phantom.simulate(np.arange(30), size=32, projection=projection)
    assert set(simulated.facts["projection"]) == {projection}


def test_projections_follow_the_findings_as_in_nih():
    """In NIH's table, 88 % of the images with edema and 16 % of those with fibrosis are AP."""
    labels = phantom.sample_labels(np.arange(20_000))
    ap = sample_projections(labels, np.arange(20_000), 0)
    for finding, expected in (("edema", 0.880), ("fibrosis", 0.165), ("infiltration", 0.530)):
        present = labels[:, FINDINGS.index(finding)] == 1
        standard_error = (expected * (1 - expected) / present.sum()) ** 0.5
        assert abs(ap[present].mean() - expected) < 4 * standard_error + 0.01
    assert abs(ap.mean() - 0.3997) < 0.02
    simulated = phantom.simulate(np.arange(40), size=28, projection="NIH")
    expected = sample_projections(labels[:40], np.arange(40), 0)
    np.testing.assert_array_equal(is_ap(simulated), expected)


def test_heart_is_larger_on_ap_images():
    indices = np.arange(300)
    pa, ap = (sample_patients(indices, 0, np.full(300, portable)) for portable in (0, 1))
    assert (ap.cardiothoracic_ratio > pa.cardiothoracic_ratio).all()


def test_confounded_projection_follows_the_finding():
    labels = labels_with_masses(40)
    simulated = phantom.simulate(
        np.arange(40), size=32, labels=labels, confounder=tied_to_mass("projection")
    )
    np.testing.assert_array_equal(is_ap(simulated), labels[:, MASS] == 1)


def test_confounded_device_follows_the_finding():
    labels = labels_with_masses(40)
    simulated = phantom.simulate(
        np.arange(40), size=32, labels=labels, confounder=tied_to_mass("device")
    )
    np.testing.assert_array_equal(simulated.facts["devices"].any(axis=1), labels[:, MASS] == 1)


def test_confounded_marker_follows_the_finding():
    labels = labels_with_masses(16)
    without_devices = ~phantom.simulate(np.arange(16), size=28).facts["devices"].any(axis=1)
    confounder = tied_to_mass("marker")
    for index in np.flatnonzero(without_devices):
        layers = phantom.layers(index, size=96, labels=labels[index], confounder=confounder)
        assert (layers["metal"].max() > 0.1) == (labels[index, MASS] == 1)


def test_weak_confounder():
    """P(AP | mass) is strength + (1 - strength) · P(AP), estimated to about 0.02."""
    indices, labels = np.arange(8000), labels_with_masses(8000)
    confounder = tied_to_mass("projection", strength=0.5)
    cue = confounded_cue(confounder, "projection", labels, indices, 0)
    plain, ap = (sample_patients(indices, 0, forced).portable for forced in (-1 + 0 * cue, cue))
    has_mass = labels[:, MASS] == 1
    assert abs(ap[has_mass].mean() - (0.5 + 0.5 * plain.mean())) < 0.03
    assert abs(ap[~has_mass].mean() - 0.5 * plain.mean()) < 0.03
    simulated = phantom.simulate(indices[:40], size=28, labels=labels[:40], confounder=confounder)
    np.testing.assert_array_equal(is_ap(simulated), ap[:40] == 1)


def test_label_noise_changes_labels_but_not_images():
    plain = phantom.simulate(np.arange(60), size=32)
    noisy = phantom.simulate(np.arange(60), size=32, sensitivity=0.5, specificity=0.9)
    np.testing.assert_array_equal(noisy.images, plain.images)
    np.testing.assert_array_equal(noisy.facts["truth"], plain.labels)
    assert (noisy.labels != plain.labels).any()


def test_randomised_appearance_changes_grey_levels_but_not_the_anatomy():
    plain, randomised = (
        phantom.simulate(np.arange(24), size=48, masks=True, appearance=appearance)
        for appearance in ("physics", "randomised")
    )
    for name in ("masks", "boxes", "facts", "labels"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(randomised, name))
    means, spreads = (
        np.array([statistic(made.images, axis=(1, 2)) for made in (plain, randomised)])
        for statistic in (np.mean, np.std)
    )
    assert (np.abs(np.diff(means, axis=0)) > 1).mean() > 0.8
    assert means[1].std() > means[0].std() and spreads[1].std() > spreads[0].std()


def test_randomised_appearance_is_deterministic_and_independent_of_the_batch():
    many = phantom.simulate(np.arange(30), size=57, appearance="randomised").images
    some = phantom.simulate([29, 3, 17], size=57, appearance="randomised").images
    np.testing.assert_array_equal(some, many[[29, 3, 17]])
    other = phantom.simulate([3], size=57, seed=1, appearance="randomised").images
    assert (other[0] != many[3]).any()


def test_some_randomised_images_are_inverted():
    """Inversion makes the lungs brighter than the mediastinum: a negative correlation."""
    plain, randomised = (
        phantom.simulate(np.arange(60), size=28, appearance=appearance).images.reshape(60, -1)
        for appearance in ("physics", "randomised")
    )
    correlation = np.array(
        [np.corrcoef(a, b)[0, 1] for a, b in zip(plain, randomised, strict=True)]
    )
    assert 0.05 < (correlation < -0.2).mean() < 0.3


def test_operations_of_domain_randomisation_can_be_left_out():
    indices, rng = np.arange(40), np.random.default_rng(0)
    grey = rng.random((40, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(randomise(grey, indices, 0, ()), grey, atol=1e-4)
    either = randomise(grey, indices, 0, ("inversion",))
    inverted = np.abs(either - grey).mean(axis=(1, 2)) > 0.1
    assert 0 < inverted.sum() < 20
    np.testing.assert_allclose(either[inverted], 1 - grey[inverted], atol=1e-4)
    np.testing.assert_allclose(either[~inverted], grey[~inverted], atol=1e-4)
    for mistake in (("inversions",), "inversion"):
        with pytest.raises(ValueError, match="one of 'contrast', 'blur'"):
            randomise(grey, indices, 0, mistake)
