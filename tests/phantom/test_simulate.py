"""Phantom images: deterministic, with findings that can be seen and truths that are true."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xraylab import phantom

NONE = np.zeros((1, 14), np.uint8)


def test_same_index_and_seed_same_bytes_in_any_order_and_company():
    many = phantom.simulate(np.arange(40), size=32)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(phantom.simulate(order, size=32).images, many.images[order])
    np.testing.assert_array_equal(phantom.simulate([17], size=32).images[0], many.images[17])
    np.testing.assert_array_equal(phantom.simulate([17], size=32).labels[0], many.labels[17])


def test_batches_of_large_images_are_cut_into_pieces_without_a_seam(monkeypatch):
    whole = phantom.simulate(np.arange(12), size=48, masks=True)
    monkeypatch.setattr("xraylab.phantom.simulator._BATCH_PIXELS", 5 * 48 * 48)
    pieces = phantom.simulate(np.arange(12), size=48, masks=True)
    for name in ("images", "labels", "masks", "boxes", "facts"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))


def test_another_process_makes_the_same_bytes():
    code = (
        "import hashlib, numpy as np; from xraylab import phantom; "
        "print(hashlib.sha256(phantom.simulate(np.arange(5), size=64).images).hexdigest())"
    )
    theirs = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    ours = hashlib.sha256(phantom.simulate(np.arange(5), size=64).images).hexdigest()
    assert theirs.decode().strip() == ours


def test_company_changes_nothing_with_every_knob_turned():
    knobs = {
        "severity": (0.2, 0.9),
        "exposure": 0.4,
        "sensitivity": 0.7,
        "specificity": {"mass": 0.8},
        "prevalence": 0.3,
        "confounder": phantom.Confounder("device", "mass", 0.5),
    }
    many = phantom.simulate(np.arange(30), size=57, masks=True, **knobs)
    alone = phantom.simulate([21], size=57, masks=True, **knobs)
    for name in ("images", "labels", "masks", "facts"):
        np.testing.assert_array_equal(getattr(alone, name)[0], getattr(many, name)[21])


def test_bad_arguments_of_layers_are_named():
    with pytest.raises(ValueError, match="index must be a whole number from 0"):
        phantom.layers(-1)
    with pytest.raises(ValueError, match=r"labels must be \(14,\) zeros and ones"):
        phantom.layers(0, labels=[1, 0])
    with pytest.raises(ValueError, match="seed must be a whole number from 0"):
        phantom.draw_labels([0], seed=-1)


def test_seeds_and_indices_give_other_images():
    images = [
        phantom.simulate([index], size=64, seed=seed, labels=NONE).images[0].astype(float)
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
    for one, other in zip(small, averaged, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


def test_boxes_enclose_their_masks_exactly():
    made = phantom.simulate(np.arange(60), size=64, masks=True)
    assert len(made.boxes) == made.labels.sum() == made.masks.any(axis=(2, 3)).sum()
    for box in made.boxes:
        assert made.labels[box["image"], box["finding"]] == 1
        rows, columns = np.nonzero(made.masks[box["image"], box["finding"]])
        expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        found = [box[name] * 64 for name in ("x_min", "y_min", "x_max", "y_max")]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_images_are_grey_pictures_of_a_chest():
    made = phantom.simulate(np.arange(80), size=64)
    assert made.images.dtype == np.uint8
    assert made.images.shape == (80, 64, 64)
    assert 90 < made.images.mean() < 190
    assert made.images.std() > 40
    assert set(made.facts["sex"]) == {"F", "M"}
    assert set(made.facts["projection"]) == {"AP", "PA"}
    assert 0 < made.facts["age"].min() <= made.facts["age"].max() <= 100
    assert made.facts["devices"].any() and not made.facts["devices"].all()


def test_layers_add_up_to_the_image():
    """The image is dark where the layers add up to little, and is exposed from nothing else."""
    labels = np.eye(14, dtype=np.uint8)[2]
    made = phantom.layers(5, size=64, labels=labels)
    assert list(made) == [
        "body", "mediastinum", "bones", "vessels", "effusion", "metal", "image"
    ]  # fmt: skip
    image = phantom.simulate([5], size=64, labels=labels[np.newaxis]).images[0]
    np.testing.assert_array_equal(np.rint(255 * made["image"]), image)
    water = sum(made[name] for name in list(made)[:-2])
    assert water.min() > -2 and 15 < water.max() < 60  # no one is thicker than that
    inside = (slice(8, 56), slice(16, 48))
    ranks = [np.argsort(np.argsort(picture[inside].ravel())) for picture in (water, image)]
    assert np.corrcoef(*ranks)[0, 1] > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 27}, "size must be a whole number from 28 to 1024; 27 came"),
        ({"size": 1025}, "size must be"),
        ({"size": 64.0}, "size must be"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"indices": [-1]}, "indices must be .*from -1 to -1, came"),
        ({"indices": [0.5]}, "indices must be"),
        ({"indices": []}, "indices must be"),
        ({"indices": [2**63]}, "indices must be"),
        ({"labels": np.zeros((2, 14))}, r"labels must be \(1, 14\) zeros and ones"),
        ({"labels": np.full((1, 14), 2)}, "labels must be .*2.* came among them"),
        ({"labels": [[0] * 14, [0]]}, "labels must be .*rows of different lengths"),
        ({"labels": NONE, "prevalence": 0.1}, "prevalence must be None where labels are given"),
        ({"severity": (0.5, 1.5)}, "severity must be"),
        ({"severty": (0.5, 1.0)}, "severity"),
        ({"exposure": 2}, "exposure must be"),
        ({"prevalence": {"effusoin": 0.1}}, "effusion"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        phantom.simulate(**({"indices": [0], "size": 64} | arguments))


def test_images_of_a_version_stay_the_same():
    """If this fails on purpose: raise phantom.VERSION, then run tools/pin_phantom.py."""
    pinned = json.loads((Path(__file__).parent / "pinned.json").read_text())
    assert pinned["version"] == phantom.VERSION
    labels = np.vstack([np.eye(14, dtype=np.uint8), NONE])
    images = phantom.simulate(np.arange(15), size=64, labels=labels).images
    means = images.reshape(15, 8, 8, 8, 8).mean(axis=(2, 4))
    np.testing.assert_allclose(means, pinned["blocks"], atol=0.2)
