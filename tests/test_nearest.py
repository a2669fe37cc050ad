"""Names that are none are answered by those that were meant."""

from xraylab.nearest import did_you_mean

NAMES = ("rr_vit", "rr_vit_toy", "dbct", "AP")


def test_the_nearest_names_are_told():
    assert did_you_mean("dcbt", NAMES) == "did you mean 'dbct'?"
    assert did_you_mean("rr_vti", NAMES, most=3) == "did you mean 'rr_vit' or 'rr_vit_toy'?"


def test_case_does_not_matter_and_is_kept():
    assert did_you_mean("ap", NAMES) == "did you mean 'AP'?"


def test_what_is_near_nothing_gets_no_advice():
    assert did_you_mean("xyz", NAMES) is None
    assert did_you_mean(None, ()) is None
