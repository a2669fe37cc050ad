"""Simulator parameters: validation, serialization, and the random variables they control."""

import json
import pickle
from types import MappingProxyType

import numpy as np
import pytest

from xraylab.findings import FINDINGS
from xraylab.phantom import Confounder, PhantomConfig, sample_labels
from xraylab.phantom.finding import sample_severities
from xraylab.phantom.labels import apply_label_noise
from xraylab.phantom.rng import uniform
from xraylab.phantom.scene import confounded_cue

INDICES = np.arange(40_000)
PARAMETERS = {
    "prevalence": {"mass": 0.5, "edema": 0.25},
    "sensitivity": 0.8,
    "specificity": {"nodule": 0.95},
    "severity": (0.2, 0.6),
    "exposure": -0.5,
    "projection": "AP",
    "confounder": {"cue": "device", "finding": "pneumothorax", "strength": 0.9},
}


def deviates(rate, expected, count):
    """Return whether a rate is more than 4.5 standard errors away from its expectation."""
    return np.abs(rate - expected) > 4.5 * np.sqrt(expected * (1 - expected) / count)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"prevalence": 1.5}, "prevalence. Expected: less than or equal to 1. Received: 1.5"),
        ({"prevalence": True}, "prevalence. Expected: a valid number. Received: True"),
        ({"prevalence": [0.5]}, "prevalence. Expected: a valid number"),
        ({"prevalence": {"mass": "0.5"}}, r"prevalence\['mass'\]. Expected: .* Received: '0.5'"),
        ({"prevalence": {"massive": 0.5}}, "finding. Expected: .* Did you mean 'mass'"),
        ({"sensitivity": float("nan")}, "sensitivity. Expected: a finite number. Received: nan"),
        ({"sensitivity": None}, "sensitivity. Expected: a valid number. Received: None"),
        ({"specificity": {"pneumonea": 1}}, "Received: 'pneumonea'. Did you mean 'pneumonia'"),
        ({"specificity": {"edema": -0.1}}, r"specificity\['edema'\]. Expected: greater than"),
        ({"severity": (0.6, 0.2)}, r"severity. Expected: the lower .* Received: \(0.6, 0.2\)"),
        ({"severity": (0.0, 1.2)}, r"severity\[1\]. Expected: .* Received: 1.2"),
        ({"severity": 0.5}, "severity. Expected"),
        ({"severity": "01"}, "severity. Expected: .* Received: '01'"),
        ({"severity": (0, 0.5, 1)}, "severity. Expected"),
        ({"exposure": -1.1}, "exposure. Expected: .* equal to -1. Received: -1.1"),
        ({"exposure": np.inf}, "exposure. Expected: a finite number. Received: inf"),
        ({"appearance": "random"}, "one of .physics., .randomised.. Received: .random."),
        ({"projection": "ap"}, "one of 'PA', 'AP', 'NIH'. Received: 'ap'. Did you mean 'AP'"),
        ({"confounder": "marker"}, "confounder. Expected: .* instance of Confounder"),
        ({"confounder": {"cue": "marker"}}, "finding. Expected: a value"),
        ({"exposures": 0.5}, "Received: 'exposures'. Did you mean 'exposure'"),
        (
            {
                "projection": "PA",
                "confounder": Confounder(cue="projection", finding="mass", strength=0.5),
            },
            "projection. Expected: None where the confounder",
        ),
    ],
)
def test_invalid_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        PhantomConfig(**parameters)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cue": "tube"}, "cue. Expected: one of 'marker', 'device', 'projection'. Received"),
        ({"finding": "effusions"}, "Received: 'effusions'. Did you mean 'effusion'"),
        ({"strength": 2}, "strength. Expected: less than or equal to 1. Received: 2"),
    ],
)
def test_invalid_confounder(changes, message):
    with pytest.raises(ValueError, match=message):
        Confounder(**{"cue": "marker", "finding": "mass", "strength": 0.5} | changes)


def test_config_survives_json_and_pickle():
    config = PhantomConfig(**PARAMETERS)
    assert PhantomConfig().as_dict() == {}
    assert list(config.as_dict()) == list(PARAMETERS)
    assert PhantomConfig(**json.loads(json.dumps(config.as_dict()))) == config
    assert pickle.loads(pickle.dumps(config)) == config


def test_equal_configs_are_serialized_equally():
    config = PhantomConfig(prevalence={"mass": 0.5, "edema": 0}, exposure=-0.0)
    edema_first = MappingProxyType({"edema": np.float32(0), "mass": 0.5})
    other = PhantomConfig(prevalence=edema_first, exposure=0)
    assert config == other
    assert json.dumps(config.as_dict()) == json.dumps(other.as_dict())
    assert PhantomConfig(sensitivity=1, severity=[0, 1]).as_dict() == {}
    assert PhantomConfig(prevalence={}) != PhantomConfig()  # findings are sampled independently


def test_config_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        PhantomConfig().exposure = 0.5


def test_label_noise_has_the_given_sensitivity_and_specificity():
    findings = sample_labels(INDICES, prevalence=0.5)
    sensitivity = np.linspace(0.3, 1, 14)
    config = PhantomConfig(
        sensitivity=dict(zip(FINDINGS, sensitivity, strict=True)),
        specificity={"mass": 0.9, "hernia": 0},
    )
    specificity = np.ones(14)
    specificity[[FINDINGS.index("mass"), FINDINGS.index("hernia")]] = 0.9, 0
    labels = apply_label_noise(findings, INDICES, 0, config)
    assert labels.dtype == np.uint8
    positives = findings.sum(axis=0)
    negatives = len(INDICES) - positives
    true_positive_rate = (labels * findings).sum(axis=0) / positives
    true_negative_rate = ((1 - labels) * (1 - findings)).sum(axis=0) / negatives
    assert not deviates(true_positive_rate, sensitivity, positives).any()
    assert not deviates(true_negative_rate, specificity, negatives).any()


def test_noise_and_severity_depend_on_the_image_only():
    findings, indices = sample_labels(INDICES[:50]), INDICES[:50]
    config = PhantomConfig(sensitivity=0.5)
    labels = apply_label_noise(findings, indices, 3, config)
    np.testing.assert_array_equal(
        apply_label_noise(findings[40:], indices[40:], 3, config), labels[40:]
    )
    np.testing.assert_array_equal(
        apply_label_noise(findings, indices, 3, PhantomConfig()), findings
    )
    severity = sample_severities(indices, 3, (0.3, 0.7))
    np.testing.assert_array_equal(sample_severities(indices[40:], 3, (0.3, 0.7)), severity[40:])


def test_severities_are_uniform_within_their_bounds():
    severity = sample_severities(INDICES[:4000], 0, (0.2, 0.6))
    assert severity.shape == (4000, 14) and severity.min() >= 0.2 and severity.max() <= 0.6
    assert np.abs(np.quantile(severity, [0.01, 0.5, 0.99]) - [0.204, 0.4, 0.596]).max() < 0.005
    assert (sample_severities([5], 0, (0.4, 0.4)) == 0.4).all()
    u = uniform(0, INDICES[:10], "severity", 14)
    np.testing.assert_array_equal(sample_severities(INDICES[:10], 0, (0.0, 1.0)), u)


@pytest.mark.parametrize("strength", [0.0, 0.35, 1.0])
def test_confounder_has_the_given_strength(strength):
    findings = sample_labels(INDICES, prevalence=0.2)
    confounder = Confounder(cue="marker", finding="mass", strength=strength)
    cue = confounded_cue(confounder, "marker", findings, INDICES, 0)
    assert cue.dtype == np.int8
    tied = cue >= 0
    assert not deviates(tied.mean(), strength, len(INDICES))
    mass = findings[:, FINDINGS.index("mass")]
    np.testing.assert_array_equal(cue[tied], mass[tied])
    if 0 < strength < 1:  # which images are tied is independent of their findings
        assert not deviates(tied[mass == 1].mean(), strength, mass.sum())
    np.testing.assert_array_equal(
        confounded_cue(confounder, "marker", findings[9:], INDICES[9:], 0), cue[9:]
    )


def test_cues_without_confounder_are_sampled():
    findings = sample_labels(INDICES[:9])
    marker = Confounder(cue="marker", finding="mass", strength=1)
    for confounder in (None, marker):
        assert (confounded_cue(confounder, "device", findings, INDICES[:9], 0) == -1).all()
