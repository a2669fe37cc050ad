"""The Git commit that a run records."""

import subprocess

from xraylab.training import report


def test_commit_of_tracked_files(tmp_path, monkeypatch):
    def git(*words):
        me = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
        done = subprocess.run(["git", *me, *words], cwd=tmp_path, capture_output=True, check=True)
        return done.stdout.decode().strip()

    package = tmp_path / "package" / "part"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "report.py").write_text("")
    monkeypatch.setattr(report, "__file__", str(package / "report.py"))
    git("init")
    assert report.commit() is None  # in a repository, but none of its files
    git("add", ".")
    git("commit", "-m", "one")
    assert report.commit() == git("rev-parse", "HEAD")
    (tmp_path / "notes.txt").write_text("not of the package")
    assert report.commit() == git("rev-parse", "HEAD")
    (package / "more.py").write_text("")
    assert report.commit() == git("rev-parse", "HEAD") + "-dirty"


def test_no_git(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert report.commit() is None
