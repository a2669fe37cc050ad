"""Measures of anatomy and of lesions, on masks whose measures are known."""

import gzip
import json

import measure_simulator as tool
import numpy as np
import pytest

from xraylab.phantom.patient import sample_patients

SIZE = 100


def rectangle(left, top, right, bottom):
    mask = np.zeros((1, SIZE, SIZE), bool)
    mask[:, top:bottom, left:right] = True
    return mask


def test_anatomy_of_rectangles():
    lungs = rectangle(10, 20, 40, 80) | rectangle(60, 20, 90, 60)
    on_left = rectangle(50, 0, SIZE, SIZE)
    found = tool.anatomy(rectangle(40, 50, 72, 80), lungs, on_left)
    expected = (32 / 80, (1800 + 1200) / SIZE**2, 1800 / 1200, (56 - 50) / 80)
    assert [value.item() for value in found.values()] == pytest.approx(expected)
    assert [*found] == [*tool.PUBLISHED]


def test_measured_widths_follow_the_parameter_of_the_simulator(monkeypatch):
    monkeypatch.setattr(tool, "PATIENTS", tool.BATCH)
    rows = np.arange(tool.BATCH)
    ratio, area, sides, shift = tool.simulated_anatomy("AP").values()
    parameter = sample_patients(rows, 0, np.ones(tool.BATCH)).cardiothoracic_ratio
    assert np.corrcoef(ratio, parameter)[0, 1] > 0.8
    assert abs(ratio - parameter).mean() < 0.06
    assert ((area > 0.05) & (area < 0.5)).all()
    assert 0.5 < sides.mean() < 2 and 0 < shift.mean() < 0.2


def test_lesions_of_rectangles():
    masks = np.concatenate(
        [rectangle(10, 20, 30, 40), rectangle(70, 60, 90, 80), rectangle(40, 40, 60, 60)]
    )
    found = tool.describe(masks)
    assert found["images"] == 3
    assert found["area"]["mean"] == pytest.approx(0.04) and found["area"]["sd"] < 1e-9
    assert found["x"] == pytest.approx(0.5) and found["y"]["mean"] == pytest.approx(0.5)
    assert found["y"]["quantiles"][2] == pytest.approx(0.5)
    assert (found["right"], found["left"]) == pytest.approx((1 / 3, 1 / 3))


def test_polygons_of_an_image_count_together(tmp_path):
    def drawn(name, left, top, right, bottom):
        polygon = [[left, top], [right - 1, top], [right - 1, bottom - 1], [left, bottom - 1]]
        return {"finding": name, "polygon": polygon}

    first = [drawn("Effusion", 0, 0, 512, 512), drawn("Effusion", 512, 512, 1024, 1024)]
    second = [drawn("Pleural Thickening", 0, 0, 512, 1024), drawn("Fracture", 0, 0, 9, 9)]
    images = [{"findings": findings} for findings in (first, second, [])]
    with gzip.open(tmp_path / "chestx_det_nih.json.gz", "wt") as stream:
        json.dump({"images": images}, stream)
    found = tool.annotated_masks(tmp_path)
    assert [*found] == ["effusion", "pleural_thickening"]
    assert {name: masks.mean() for name, masks in found.items()} == dict.fromkeys(found, 0.5)


def test_simulated_lesions_have_their_masks(monkeypatch):
    monkeypatch.setattr(tool, "PATIENTS", 8)
    found = tool.describe(tool.simulated_masks("emphysema"))
    assert found["images"] == 8
    assert found["right"] == found["left"] == 0, "in both lungs"
    assert 0.1 < found["area"]["mean"] < 0.6
