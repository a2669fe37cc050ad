"""Chapters run from top to bottom at the smallest scale, as their notebook twins.

``make book`` runs every chapter at laptop scale and stops at an error. Here run the first, one that
trains and probes, and one of the phantom; ``make test-all`` runs all of them.
"""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EVERY_CHAPTER = bool(os.environ.get("XRAYLAB_EVERY_MODEL"))
CHAPTERS = [
    path
    for path in sorted((Path(__file__).parents[1] / "book" / "chapters").glob("*.ipynb"))
    if EVERY_CHAPTER or path.stem[:2] in ("01", "02", "10")
]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_runs_at_smoke_scale(path, tmp_path, monkeypatch):
    monkeypatch.setenv("XRAYLAB_SCALE", "smoke")
    monkeypatch.setenv("XRAYLAB_WIDGETS", "static")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute(env=dict(os.environ))
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output["text"]
