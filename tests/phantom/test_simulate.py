"""Simulated images: reproducible, independent of the batch, with exact ground truth."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xraylab import phantom

NO_FINDING = np.zeros((1, 14), np.uint8)


def test_image_depends_on_index_and_seed_only():
    many = phantom.simulate(np.arange(40), size=32)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(phantom.simulate(order, size=32).images, many.images[order])
    alone = phantom.simulate([17], size=32)
    np.testing.assert_array_equal(alone.images[0], many.images[17])
    np.testing.assert_array_equal(alone.labels[0], many.labels[17])


def test_batch_size_does_not_change_the_result(monkeypatch):
    whole = phantom.simulate(np.arange(12), size=48, masks=True)
    monkeypatch.setattr("xraylab.phantom.simulator._BATCH_PIXELS", 5 * 48 * 48)
    batches = phantom.simulate(np.arange(12), size=48, masks=True)
    for name in ("images", "labels", "masks", "boxes", "facts"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(batches, name))


def test_another_process_simulates_the_same_bytes():
    code = (
        "import hashlib, numpy as np; from xraylab import phantom; "
        "print(hashlib.sha256(phantom.simulate(np.arange(5), size=64).images).hexdigest())"
    )
    theirs = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    ours = hashlib.sha256(phantom.simulate(np.arange(5), size=64).images).hexdigest()
    assert theirs.decode().strip() == ours


def test_image_does_not_depend_on_the_batch_with_any_parameter():
    parameters = {
        "severity": (0.2, 0.9),
        "exposure": 0.4,
        "sensitivity": 0.7,
        "specificity": {"mass": 0.8},
        "prevalence": 0.3,
        "confounder": {"cue": "device", "finding": "mass", "strength": 0.5},
    }
    many = phantom.simulate(np.arange(30), size=57, masks=True, **parameters)
    alone = phantom.simulate([21], size=57, masks=True, **parameters)
    for name in ("images", "labels", "masks", "facts"):
        np.testing.assert_array_equal(getattr(alone, name)[0], getattr(many, name)[21])


def test_invalid_arguments_of_layers_and_labels():
    with pytest.raises(ValueError, match=r"index\. Expected: an integer from 0"):
        phantom.layers(-1)
    with pytest.raises(ValueError, match=r"labels. Expected: \(1, 14\) zeros and ones"):
        phantom.layers(0, labels=[1, 0])
    with pytest.raises(ValueError, match=r"seed\. Expected: an integer from 0"):
        phantom.sample_labels([0], seed=-1)


def test_seeds_and_indices_give_different_images():
    images = [
        phantom.simulate([index], size=64, seed=seed, labels=NO_FINDING).images[0].astype(float)
        for index, seed in ((0, 0), (1, 0), (0, 1))
    ]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(images[a] - images[b]).mean() > 3


def test_every_size_shows_the_same_patient():
    labels = np.tile(np.eye(14, dtype=np.uint8)[4], (4, 1))
    small, large = (
        phantom.simulate(np.arange(4), size=size, labels=labels).images.astype(float)
        for size in (56, 224)
    )
    averaged = large.reshape(4, 56, 4, 56, 4).mean(axis=(2, 4))
    for a, b in zip(small, averaged, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97


def test_boxes_enclose_their_masks_exactly():
    simulated = phantom.simulate(np.arange(60), size=64, masks=True)
    num_findings = simulated.labels.sum()
    assert len(simulated.boxes) == num_findings == simulated.masks.any(axis=(2, 3)).sum()
    for box in simulated.boxes:
        assert simulated.labels[box["image"], box["finding"]] == 1
        rows, columns = np.nonzero(simulated.masks[box["image"], box["finding"]])
        expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        found = [box[name] * 64 for name in ("x_min", "y_min", "x_max", "y_max")]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_images_have_plausible_grey_levels_and_facts():
    simulated = phantom.simulate(np.arange(80), size=64)
    assert simulated.images.dtype == np.uint8
    assert simulated.images.shape == (80, 64, 64)
    assert 90 < simulated.images.mean() < 190
    assert simulated.images.std() > 40
    facts = simulated.facts
    assert set(facts["sex"]) == {"F", "M"}
    assert set(facts["projection"]) == {"AP", "PA"}
    assert 0 < facts["age"].min() <= facts["age"].max() <= 100
    assert facts["devices"].any() and not facts["devices"].all()


def test_layers_add_up_to_the_image():
    labels = np.eye(14, dtype=np.uint8)[2]
    layers = phantom.layers(5, size=64, labels=labels)
    tissues = ["body", "mediastinum", "bones", "vessels", "effusion"]
    assert list(layers) == [*tissues, "metal", "image"]
    image = phantom.simulate([5], size=64, labels=labels[np.newaxis]).images[0]
    np.testing.assert_array_equal(np.rint(255 * layers["image"]), image)
    water = sum(layers[name] for name in tissues)
    assert water.min() > -2 and 15 < water.max() < 60  # a plausible body thickness
    inside = (slice(8, 56), slice(16, 48))
    ranks = [np.argsort(np.argsort(array[inside].ravel())) for array in (water, image)]
    assert np.corrcoef(*ranks)[0, 1] > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 27}, "size. Expected: an integer from 28 to 1024. Received: 27"),
        ({"size": 1025}, "size. Expected"),
        ({"size": 64.0}, "size. Expected"),
        ({"seed": -1}, "seed. Expected: an integer from 0"),
        ({"indices": [-1]}, r"indices. Expected: .* Received: \[-1\] of int64"),
        ({"indices": [0.5]}, "indices. Expected"),
        ({"indices": []}, "indices. Expected"),
        ({"indices": [2**63]}, "indices. Expected"),
        ({"labels": np.zeros((2, 14))}, r"labels. Expected: \(1, 14\) zeros and ones"),
        (
            {"labels": np.full((1, 14), 2)},
            r"labels. Expected: \(1, 14\) zeros and ones. Received: shape \(1, 14\) with .*2",
        ),
        ({"labels": NO_FINDING, "prevalence": 0.1}, "prevalence. Expected: None where labels"),
        ({"severity": (0.5, 1.5)}, "severity"),
        ({"severty": (0.5, 1.0)}, "Did you mean 'severity'"),
        ({"exposure": 2}, "exposure. Expected"),
        ({"prevalence": {"effusoin": 0.1}}, "Did you mean 'effusion'"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        phantom.simulate(**({"indices": [0], "size": 64} | arguments))


def test_images_of_a_version_are_unchanged():
    """If the images change on purpose, raise phantom.VERSION and run tools/pin_phantom.py."""
    pinned = json.loads((Path(__file__).parent / "pinned.json").read_text())
    assert pinned["version"] == phantom.VERSION
    labels = np.vstack([np.eye(14, dtype=np.uint8), NO_FINDING])
    images = phantom.simulate(np.arange(15), size=64, labels=labels).images
    means = images.reshape(15, 8, 8, 8, 8).mean(axis=(2, 4))
    np.testing.assert_allclose(means, pinned["blocks"], atol=0.2)
