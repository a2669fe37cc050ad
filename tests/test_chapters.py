"""Every chapter runs from top to bottom at the smallest scale, as the notebook that readers open.

Part of ``make test-all``: ``make book`` runs every chapter anyway, at laptop scale.
"""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import sync  # noqa: E402

pytestmark = pytest.mark.skipif(
    not os.environ.get("XRAYLAB_EVERY_MODEL"), reason="long; run by make test-all"
)


@pytest.mark.parametrize("path", sync.chapters(), ids=lambda path: path.stem)
def test_chapter_runs_at_smoke_scale(path, tmp_path, monkeypatch):
    monkeypatch.setenv("XRAYLAB_SCALE", "smoke")
    monkeypatch.setenv("XRAYLAB_WIDGETS", "static")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    notebook = nbformat.reads(sync.notebook(path), as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute(env=dict(os.environ))
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output["text"]
