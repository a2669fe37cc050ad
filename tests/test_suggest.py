"""Suggestions for misspelt names."""

from xraylab.suggest import did_you_mean

NAMES = ("rr_vit", "rr_vit_toy", "dbct", "AP")


def test_the_closest_names_are_suggested():
    assert did_you_mean("dcbt", NAMES) == "Did you mean 'dbct'?"
    assert did_you_mean("rr_vti", NAMES, most=3) == "Did you mean 'rr_vit' or 'rr_vit_toy'?"


def test_case_is_ignored_in_the_search_and_kept_in_the_suggestion():
    assert did_you_mean("ap", NAMES) == "Did you mean 'AP'?"


def test_nothing_is_suggested_for_a_name_close_to_none():
    assert did_you_mean("xyz", NAMES) is None
    assert did_you_mean(None, ()) is None
