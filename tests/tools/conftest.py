"""Shared by the tests of tools and benchmarks."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load_benchmark(monkeypatch):
    """Return a function that imports a script of ``benchmarks/`` by its name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module
