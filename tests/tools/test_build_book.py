"""When chapters are executed again."""

import build_book
import pytest


@pytest.mark.parametrize("name", ["xraylab/a.py", "book/measured/a.json", "book/results/a.npz"])
def test_chapters_run_again_when_what_they_read_changes(tmp_path, monkeypatch, name):
    monkeypatch.setattr(build_book, "ROOT", tmp_path)
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text("1")
    before = build_book.stamp()
    assert build_book.stamp() == before
    file.write_text("2")
    assert build_book.stamp() != before


def test_chapters_run_again_at_another_scale(monkeypatch):
    monkeypatch.setenv("XRAYLAB_SCALE", "smoke")
    smoke = build_book.stamp()
    monkeypatch.setenv("XRAYLAB_SCALE", "laptop")
    assert build_book.stamp() != smoke
