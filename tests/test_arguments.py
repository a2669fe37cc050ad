"""Checks of arguments, and suggestions for misspelt names."""

import numpy as np
import pytest

from xraylab import data, models, training
from xraylab.arguments import did_you_mean, require_choice, require_int

NAMES = ("rr_vit", "rr_vit_toy", "dbct", "AP")


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


def test_the_closest_names_are_suggested():
    assert did_you_mean("dcbt", NAMES) == "Did you mean 'dbct'?"
    assert did_you_mean("rr_vti", NAMES, most=3) == "Did you mean 'rr_vit' or 'rr_vit_toy'?"


def test_case_is_ignored_in_the_search_and_kept_in_the_suggestion():
    assert did_you_mean("ap", NAMES) == "Did you mean 'AP'?"


def test_names_of_other_libraries_get_their_counterpart():
    assert did_you_mean("image_size", ("size", "num_images")) == "Did you mean 'size'?"
    assert did_you_mean("lr", ("loss", "learning_rate")) == "Did you mean 'learning_rate'?"
    assert did_you_mean("lr", ("lrs",)) == "Did you mean 'lrs'?"  # no counterpart among the names
    assert did_you_mean("in_channels", ("num_labels",)) == "Images have one grey channel."


def test_calls_in_the_words_of_other_libraries_get_a_hint():
    with pytest.raises(ValueError, match=r"none\. Received: image_size=64\. Did you mean 'size'"):
        data.load("phantom", image_size=64)
    with pytest.raises(ValueError, match=r"'optimizer'\. A recipe trains with AdamW"):
        training.Recipe(optimizer="sgd")
    with pytest.raises(ValueError, match=r"'include_top'\. model\(images, return_intermediates"):
        models.build("rr_vit_toy", include_top=False)
    with pytest.raises(FileNotFoundError, match=r"imagenet\. There are no ImageNet weights"):
        models.build("rr_vit_toy", weights="imagenet")


def test_nothing_is_suggested_for_a_name_close_to_none():
    assert did_you_mean("xyz", NAMES) is None
    assert did_you_mean(None, ()) is None


def test_a_misspelt_choice_gets_a_suggestion():
    assert require_choice("split", "val", ("train", "val")) == "val"
    with pytest.raises(ValueError, match=r"Received: 'trian'\. Did you mean 'train'\?"):
        require_choice("split", "trian", ("train", "val"))
    with pytest.raises(ValueError, match=r"one of 'train', 'val'\. Received: 7\.$"):
        require_choice("split", 7, ("train", "val"))
