"""Render the book: run the chapters that changed, write the pages, check them.

    python tools/build_book.py

Chapters are executed two at a time into ``book/_build/.jupyter_cache``, from which Jupyter Book
reads them by their cells. The cache is cleared when the package, the data of the book, an installed
package or the scale change. A second build without changes executes nothing.
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
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import distributions
from itertools import repeat
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import api_reference
import check_html
import reading_times
import sync
import yaml
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor

ROOT = Path(__file__).resolve().parents[1]

WORKERS = 2
"""Chapters executed at a time. More would need more memory than a laptop has."""

ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": str(max(1, (os.cpu_count() or 1) // WORKERS)),
    "XRAYLAB_WIDGETS": "static",
}

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_RELEVANT = re.compile(r"WARNING|ERROR|CRITICAL|Exception|Executing notebook|Executed notebook")
_NOISE = re.compile(r"IPKernelApp\] WARNING \| Kernel is running over TCP|absl::InitializeLog")


def stamp() -> str:
    """Compute a digest of everything but its cells that the output of a chapter depends on."""
    packages = sorted(f"{found.name} {found.version}" for found in distributions())
    scale = os.environ.get("XRAYLAB_SCALE", "laptop")
    digest = hashlib.sha256("\0".join([scale, *packages]).encode())
    for folder in ("xraylab", "book/measured", "book/results", "weights"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                name = file.relative_to(ROOT).as_posix()
                digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def clear(build: Path, *names: str) -> None:
    """Remove these folders of an earlier build."""
    for name in names:
        shutil.rmtree(build / name, ignore_errors=True)


def log_to(file: Path) -> None:
    """Append the error output of this process and of the kernels that it starts to a file."""
    with file.open("a") as stream:
        os.dup2(stream.fileno(), sys.stderr.fileno())


def execute(key: int, cache: Path, timeout: int) -> tuple[str, float, str | None]:
    """Execute a chapter into the cache; return its name, run time, and traceback if it failed."""
    begin, project = time.time(), get_cache(cache)
    executor = load_executor("local-serial", project)
    done = executor.run_and_cache(filter_pks=[key], timeout=timeout)
    record = project.get_project_record(key)
    error = None
    if done.excepted or done.errored:
        # Jupyter's own frames come first. A kernel that was killed leaves no traceback.
        error = _COLOURS.sub("", record.traceback or "The kernel died; see execute.log")
        error = error.rpartition("while executing the following cell:\n")[2].strip()
    name, seconds = Path(record.uri).stem, time.time() - begin
    print(f"  {name}: {seconds:.1f} s", flush=True)
    return name, seconds, error


def execute_changed(book: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Execute the chapters that the cache lacks; return all run times, and the failures."""
    cache, log = book / "_build" / ".jupyter_cache", book / "_build" / "execute.log"
    project = get_cache(cache)
    pages = [str(page) for page in sync.chapters(book)]
    for page in pages:
        project.add_nb_to_project(page, read_data={"name": "myst_nb_md", "type": "plugin"})
    keys = [record.pk for record in project.list_unexecuted(filter_uris=pages)]
    timeout = yaml.safe_load((book / "_config.yml").read_text("utf-8"))["execute"]["timeout"]
    log.write_text("")
    with ProcessPoolExecutor(WORKERS, initializer=log_to, initargs=(log,)) as pool:
        done = list(pool.map(execute, keys, repeat(cache), repeat(timeout)))
    seconds = {name: duration for name, duration, _ in done}
    return seconds, {name: error for name, _, error in done if error}


def render(book: Path) -> int:
    """Run Jupyter Book and return its exit code."""
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(book)]
    log = book / "_build" / "build.log"
    with (
        log.open("w", encoding="utf-8") as stream,
        subprocess.Popen(
            [*command, "-W", "-n", "--keep-going"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        for raw in process.stdout:
            line = _COLOURS.sub("", raw.rstrip())
            stream.write(line + "\n")
            if _RELEVANT.search(line) and "Config(" not in line and not _NOISE.search(line):
                print(f"  {line}", flush=True)
    return process.returncode


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
    os.environ.update(ENVIRONMENT)
    current, file = stamp(), build / "xraylab.stamp"
    build.mkdir(exist_ok=True)
    if options.fresh or not file.exists() or file.read_text() != current:
        print("The package, its data or the scale has changed: every chapter is executed.")
        clear(build, ".jupyter_cache", ".doctrees", "html", "jupyter_execute")
    file.write_text(current)

    begin = time.time()
    seconds, failures = execute_changed(book)
    for name, traceback in failures.items():
        print(f"\n──── {name} failed ────\n{traceback}", file=sys.stderr)
    if failures:
        return 1
    if code := render(book):
        # Otherwise the next build would skip the pages, and with them their warnings.
        clear(build, ".doctrees")
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
    limits = {
        number: reading_times.RUNNING[running]
        for number, (_, running) in reading_times.cards(book / "chapters").items()
    }
    print(f"\n{'page':40}{'MB':>6}{'run (s)':>9}")
    for page, size in sizes.items():
        name = Path(page).stem
        ran = f"{known[name]:.1f}" if name in known else "–"
        note = "" if name in seconds or name not in known else "  (cached)"
        if known.get(name, 0) > limits.get(name[:2], float("inf")):
            note += "  longer than its card says"
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
