"""Masks of findings that readers drew by hand on real images."""

import gzip
import json

import annotations
import numpy as np
import pandas as pd
import pytest

from xraylab.findings import FINDINGS

EFFUSION, MASS, NODULE = (FINDINGS.index(name) for name in ("effusion", "mass", "nodule"))
LEFT = [[0, 0], [511, 0], [511, 1023], [0, 1023]]
TOP_RIGHT = [[512, 0], [1023, 0], [1023, 511], [512, 511]]
POINT = [[0, 0], [4, 0], [4, 4], [0, 4]]


@pytest.fixture
def folder(tmp_path):
    """Return a folder of one training image, ten of validation, and three of test."""
    splits = ["test"] * 3 + ["train"] + ["val"] * 10
    table = pd.DataFrame({"split": splits})
    table["row_64"] = table.groupby("split").cumcount()
    table["image_index"] = [f"{i}.png" for i in range(len(table))]
    table["patient"] = [f"{i:02}" for i in range(len(table))]
    table.to_csv(tmp_path / "nih_images.csv", index=False)
    arrays = {
        f"{split}_images": np.full((len(rows), 64, 64), rows.index.to_numpy()[:, None, None])
        for split, rows in table.groupby("split")
    }
    np.savez(tmp_path / "nih_64.npz", **arrays)

    def found(name, *polygons):
        return [{"finding": name, "polygon": polygon} for polygon in polygons]

    entries = [{"image": f"{i}.png", "findings": found("Effusion", LEFT)} for i in range(14)]
    entries[1]["findings"] += found("Effusion", TOP_RIGHT) + found("Fracture", LEFT)
    for entry in entries[5:]:
        entry["findings"] += found("Mass", LEFT)
    for entry in entries:
        entry["findings"] += found("Nodule", POINT)
    with gzip.open(tmp_path / "chestx_det_nih.json.gz", "wt") as stream:
        json.dump({"images": entries}, stream)
    boxes = [(f"{i}.png", "Mass", 0, 0, 512, 1024) for i in (0, 1, 2, 3)]
    boxes += [("0.png", "Effusion", 0, 0, 512, 512)]
    header = ["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"]
    pd.DataFrame(boxes, columns=header).to_csv(tmp_path / "BBox_List_2017.csv", index=False)
    return tmp_path


def _numbers(found):
    """Return the number of each pair's image, which is its grey level."""
    return np.rint(255 * found.images[found.rows, 0, 0, 0]).astype(int)


def test_polygons_of_images_that_were_not_trained_on(folder):
    found = annotations.polygons(folder)
    assert {*found.findings} == {EFFUSION}, "mass: 9 patients; nodule: below half a pixel"
    numbers = _numbers(found)
    assert sorted(numbers) == [0, 1, 2, *range(4, 14)]
    assert [int(patient) for patient in found.patients] == [*numbers]
    for number, mask in zip(numbers, found.masks, strict=True):
        expected = np.zeros((64, 64), bool)
        expected[:, :32] = True
        expected[:32, 32:] = number == 1
        np.testing.assert_array_equal(mask, expected)


def test_boxes_of_images_that_were_not_trained_on(folder):
    found = annotations.boxes(folder)
    assert {*found.findings} == {MASS}, "effusion: one patient"
    assert sorted(_numbers(found)) == [0, 1, 2]
    assert found.masks[:, :, :32].all()
    assert not found.masks[:, :, 32:].any()


def test_pairs_without_a_usable_mask_are_left_out():
    masks = np.zeros((5, 64, 64), bool)
    masks[:4, :16] = True
    masks[3] = True
    rows, findings = np.array([0, 2, 2, 3, 1]), np.array([MASS, MASS, EFFUSION, MASS, MASS])
    images, patients = np.zeros((4, 64, 64), np.uint8), rows
    found = annotations.annotate(images, rows, findings, masks, patients, 2, "drawn here")
    assert [*found.patients] == [0, 2], "effusion: one patient; a full mask; an empty one"
    assert [*found.rows] == [0, 1] and found.images.shape == (2, 64, 64, 1)
    facts = found.facts()
    assert facts["by_finding"] == {"mass": 2} and facts["mask_area"] == 1 / 4
    assert [*found.subset([1]).patients] == [2] and len(found.subset([1]).images) == 2


def test_annotations_of_the_real_images(real_images):
    for load, pairs, least in ((annotations.polygons, 872, 10), (annotations.boxes, 26, 3)):
        found = load(real_images)
        assert len(found.rows) == len(found.masks) == pairs
        assert found.masks.any(axis=(1, 2)).all()
        assert not found.masks.all(axis=(1, 2)).any()
        for k in np.unique(found.findings):
            assert len(np.unique(found.patients[found.findings == k])) >= least
