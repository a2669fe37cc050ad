"""Listings of package code."""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

from xraylab import check, widgets


def test_listing_equals_the_source_without_docstrings():
    source = textwrap.dedent(inspect.getsource(check.Exercise.check)).rstrip()
    listing = widgets.code(check.Exercise.check)
    assert listing.text == re.sub(r' *""".*?"""\n', "", source)
    assert listing.location.startswith("xraylab/check/grading.py, lines ")
    assert repr(listing).startswith("# xraylab/check/grading.py")
    assert listing._repr_markdown_().endswith(f"```python\n{listing.text}\n```")


@pytest.mark.parametrize("obj", [check.Exercise.check, check.Feedback, check.Feedback.__repr__])
def test_docstrings_are_omitted_and_the_rest_parses(obj):
    text = widgets.code(obj).text
    assert '"""' not in text
    ast.parse(text)


def test_excerpt_reports_its_line_numbers():
    listing = widgets.code(check.Exercise.check, start="if value.size", stop="return Feedback")
    assert listing.text.splitlines()[0].startswith("if value.size")
    assert "return Feedback" not in listing.text
    file, _, lines = listing.location.partition(", lines ")
    first, last = (int(word) for word in lines.split(",")[0].split(" to "))
    source = (Path(check.__file__).parents[2] / file).read_text(encoding="utf-8").splitlines()
    assert source[first - 1].strip() == listing.text.splitlines()[0]
    assert source[last - 1].strip() == listing.text.splitlines()[-1].strip()


@pytest.mark.parametrize("part", [{"start": "no such line"}, {"stop": "no such line"}])
def test_missing_start_or_stop_is_rejected(part):
    with pytest.raises(ValueError, match="no such line"):
        widgets.code(check.Exercise.check, **part)


def test_objects_without_source_are_rejected():
    with pytest.raises(ValueError, match="no Python source"):
        widgets.code(np.add)
