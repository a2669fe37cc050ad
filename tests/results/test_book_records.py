"""The records in the book are what they say."""

from pathlib import Path

from xraylab import results
from xraylab.results.scoring import Measure, disagreements, score_all

FOLDER = Path(__file__).parents[2] / "book" / "results"


def test_every_record_fits_the_schema_and_its_answers_give_its_scores():
    found = results.load_results(FOLDER)
    assert found
    for result in found:
        assert (result.answers is not None) == result.simulated  # real labels are not passed on
        assert result.values["software"]["trained_by"]["commit"]


def test_intervals_calibration_and_thresholds_of_one():
    """``xraylab results check`` computes those of all; here it is the newest, to save time."""
    kept = [result for result in results.load_results(FOLDER) if result.answers is not None]
    newest = max(kept, key=lambda result: result.values["recorded"])
    measure = Measure.from_dict(newest.values["measure"])
    found = score_all(newest.answers, measure)
    assert list(disagreements(newest.values, found)) == []


def test_nothing_lies_beside_the_records_but_their_answers():
    files = {path.name for path in FOLDER.iterdir()}
    for result in results.load_results(FOLDER):
        kept = result.values["predictions"]
        files -= {result.path.name, kept["file"] if kept else None}
    assert files == set()


def test_tables_of_simulated_images_say_so():
    simulated = [result for result in results.load_results(FOLDER) if result.simulated]
    assert "SIMULATED images of phantom" in results.table(simulated).caption
