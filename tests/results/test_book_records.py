"""The records in the book agree with their predictions."""

import os
import warnings
from pathlib import Path

import pytest

from xraylab import results
from xraylab.results.store import TOLERANCES, require_equal, score_predictions

FOLDER = Path(__file__).parents[2] / "book" / "results"


@pytest.fixture(scope="module")
def records():
    return results.load_results(FOLDER)


def test_scores_match_the_predictions(records):
    """Loading recomputes the scores; labels of real images must not be redistributed."""
    assert records
    for result in records:
        assert (result.predictions is not None) == result.simulated
        assert result.software["trained_by"]["commit"]


def test_intervals_calibration_and_operating_points_of_the_newest(records):
    stored = [result for result in records if result.predictions is not None]
    newest = max(stored, key=lambda result: result.recorded)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Platt scaling")
        computed = score_predictions(newest.predictions, newest.protocol)
    require_equal(newest.path, newest, computed, TOLERANCES)


@pytest.mark.skipif(not os.environ.get("XRAYLAB_EVERY_MODEL"), reason="long; make test-all")
def test_intervals_calibration_and_operating_points_of_all(records):
    checked, unchecked = results.check(FOLDER)
    assert len(checked) + len(unchecked) == len(records)


def test_folder_holds_only_records_and_predictions(records):
    files = {name for r in records for name in (r.path.name, r.predictions_file) if name}
    assert {path.name for path in FOLDER.iterdir()} == files


def test_captions_of_simulated_images_say_so(records):
    simulated = [result for result in records if result.simulated]
    assert "SIMULATED images of phantom" in results.table(simulated).caption
