"""Runs that the tests of the command line share; tests that change a run copy it first."""

import pytest

from ..conftest import eager_execution
from .command import TRAIN, xraylab


@pytest.fixture(scope="package")
def run(image_file, tmp_path_factory):
    """Train a run in a folder with a space in its name."""
    out = tmp_path_factory.mktemp("cli") / "a run"
    with eager_execution():
        text = xraylab(*TRAIN, "--data", image_file, "--out", out)
    assert "Epoch 2/2" in text
    assert f"next: xraylab evaluate '{out}' --split test" in text
    return out
