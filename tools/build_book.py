"""Render the book: run the chapters that changed, write the pages, check them.

    python tools/build_book.py

Executed chapters are kept in ``book/_build/.jupyter_cache``, which looks at their cells only; so
it is emptied here whenever the package or the scale has changed. A second run with nothing changed
executes nothing.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import check_html
import sync

ROOT = Path(__file__).resolve().parents[1]

ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "XRAYLAB_WIDGETS": "static",
}

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_EXECUTED = re.compile(r"([^/\s]+)\.md: Executed notebook in ([\d.]+) seconds")
_TOLD = re.compile(r"WARNING|ERROR|CRITICAL|Exception|Executing notebook|Executed notebook")
_NOISE = re.compile(r"IPKernelApp\] WARNING \| Kernel is running over TCP")


def stamp(environment: dict[str, str]) -> str:
    """Return a digest of all that a chapter's results depend on besides its cells."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    for file in sorted((ROOT / "xraylab").rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    scale = environment.get("XRAYLAB_SCALE", "laptop")
    packages = [
        f"{name} {version(name)}" for name in ("keras", "matplotlib", "numpy", "tensorflow")
    ]
    digest.update("\0".join([scale, *packages]).encode())
    return digest.hexdigest()


def forget(build: Path, *names: str) -> None:
    """Remove what an earlier build has left under these names."""
    for name in names:
        shutil.rmtree(build / name, ignore_errors=True)


def render(book: Path, environment: dict[str, str]) -> tuple[int, dict[str, float]]:
    """Run Jupyter Book; return its exit code and the seconds of every chapter it executed."""
    seconds = {}
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(book)]
    log = book / "_build" / "build.log"
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            [*command, "-W", "-n", "--keep-going"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        for raw in process.stdout:
            line = _COLOURS.sub("", raw.rstrip())
            kept.write(line + "\n")
            if done := _EXECUTED.search(line):
                seconds[done[1]] = float(done[2])
            if _TOLD.search(line) and "Config(" not in line and not _NOISE.search(line):
                print(f"  {line}", flush=True)
    return process.returncode, seconds


def failures(html: Path, since: float) -> list[tuple[str, str]]:
    """Return the chapters that failed in this build with the traceback of the failing cell."""
    reports = sorted((html / "reports").rglob("*.err.log"))
    found = []
    for report in reports:
        if report.stat().st_mtime >= since:
            told = _COLOURS.sub("", report.read_text("utf-8"))
            # What comes before is Jupyter's own way to the cell.
            _, _, cell = told.partition("while executing the following cell:\n")
            found.append((report.name.removesuffix(".err.log"), (cell or told).strip()))
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--book", type=Path, default=ROOT / "book", help="folder of the book")
    parser.add_argument("--fresh", action="store_true", help="run every chapter again")
    parser.add_argument("--open", action="store_true", help="open the pages when they are made")
    options = parser.parse_args(arguments)
    book, build = options.book.resolve(), options.book.resolve() / "_build"
    html = build / "html"

    if sync.main(["--check", "--book", str(book)]):
        return 1
    environment = {**os.environ, **ENVIRONMENT}
    now, kept = stamp(environment), build / "xraylab.stamp"
    build.mkdir(exist_ok=True)
    if options.fresh or not kept.exists() or kept.read_text() != now:
        print("The package or the scale has changed: every chapter runs again.")
        forget(build, ".jupyter_cache", ".doctrees", "html", "jupyter_execute")
    kept.write_text(now)

    begin = time.time()
    code, seconds = render(book, environment)
    if code:
        # Sphinx would take the pages as read the next time, and their warnings as never given.
        forget(build, ".doctrees")
        for name, traceback in failures(html, begin):
            print(f"\n──── {name} failed ────\n{traceback}", file=sys.stderr)
        print(f"The book was not built; the whole log is {build / 'build.log'}", file=sys.stderr)
        return code
    times = build / "seconds.json"
    known = {**(json.loads(times.read_text()) if times.exists() else {}), **seconds}
    times.write_text(json.dumps(known, indent=1))

    problems, weights = check_html.check(html)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"\n{'page':40}{'MB':>6}{'run, s':>9}")
    for page, weight in weights.items():
        name = Path(page).stem
        ran = f"{known[name]:.1f}" if name in known else "–"
        note = "" if name in seconds or name not in known else "  (kept from an earlier run)"
        print(f"{page:40}{weight / 1e6:6.2f}{ran:>9}{note}")
    print(f"{len(seconds)} chapters executed; {time.time() - begin:.0f} s in all")
    if problems:
        print(f"{len(problems)} problems in the pages", file=sys.stderr)
        return 1
    print(html / "index.html")
    if options.open:
        webbrowser.open((html / "index.html").as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
