"""Chapters find the book's data, or state in one sentence what to do."""

import subprocess
from pathlib import Path

import pytest

from xraylab import book


def test_setup_prints_and_returns_the_scale(monkeypatch, capsys):
    monkeypatch.delenv("XRAYLAB_SCALE", raising=False)
    assert book.setup(backend=False) == "laptop"
    assert capsys.readouterr().out.endswith("scale laptop\n")


def test_an_unknown_scale_is_rejected(monkeypatch):
    monkeypatch.setenv("XRAYLAB_SCALE", "smok")
    with pytest.raises(ValueError, match=r"Received: 'smok'\. Did you mean 'smoke'"):
        book.setup(backend=False)


def test_missing_files_are_reported_before_the_backend_starts(monkeypatch):
    def fail():
        raise FileNotFoundError("no network")

    monkeypatch.setattr(book, "folder", fail)
    monkeypatch.setattr(book.doctor, "banner", lambda: pytest.fail("the backend was started"))
    with pytest.raises(FileNotFoundError, match="no network"):
        book.setup()
    book.setup(backend=False, files=False)


def test_the_folder_of_the_installed_checkout_is_used(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert book.folder() == Path(book.__file__).parents[1] / "book"


@pytest.fixture
def outside(monkeypatch, tmp_path):
    """Pretend that xraylab is installed outside a checkout."""
    monkeypatch.setattr(book, "__file__", str(tmp_path / "site-packages" / "xraylab" / "book.py"))
    folder = tmp_path / "working"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_failed_download_is_one_sentence(outside):
    with pytest.raises(FileNotFoundError, match="run this notebook inside a checkout") as error:
        book.folder(f"file://{outside}/nothing")
    assert "\n" not in str(error.value)
    assert not list(outside.iterdir())


def test_the_book_is_downloaded_once(outside, tmp_path):
    origin = tmp_path / "origin"
    (origin / "book" / "measured").mkdir(parents=True)
    (origin / "book" / "measured" / "a.json").write_text("{}")
    git = ["git", "-C", str(origin), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Add"]):
        subprocess.run([*git, *command], check=True)
    assert (book.folder(f"file://{origin}") / "measured").is_dir()
    assert book.folder("file:///nothing") == Path("xraylab-book/book")


def test_measurements_are_read_by_name():
    assert book.measured("ensemble")["members"]
    with pytest.raises(ValueError, match="Did you mean 'ensemble'"):
        book.measured("ensembles")
