"""Every chapter runs as the notebook that readers open, and its conclusions hold.

Part of ``make test-all``: ``make book`` runs every chapter anyway, at laptop scale. The conclusions
of a chapter are the assertions of ``conclusions/<chapter>.py``, which run after its last cell.
"""

import os
from pathlib import Path

import pytest
import sync

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.long


CONCLUSIONS = sorted((ROOT / "tests" / "conclusions").glob("*.py"))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that executes a chapter, and more code after it."""
    # These take seconds, also where the tests are skipped.
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("XRAYLAB_WIDGETS", "static")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")

    def execute(path, scale, code=""):
        monkeypatch.setenv("XRAYLAB_SCALE", scale)
        notebook = nbformat.reads(sync.notebook(path), as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell(code))
        client = NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
        )
        client.execute(env=dict(os.environ))
        return notebook

    return execute


@pytest.mark.parametrize("path", CONCLUSIONS, ids=lambda path: path.stem)
def test_conclusions_follow_from_the_numbers_at_laptop_scale(path, run):
    run(sync.BOOK / "chapters" / f"{path.stem}.md", "laptop", path.read_text())


@pytest.mark.parametrize("path", sync.chapters(), ids=lambda path: path.stem)
def test_chapter_runs_at_smoke_scale(path, run):
    for cell in run(path, "smoke").cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output["text"]
