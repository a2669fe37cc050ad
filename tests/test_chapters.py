"""Every chapter runs from top to bottom at the smallest scale, as its notebook twin."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CHAPTERS = sorted((Path(__file__).parents[1] / "book" / "chapters").glob("*.ipynb"))


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
