"""The knobs: what they refuse, how they are written down, and that they do what they say."""

import json
import pickle
from types import MappingProxyType

import numpy as np
import pytest

from xraylab.findings import FINDINGS
from xraylab.phantom.draws import uniform
from xraylab.phantom.knobs import Confounder, Knobs, draw_severities, follow, read_reports
from xraylab.phantom.labels import draw_labels

MANY = np.arange(40_000)
TURNED = {
    "prevalence": {"mass": 0.5, "edema": 0.25},
    "sensitivity": 0.8,
    "specificity": {"nodule": 0.95},
    "severity": (0.2, 0.6),
    "exposure": -0.5,
    "projection": "AP",
    "confounder": Confounder("device", "pneumothorax", 0.9),
}


def far_off(found, expected, num_images):
    """Whether a rate lies more than 4.5 standard errors from what it should be."""
    return np.abs(found - expected) > 4.5 * np.sqrt(expected * (1 - expected) / num_images)


@pytest.mark.parametrize(
    ("turned", "message"),
    [
        ({"prevalence": 1.5}, "prevalence must be a number from 0 to 1; 1.5 came"),
        ({"prevalence": True}, "prevalence must be a number from 0 to 1; True came"),
        ({"prevalence": [0.5]}, "prevalence must be a number"),
        ({"prevalence": {"mass": "0.5"}}, "prevalence of mass must be .*; '0.5' came"),
        ({"prevalence": {"massive": 0.5}}, "a finding in prevalence .*did you mean 'mass'"),
        ({"sensitivity": float("nan")}, "sensitivity must be a number from 0 to 1; nan came"),
        ({"sensitivity": None}, "sensitivity must be a number from 0 to 1; None came"),
        ({"specificity": {"pneumonea": 1}}, "'pneumonea' came; did you mean 'pneumonia'"),
        ({"specificity": {"edema": -0.1}}, "specificity of edema must be"),
        ({"severity": (0.6, 0.2)}, r"severity must be two numbers .*\(0.6, 0.2\) came"),
        ({"severity": (0.0, 1.2)}, "each bound of severity must be .*; 1.2 came"),
        ({"severity": 0.5}, "severity must be two numbers"),
        ({"severity": "01"}, "severity must be two numbers .*'01' came"),
        ({"severity": (0, 0.5, 1)}, "severity must be two numbers"),
        ({"exposure": -1.1}, "exposure must be a number from -1 to 1; -1.1 came"),
        ({"exposure": np.inf}, "exposure must be a number from -1 to 1; inf came"),
        (
            {"projection": "ap"},
            "projection must be one of PA, AP, NIH; 'ap' came; did you mean 'AP'",
        ),
        ({"confounder": "marker"}, "confounder must be a Confounder, a mapping of cue, finding"),
        ({"confounder": {"cue": "marker"}}, "confounder must be a Confounder"),
        ({"exposures": 0.5}, "the name of a knob .*; 'exposures' came; did you mean 'exposure'"),
        (
            {"projection": "PA", "confounder": Confounder("projection", "mass", 0.5)},
            "projection must be None where the confounder's cue is 'projection'",
        ),
    ],
)
def test_what_is_refused(turned, message):
    with pytest.raises(ValueError, match=message):
        Knobs.of(turned)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tube", "mass", 0.5), "confounder cue must be one of marker, device, projection; 'tube'"),
        (("marker", "effusions", 0.5), "confounder finding .*did you mean 'effusion'"),
        (("marker", "mass", 2), "confounder strength must be a number from 0 to 1; 2 came"),
    ],
)
def test_what_a_confounder_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Confounder(*arguments)


def test_knobs_are_none_a_mapping_or_knobs():
    assert Knobs.of() == Knobs.of(None) == Knobs.of({}) == Knobs.of(Knobs()) == Knobs()
    assert Knobs.of(Knobs(exposure=0.5), projection="PA") == Knobs(exposure=0.5, projection="PA")
    with pytest.raises(ValueError, match="knobs must be Knobs, a mapping or None; 3 came"):
        Knobs.of(3)


def test_there_and_back_through_json():
    knobs = Knobs(**TURNED)
    assert Knobs().as_dict() == {}
    assert list(knobs.as_dict()) == list(TURNED)
    assert Knobs.of(json.loads(json.dumps(knobs.as_dict()))) == knobs
    assert pickle.loads(pickle.dumps(knobs)) == knobs


def test_equal_knobs_are_one():
    there = Knobs(prevalence={"mass": 0.5, "edema": 0}, exposure=-0.0)
    back = Knobs(prevalence=MappingProxyType({"edema": np.float32(0), "mass": 0.5}), exposure=0)
    assert there == back and hash(there) == hash(back)
    assert json.dumps(there.as_dict()) == json.dumps(back.as_dict())
    assert Knobs(sensitivity={"mass": 1}, severity=[0, 1]).as_dict() == {}
    assert Knobs(prevalence={}) != Knobs()  # drawn independently


def test_knobs_cannot_be_changed_by_accident():
    given = {"mass": 0.5}
    knobs = Knobs(prevalence=given)
    given["mass"] = 0.9
    assert knobs.prevalence["mass"] == 0.5
    with pytest.raises(TypeError):
        knobs.prevalence["mass"] = 0.9


def test_the_reader_errs_as_often_as_told():
    truth = draw_labels(MANY, prevalence=0.5)
    sensitivity = np.linspace(0.3, 1, 14)
    told = {
        "sensitivity": dict(zip(FINDINGS, sensitivity, strict=True)),
        "specificity": {"mass": 0.9, "hernia": 0},
    }
    specificity = np.ones(14)
    specificity[[FINDINGS.index("mass"), FINDINGS.index("hernia")]] = 0.9, 0
    written = read_reports(truth, MANY, 0, Knobs(**told))
    assert written.dtype == np.uint8
    present = truth.sum(axis=0)
    found = (written * truth).sum(axis=0) / present
    assert not far_off(found, sensitivity, present).any()
    left_out = ((1 - written) * (1 - truth)).sum(axis=0) / (len(MANY) - present)
    assert not far_off(left_out, specificity, len(MANY) - present).any()


def test_a_image_is_read_and_drawn_by_itself():
    truth, knobs = draw_labels(MANY[:50]), Knobs(sensitivity=0.5, severity=(0.3, 0.7))
    written = read_reports(truth, MANY[:50], 3, knobs)
    np.testing.assert_array_equal(read_reports(truth[40:], MANY[40:50], 3, knobs), written[40:])
    np.testing.assert_array_equal(read_reports(truth, MANY[:50], 3, Knobs()), truth)
    severity = draw_severities(MANY[:50], 3, knobs)
    np.testing.assert_array_equal(draw_severities(MANY[40:50], 3, knobs), severity[40:])


def test_severities_fill_their_bounds():
    drawn = draw_severities(MANY[:4000], 0, Knobs(severity=(0.2, 0.6)))
    assert drawn.shape == (4000, 14) and drawn.min() >= 0.2 and drawn.max() <= 0.6
    assert np.abs(np.quantile(drawn, [0.01, 0.5, 0.99]) - [0.204, 0.4, 0.596]).max() < 0.005
    assert (draw_severities([5], 0, Knobs(severity=(0.4, 0.4))) == 0.4).all()
    plain = uniform(0, MANY[:10], "severity", 14)
    np.testing.assert_array_equal(draw_severities(MANY[:10], 0, Knobs()), plain)


@pytest.mark.parametrize("strength", [0.0, 0.35, 1.0])
def test_a_confounder_is_as_strong_as_told(strength):
    truth = draw_labels(MANY, prevalence=0.2)
    confounder = Confounder("marker", "mass", strength)
    told = follow(confounder, "marker", truth, MANY, 0)
    assert told.dtype == np.int8
    tied = told >= 0
    assert not far_off(tied.mean(), strength, len(MANY))
    column = truth[:, FINDINGS.index("mass")]
    np.testing.assert_array_equal(told[tied], column[tied])
    if 0 < strength < 1:  # whether an image follows has nothing to do with its findings
        assert not far_off(tied[column == 1].mean(), strength, column.sum())
    np.testing.assert_array_equal(follow(confounder, "marker", truth[9:], MANY[9:], 0), told[9:])


def test_without_a_confounder_cues_are_left_as_drawn():
    truth = draw_labels(MANY[:9])
    other = Confounder("marker", "mass", 1)
    for confounder in (None, other):
        assert (follow(confounder, "device", truth, MANY[:9], 0) == -1).all()
    with pytest.raises(ValueError, match="cue must be one of marker, device, projection; 'L' came"):
        follow(other, "L", truth, MANY[:9], 0)
