"""Checks of arguments."""

import numpy as np
import pytest

from xraylab.arguments import require_choice, require_int


@pytest.mark.parametrize("value", [1, np.int64(1), np.uint8(1)])
def test_integers_within_the_bounds_are_returned(value):
    result = require_int("epochs", value, 1, 1)
    assert result == 1
    assert type(result) is int


@pytest.mark.parametrize("value", [0, 9, 1.0, True, None, "1", float("nan")])
def test_other_values_are_refused_by_name(value):
    expected = r"Invalid argument epochs\. Expected: an integer from 1 to 8\. Received: "
    with pytest.raises(ValueError, match=expected):
        require_int("epochs", value, 1, 8)


def test_a_misspelt_choice_gets_a_suggestion():
    assert require_choice("split", "val", ("train", "val")) == "val"
    with pytest.raises(ValueError, match=r"Received: 'trian'\. Did you mean 'train'\?"):
        require_choice("split", "trian", ("train", "val"))
    with pytest.raises(ValueError, match=r"one of 'train', 'val'\. Received: 7\.$"):
        require_choice("split", 7, ("train", "val"))
