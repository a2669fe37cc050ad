"""Render the book: run the chapters that changed, write the pages, check them.

    python tools/build_book.py

Jupyter Book caches executed chapters in ``book/_build/.jupyter_cache`` by their cells. The cache is
cleared here when the package, its dependencies or the scale change. A second build without changes
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

import api_reference
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
_RELEVANT = re.compile(r"WARNING|ERROR|CRITICAL|Exception|Executing notebook|Executed notebook")
_NOISE = re.compile(r"IPKernelApp\] WARNING \| Kernel is running over TCP|absl::InitializeLog")


def stamp(environment: dict[str, str]) -> str:
    """Compute a digest of everything but its cells that the output of a chapter depends on."""
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


def clear(build: Path, *names: str) -> None:
    """Remove these folders of an earlier build."""
    for name in names:
        shutil.rmtree(build / name, ignore_errors=True)


def render(book: Path, environment: dict[str, str]) -> tuple[int, dict[str, float]]:
    """Run Jupyter Book; return its exit code and the run time of each executed chapter."""
    seconds = {}
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(book)]
    log = book / "_build" / "build.log"
    with (
        log.open("w", encoding="utf-8") as stream,
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
            stream.write(line + "\n")
            if done := _EXECUTED.search(line):
                seconds[done[1]] = float(done[2])
            if _RELEVANT.search(line) and "Config(" not in line and not _NOISE.search(line):
                print(f"  {line}", flush=True)
    return process.returncode, seconds


def failures(html: Path, since: float) -> list[tuple[str, str]]:
    """Return the chapters that failed in this build, each with the traceback of its cell."""
    reports = sorted((html / "reports").rglob("*.err.log"))
    found = []
    for report in reports:
        if report.stat().st_mtime >= since:
            text = _COLOURS.sub("", report.read_text("utf-8"))
            # Jupyter's own frames come first.
            _, _, cell = text.partition("while executing the following cell:\n")
            found.append((report.name.removesuffix(".err.log"), (cell or text).strip()))
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--book", type=Path, default=ROOT / "book", help="folder of the book")
    parser.add_argument("--fresh", action="store_true", help="execute every chapter")
    parser.add_argument("--open", action="store_true", help="open the pages in a browser")
    options = parser.parse_args(arguments)
    book, build = options.book.resolve(), options.book.resolve() / "_build"
    html = build / "html"

    if sync.main(["--check", "--book", str(book)]):
        return 1
    environment = {**os.environ, **ENVIRONMENT}
    current, file = stamp(environment), build / "xraylab.stamp"
    build.mkdir(exist_ok=True)
    if options.fresh or not file.exists() or file.read_text() != current:
        print("The package or the scale has changed: every chapter is executed.")
        clear(build, ".jupyter_cache", ".doctrees", "html", "jupyter_execute")
    file.write_text(current)

    begin = time.time()
    code, seconds = render(book, environment)
    if code:
        # Otherwise the next build would skip the pages, and with them their warnings.
        clear(build, ".doctrees")
        for name, traceback in failures(html, begin):
            print(f"\n──── {name} failed ────\n{traceback}", file=sys.stderr)
        print(f"The book was not built; log: {build / 'build.log'}", file=sys.stderr)
        return code
    times = build / "seconds.json"
    known = {**(json.loads(times.read_text()) if times.exists() else {}), **seconds}
    times.write_text(json.dumps(known, indent=1))

    problems, sizes = check_html.check(html)
    missing = api_reference.missing_names(html)
    problems += [f"{name} is missing in the API reference" for name in missing]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"\n{'page':40}{'MB':>6}{'run (s)':>9}")
    for page, size in sizes.items():
        name = Path(page).stem
        ran = f"{known[name]:.1f}" if name in known else "–"
        note = "" if name in seconds or name not in known else "  (cached)"
        print(f"{page:40}{size / 1e6:6.2f}{ran:>9}{note}")
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
