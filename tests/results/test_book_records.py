"""The records in the book agree with their predictions."""

import warnings
from dataclasses import asdict
from pathlib import Path

import pytest
from real_images import load

from xraylab import evaluation, results
from xraylab.results.store import TOLERANCES

FOLDER = Path(__file__).parents[2] / "book" / "results"


WITHOUT_COMMIT = ("efficientvit_m0_64_phantom7",)
"""Trained outside of a checkout; another run of the recipe has other weights, by rounding."""


@pytest.fixture(scope="module")
def records():
    return results.load_results(FOLDER)


def test_scores_match_the_predictions(records):
    """Loading recomputes the scores; no record holds labels of real images."""
    assert records
    for result in records:
        assert (result.predictions is not None) == result.simulated
        assert result.software["trained_by"]["commit"] or result.name in WITHOUT_COMMIT


def test_calibration_and_operating_points_of_the_newest(records):
    """Intervals take long; ``make test-all`` recomputes those of all records."""
    stored = [result for result in records if result.predictions is not None]
    newest = max(stored, key=lambda result: result.recorded)
    val, test = newest.predictions["val"], newest.predictions["test"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Platt scaling")
        fitted = evaluation.fit_calibration(val.y_true, val.logits)
    slopes = newest.calibration["platt"].calibration.slope
    assert slopes == pytest.approx(fitted.platt.slope, rel=TOLERANCES["calibration"])
    error = evaluation.calibration_error(test.y_true, fitted.platt(test.logits))
    recorded = newest.calibration["platt"].calibration_error.value
    assert recorded == pytest.approx(error, abs=TOLERANCES["calibration"])
    for rule, thresholds in fitted.thresholds.items():
        points = evaluation.operating_points(test.y_true, test.probabilities, thresholds)
        for point, expected in zip(newest.operating_points[rule], points, strict=True):
            assert asdict(point) == pytest.approx(
                asdict(expected), abs=TOLERANCES["operating_points"], nan_ok=True
            )


def test_scores_on_real_images_match_the_predictions(records, real_images):
    real = [r for r in records if not r.simulated]
    names = {r.data["test"].source for r in real}
    images = [
        split for name in sorted(names) for split in load(real_images, "val", "test", name=name)
    ]
    for record in real:
        assert results.load_result(record.path, images).predictions, record.name


@pytest.mark.long
def test_intervals_calibration_and_operating_points_of_all(records):
    checked, unchecked = results.check(FOLDER)
    assert len(checked) + len(unchecked) == len(records)


def test_folder_holds_only_records_and_predictions(records):
    files = {name for r in records for name in (r.path.name, r.predictions_file)}
    assert {path.name for path in FOLDER.iterdir()} == files


def test_captions_of_simulated_images_say_so(records):
    simulated = [result for result in records if result.simulated]
    assert "SIMULATED images of phantom" in results.table(simulated).caption


def test_description_has_the_scores_of_the_record(records):
    result = next(r for r in records if not r.simulated)
    auc, text = result.intervals["macro_auc"], result.describe()
    assert f"{auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]" in text
    assert f"{result.data['train'].num_images:,} real images" in text
    assert "SIMULATED" in next(r for r in records if r.simulated).describe()
